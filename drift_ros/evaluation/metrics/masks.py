"""Region similarity J and boundary accuracy F of two masks, as the DAVIS benchmark defines them.

Perazzi et al., A Benchmark Dataset and Evaluation Methodology for Video Object Segmentation,
CVPR 2016; the numbers are those of the official davis2017-evaluation, to the last bit.
"""

from __future__ import annotations

import math
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]

BOUNDARY_TOLERANCE = 0.008  # of the image's diagonal, rounded up to px


def jaccard(truth: Mask, result: Mask) -> float:
    """Region similarity J: intersection over union.

    Args:
        truth, result: (H, W) bool.

    Returns:
        In [0, 1]; 1 if both are empty.

    Raises:
        ValueError: the masks differ in size.
    """
    _check(truth, result)
    union = np.count_nonzero(truth | result)
    return np.count_nonzero(truth & result) / union if union else 1.0


def boundary_f(truth: Mask, result: Mask) -> float:
    """Boundary accuracy F: harmonic mean of the precision and the recall of boundary pixels.

    A boundary pixel counts as met if the other boundary is within `tolerance_px` of it.

    Args:
        truth, result: (H, W) bool.

    Returns:
        In [0, 1]; 1 if neither has a boundary.

    Raises:
        ValueError: the masks differ in size.
    """
    _check(truth, result)
    rows, columns = _surroundings(truth | result)
    true = _boundary(truth[rows, columns])
    found = _boundary(result[rows, columns])
    true_px, found_px = int(true.sum()), int(found.sum())
    if not true_px or not found_px:
        return 1.0 if true_px == found_px else 0.0
    disc = _disc(tolerance_px(truth.shape))
    precision = np.count_nonzero(found & cv2.dilate(true, disc)) / found_px
    recall = np.count_nonzero(true & cv2.dilate(found, disc)) / true_px
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def tolerance_px(shape: tuple[int, ...]) -> int:
    """Distance in px within which boundaries meet, of an image of (H, W) px."""
    return math.ceil(BOUNDARY_TOLERANCE * float(np.linalg.norm(shape)))


def _check(truth: Mask, result: Mask) -> None:
    if truth.shape != result.shape:
        raise ValueError(f'a truth of shape {truth.shape} does not fit a result of {result.shape}')


def _surroundings(mask: Mask) -> tuple[slice, slice]:
    """The tight box and one pixel around it, as far as the image goes.

    Boundaries of the masks, and so everything that F asks for, lie inside.
    """
    x, y, width, height = cv2.boundingRect(mask.view(np.uint8))
    return slice(max(y - 1, 0), y + height + 1), slice(max(x - 1, 0), x + width + 1)


def _boundary(mask: Mask) -> NDArray[np.uint8]:
    """Pixels that differ from their right, lower or lower right neighbour; 0 or 1.

    The last row looks to the right only, the last column only down.
    """
    boundary = np.zeros(mask.shape, bool)
    boundary[:, :-1] = mask[:, :-1] ^ mask[:, 1:]
    boundary[:-1] |= mask[:-1] ^ mask[1:]
    boundary[:-1, :-1] |= mask[:-1, :-1] ^ mask[1:, 1:]
    return boundary.view(np.uint8)


@lru_cache
def _disc(radius: int) -> NDArray[np.uint8]:
    y, x = np.ogrid[-radius : radius + 1, -radius : radius + 1]
    return (x * x + y * y <= radius * radius).astype(np.uint8)
