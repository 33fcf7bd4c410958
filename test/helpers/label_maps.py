"""Label maps made by hand, and what may be wrong with a result."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

Labels = NDArray[np.uint8]


def strip(*values: int) -> Labels:
    """One row of labels."""
    return np.array([values], np.uint8)


def shifted(labels: Labels, down: int, right: int) -> Labels:
    moved = np.zeros_like(labels)
    height, width = labels.shape
    moved[max(down, 0) : height + min(down, 0), max(right, 0) : width + min(right, 0)] = labels[
        max(-down, 0) : height - max(down, 0), max(-right, 0) : width - max(right, 0)
    ]
    return moved


def eroded(labels: Labels, radius: int) -> Labels:
    size = 2 * radius + 1
    inner = cv2.erode((labels > 0).view(np.uint8), np.ones((size, size), np.uint8))
    return labels * inner


def renamed(labels: Labels, **ids: int) -> Labels:
    """Other ids: `id1=2` makes 2 of 1."""
    table = np.arange(256, dtype=np.uint8)
    for name, value in ids.items():
        table[int(name.removeprefix('id'))] = value
    return table[labels]


def blobs(seed: int, shape: tuple[int, int] = (120, 213), ids: int = 3) -> Labels:
    """Overlapping discs and boxes, also across the borders."""
    random = np.random.default_rng(seed)
    labels = np.zeros(shape, np.uint8)
    for id_ in range(1, ids + 1):
        y, x = int(random.integers(-5, shape[0] + 5)), int(random.integers(-5, shape[1] + 5))
        size = int(random.integers(4, min(shape) // 2))
        rows, columns = np.ogrid[: shape[0], : shape[1]]
        down, right = rows - y, columns - x
        if random.random() < 0.5:
            labels[down**2 + right**2 <= size**2] = id_
        else:
            labels[(abs(down) <= size // 2) & (abs(right) <= size)] = id_
    return labels


CHANGES: dict[str, Callable[[Labels], Labels]] = {
    'same': lambda labels: labels,
    'shifted 2 right': lambda labels: shifted(labels, 0, 2),
    'shifted 3 down 8 right': lambda labels: shifted(labels, 3, 8),
    'shifted 20 up 31 left': lambda labels: shifted(labels, -20, -31),
    'eroded 4': lambda labels: eroded(labels, 4),
    'eroded 12': lambda labels: eroded(labels, 12),
    'first missing': lambda labels: renamed(labels, id1=0),
    'first two swapped': lambda labels: renamed(labels, id1=2, id2=1),
    'all one': lambda labels: (labels > 0).view(np.uint8),
    'nothing': np.zeros_like,
    'everything': np.ones_like,
}
