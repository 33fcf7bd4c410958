"""Which result follows an object, and how often that changes."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

FOLLOWED = 0.5  # intersection over union from which on a result follows an object


def ious(
    truth: NDArray[np.uint8],
    result: NDArray[np.uint8],
    ids: Sequence[int],
    result_ids: Sequence[int] | None = None,
) -> NDArray[np.float64]:
    """Intersection over union of every true object with every result.

    Args:
        truth, result: (H, W) uint8 label maps of one frame.
        ids: N ids of true objects, none of them 0.
        result_ids: M ids of results; None: the same.

    Returns:
        (N, M): true object i, result j; where both are empty 1 for the same id, 0 for another.

    Raises:
        ValueError: the maps differ in size.
    """
    if truth.shape != result.shape:
        raise ValueError(f'a truth of shape {truth.shape} does not fit a result of {result.shape}')
    x, y, width, height = cv2.boundingRect(truth | result)  # the rest is background in both
    box = slice(y, y + height), slice(x, x + width)
    pairs = truth[box].astype(np.uint16).ravel() * 256 + result[box].ravel()
    counts = np.bincount(pairs, minlength=65536).reshape(256, 256)
    rows = np.asarray(ids, int)
    columns = rows if result_ids is None else np.asarray(result_ids, int)
    both = counts[np.ix_(rows, columns)].astype(float)
    union = counts.sum(1)[rows][:, None] + counts.sum(0)[columns][None] - both
    empty = (rows[:, None] == columns[None]).astype(float)
    return np.divide(both, union, out=empty, where=union > 0)


def follower(overlaps: Sequence[float] | NDArray[np.float64], ids: Sequence[int]) -> int:
    """Id of the result that covers an object by at least one half; 0 if none does.

    Args:
        overlaps: its intersection over union with each result.
    """
    if not len(ids):
        return 0
    best = int(np.argmax(overlaps))
    return ids[best] if overlaps[best] >= FOLLOWED else 0


def switches(followers: Sequence[int]) -> int:
    """How often another result follows an object than before (id switches of CLEAR MOT).

    Args:
        followers: id of the result that follows it in each frame, 0 for none: a frame without one
            is passed over.
    """
    followed = [id_ for id_ in followers if id_]
    return sum(before != now for before, now in pairwise(followed))
