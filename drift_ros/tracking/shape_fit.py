"""Where the known shapes of several targets lie in what is shown of all of them together.

Targets that look the same have one outline between them where they touch or hide each other. Their
shapes, moved to where together they cover it best, say which part of it is whose, however their
texture turns, and where each of them is, even if it bounced off the other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

ROUNDS = 3  # in which shapes are moved, one after the other
REACH = 0.6  # sizes of a target that it is moved by at most
FARTHEST = 2.0  # likewise, beyond that, where it was in the frame before
OUTSIDE = 1.0  # what a cell costs that a shape covers and nothing is shown in
STRAY = 0.3  # sizes of a target: how far off costs a tenth of its area

Floats = NDArray[np.float32]
Places = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """Shapes where they fit.

    Attributes:
        outlines: (n, h, w) share of each cell that each target covers, in front or behind.
        shifts: (n, 2) (x, y) in cells by which they were moved.
        overlap: intersection over union of all of them with what is shown, in [0, 1].
    """

    outlines: Floats
    shifts: NDArray[np.int64]
    overlap: float


def fit(shown: Floats, outlines: Floats, still: Places) -> Fit:
    """Move shapes to where together they cover best what is shown: by whole cells, each in turn
    where it gains most while the others stay.

    A shape gains what it alone covers and loses what it covers where nothing is shown. What lies
    behind another one costs nothing; how far it strays from where it is expected, or else from
    where it was in the frame before, does.

    Args:
        shown: (h, w) in [0, 1], of which cells all targets together have how much.
        outlines: (n, h, w) in [0, 1], the shapes where they are expected.
        still: (n, 2) (x, y) in cells from there to where each was in the frame before.
    """
    shifts = np.zeros((len(outlines), 2), np.int64)
    placed = outlines.copy()
    for _ in range(ROUNDS):
        before = shifts.copy()
        for n, outline in enumerate(outlines):
            covered = np.delete(placed, n, 0).max(0, initial=0.0)
            gain = shown * (1 - covered) - OUTSIDE * (1 - shown)
            shifts[n] = _best_shift(outline, np.asarray(gain, np.float32), still[n])
            placed[n] = shifted(outline, shifts[n])
        if np.array_equal(shifts, before):
            break
    union = placed.max(0)
    either = float(np.maximum(union, shown).sum())
    return Fit(placed, shifts, float(np.minimum(union, shown).sum()) / max(1e-6, either))


def shifted(mask: Floats, by: NDArray[Any]) -> Floats:
    """A map (h, w) moved by (x, y) in cells, between cells interpolated; 0 comes in."""
    shift = np.array([[1, 0, by[0]], [0, 1, by[1]]], np.float32)
    return np.asarray(cv2.warpAffine(mask, shift, mask.shape[::-1]), np.float32)


def _best_shift(outline: Floats, gain: Floats, still: NDArray[np.float64]) -> NDArray[np.int64]:
    """(x, y) by which an outline is moved to where the sum of the gain (h, w) in it is largest."""
    rows, columns = (np.flatnonzero(outline.any(axis)) for axis in (1, 0))
    if not len(rows):
        return np.zeros(2, np.int64)
    area = float(outline.sum())
    size = area**0.5
    reach = 1 + round(REACH * size + min(FARTHEST * size, float(np.abs(still).max())))
    top, left = rows[0], columns[0]
    crop = np.ascontiguousarray(outline[top : rows[-1] + 1, left : columns[-1] + 1])
    padded = np.pad(gain, reach)
    height, width = (side + 2 * reach for side in crop.shape)
    around = np.ascontiguousarray(padded[top : top + height, left : left + width])
    sums = cv2.matchTemplate(around, crop, cv2.TM_CCORR)
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    off = np.minimum(x**2 + y**2, (x - still[0]) ** 2 + (y - still[1]) ** 2)
    found = sums - 0.1 * area * off / (STRAY * size) ** 2
    row, column = np.unravel_index(int(found.argmax()), found.shape)
    return np.array([column - reach, row - reach], np.int64)
