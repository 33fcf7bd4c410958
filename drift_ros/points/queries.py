"""Points that are asked for, from files or as a grid."""

from __future__ import annotations

import csv
import math
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from drift_ros.errors import PromptError, SourceError, shown

GRID = 20  # points along the longer side where nothing else is said
LARGEST = 2**24  # bytes of a file of queries


@dataclass(frozen=True, slots=True, eq=False)
class PointQueries:
    """Points on frames of a recording: frames (N,) and positions (N, 2) (x, y) in px."""

    frames: NDArray[np.int64]
    positions: NDArray[np.float64]

    def on(self, frame: int) -> NDArray[np.float64]:
        """(n, 2) positions of the points on a frame."""
        return self.positions[self.frames == frame]


def grid(size: tuple[int, int], longer: int = GRID) -> PointQueries:
    """Points of a regular grid on frame 0.

    Args:
        size: (H, W) of the images in px.
        longer: points along the longer side.
    """
    height, width = size
    step = max(size) / longer
    x = np.arange(max(1, round(width / step)))
    y = np.arange(max(1, round(height / step)))
    places = np.stack(
        np.meshgrid((x + 0.5) * width / len(x) - 0.5, (y + 0.5) * height / len(y) - 0.5), -1
    ).reshape(-1, 2)
    return PointQueries(np.zeros(len(places), np.int64), places)


def parse_grid(text: str) -> int | None:
    """Points along the longer side of `grid` or `grid:N`; None if the text is neither.

    Raises:
        PromptError: N is no number from 1 to 1000.
    """
    found = re.fullmatch(r'grid(?::(.*))?', text)
    if not found:
        return None
    number = found[1] if found[1] is not None else str(GRID)
    if not (number.isdecimal() and len(number) < 5 and 1 <= int(number) <= 1000):
        raise PromptError(f'{text!r} must be grid or grid:N with N from 1 to 1000')
    return int(number)


def read_queries(path: Path) -> PointQueries:
    """Read a CSV file with the columns x, y, and frame (0 where it is left out), in any order.

    Raises:
        SourceError: it cannot be read.
        PromptError: a column is missing, a value is no number, or there are no points.
    """
    try:
        if path.stat().st_size > LARGEST:
            raise SourceError(f'{path} is larger than {LARGEST // 2**20} MiB')
        with path.open(newline='', encoding='utf-8-sig') as file:
            rows = list(csv.DictReader(file, skipinitialspace=True))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SourceError(f'cannot read points from {path}: {error}') from None
    if not rows or not {'x', 'y'} <= set(rows[0]):
        raise PromptError(
            f'{path} must be a CSV file with the columns x, y and, where points are not all on '
            'frame 0, frame; and a row per point'
        )
    frames, positions = [], []
    for line, row in enumerate(rows, 2):
        try:
            x, y, frame = float(row['x']), float(row['y']), int(row.get('frame') or 0)
        except (TypeError, ValueError):
            raise PromptError(f'{path}, line {line}: expected numbers, got {shown(row)}') from None
        if not (math.isfinite(x) and math.isfinite(y) and 0 <= frame < 2**40):
            raise PromptError(f'{path}, line {line}: {shown(row)} is no point of a frame')
        frames.append(frame)
        positions.append((x, y))
    return PointQueries(np.array(frames), np.array(positions))
