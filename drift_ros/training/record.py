"""What a training leaves behind: its settings and versions, its losses, a picture of them."""

from __future__ import annotations

import csv
import json
import math
import platform
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from matplotlib.figure import Figure

import drift_ros
from drift_ros.documents import read_json
from drift_ros.runs.atomic import write_csv, write_text, write_whole
from drift_ros.training.settings import TrainingSettings
from drift_ros.training.trainer import LOSSES, Losses

COLUMNS = ('step', 'seconds', *LOSSES, 'J')
COLOURS = {'denoising': '#3ca03c', 'matching': '#1e1e1e'}


class MeanLosses:
    """Means of the losses between two lines of the table; not every step has every loss."""

    def __init__(self) -> None:
        self._values: dict[str, list[float]] = {name: [] for name in LOSSES}

    def add(self, losses: Losses) -> None:
        """Count those of a step."""
        for name, value in losses.items():
            self._values[name].append(value)

    def take(self) -> dict[str, float]:
        """Mean of each, NaN where there was none; then start anew."""
        means = {name: float(np.mean(v)) if v else math.nan for name, v in self._values.items()}
        for values in self._values.values():
            values.clear()
        return means


def describe(folder: Path, settings: TrainingSettings, device: torch.device) -> None:
    """Add this start to `training.json`: when what ran with which seeds, versions and machine."""
    path = folder / 'training.json'
    starts = read_json(path) if path.is_file() else []
    starts.append(
        {
            'settings': settings.model_dump(mode='json'),
            'versions': {
                'drift_ros': drift_ros.__version__,
                'python': platform.python_version(),
                'torch': torch.__version__,
                'numpy': np.__version__,
                'opencv': cv2.__version__,
            },
            'machine': platform.platform(),
            'device': torch.cuda.get_device_name(device) if device.type == 'cuda' else 'cpu',
            'threads': torch.get_num_threads(),
            'command': sys.argv,
        }
    )
    write_text(path, json.dumps(starts, indent=2) + '\n')


class Table:
    """The lines of `losses.csv`.

    Args:
        last: number of the last step that counts; lines after it, of steps that will be done again,
            are dropped.
    """

    def __init__(self, folder: Path, last: int) -> None:
        self._folder = folder
        self._path = folder / 'losses.csv'
        self.rows: list[dict[str, float]] = []
        if self._path.is_file():
            with self._path.open(newline='') as file:
                lines = [{k: float(v) for k, v in row.items()} for row in csv.DictReader(file)]
            self.rows = [row for row in lines if row['step'] <= last]

    def add(self, values: Sequence[Any]) -> None:
        """Add a line, and draw all again.

        Raises:
            OutputError: the folder cannot be written to.
        """
        self.rows.append(dict(zip(COLUMNS, map(float, values), strict=True)))
        write_csv(self._path, [COLUMNS, *([row[name] for name in COLUMNS] for row in self.rows)])
        draw(self.rows, self._folder / 'losses.png')


def draw(rows: Sequence[dict[str, float]], path: Path) -> None:
    """Write a picture of the losses over the steps, both on logarithmic axes."""
    figure = Figure(figsize=(9.6, 4.8), layout='constrained')
    axes = figure.subplots()
    for name, colour in COLOURS.items():
        axes.plot([r['step'] for r in rows], [r[name] for r in rows], color=colour, label=name)
    known = any(row[name] > 0 for row in rows for name in COLOURS)  # else nothing has a logarithm
    scale = 'log' if known else 'linear'
    axes.set(xlabel='step', xscale=scale, yscale=scale)
    axes.grid(color='#dddddd')
    figure.legend(loc='outside upper left', ncols=len(COLOURS), frameon=False)
    write_whole(path, lambda part: figure.savefig(part, format='png'))
