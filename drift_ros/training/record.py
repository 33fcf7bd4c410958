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
from torch import Tensor

import drift_ros
from drift_ros.documents import read_json
from drift_ros.errors import OutputError
from drift_ros.training.settings import TrainingSettings

BANDS = 3  # of noise levels, in which losses are kept apart: little, middling, much noise
COLUMNS = ('step', 'seconds', 'loss', 'little', 'middling', 'much', 'J')
COLOURS = {
    'loss': (30, 30, 30),
    'little': (200, 140, 40),
    'middling': (60, 160, 60),
    'much': (60, 60, 210),
}
WIDTH, HEIGHT, MARGIN = 960, 480, 60


class Losses:
    """Sums errors between two lines of the table, by noise level."""

    def __init__(self, settings: TrainingSettings) -> None:
        self._low, self._span = settings.lowest, settings.highest - settings.lowest
        self._sums = np.zeros((BANDS, 2))

    def add(self, error: Tensor, log_snr: Tensor) -> None:
        """Count (B, F) errors at (B, F) levels."""
        place = (self._low + self._span - log_snr.flatten()).div(self._span).mul(BANDS)
        band = place.long().clamp(0, BANDS - 1).cpu().numpy()
        values = error.flatten().float().cpu().numpy()
        for index in range(BANDS):
            self._sums[index] += values[band == index].sum(), np.count_nonzero(band == index)

    def take(self) -> list[float]:
        """Mean loss over all, and over each band; then start anew."""
        total, count = self._sums.sum(0)
        means = [s / n if n else math.nan for s, n in self._sums]
        self._sums[:] = 0
        return [total / count if count else math.nan, *means]


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
    path.write_text(json.dumps(starts, indent=2) + '\n')


class Table:
    """The lines of `losses.csv`.

    Args:
        folder: of the training.
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
        try:
            with self._path.open('w', newline='') as file:
                writer = csv.DictWriter(file, COLUMNS)
                writer.writeheader()
                writer.writerows(self.rows)
        except OSError as error:
            raise OutputError(f'cannot write {self._path}: {error}') from None
        cv2.imwrite(str(self._folder / 'losses.png'), curve(self.rows))


def curve(rows: Sequence[dict[str, float]]) -> np.ndarray:
    """Losses over steps, both on logarithmic axes, as a picture (H, W, 3) uint8 BGR."""
    image = np.full((HEIGHT, WIDTH, 3), 255, np.uint8)
    values = [row[name] for row in rows for name in COLOURS if row[name] > 0]
    if not values:
        return image
    steps = np.log10([max(1.0, row['step']) for row in rows])
    left, right = steps.min(), max(steps.max(), steps.min() + 1e-6)
    low, high = math.log10(min(values)) - 0.05, math.log10(max(values)) + 0.05

    def place(x: float, y: float) -> tuple[int, int]:
        across = (x - left) / (right - left) * (WIDTH - 2 * MARGIN)
        down = (high - y) / (high - low) * (HEIGHT - 2 * MARGIN)
        return MARGIN + round(across), MARGIN + round(down)

    def write(text: str, x: int, y: int, colour: tuple[int, int, int] = (90, 90, 90)) -> None:
        cv2.putText(image, text, (x, y), cv2.FONT_HERSHEY_SIMPLEX, 0.45, colour, 1, cv2.LINE_AA)

    for level in np.linspace(low, high, 6):
        y = place(left, level)[1]
        cv2.line(image, (MARGIN, y), (WIDTH - MARGIN, y), (225, 225, 225))
        write(f'{10**level:.3g}', 8, y + 4)
    for level in np.linspace(left, right, 6):
        write(f'{10**level:.0f}', place(level, low)[0] - 12, HEIGHT - MARGIN + 22)
    write('step', WIDTH // 2, HEIGHT - 14)
    for index, (name, colour) in enumerate(COLOURS.items()):
        points = [
            place(x, math.log10(row[name]))
            for x, row in zip(steps, rows, strict=True)
            if row[name] > 0
        ]
        cv2.polylines(image, [np.array(points, np.int32)], False, colour, 2, cv2.LINE_AA)
        write(name if name == 'loss' else f'{name} noise', MARGIN + 180 * index, 30, colour)
    return image
