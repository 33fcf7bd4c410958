"""One label map against the truth: all objects in one go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from drift_ros.evaluation.metrics.following import follower, ious
from drift_ros.evaluation.metrics.masks import boundary_f
from drift_ros.evaluation.protocols import Labels


@dataclass(frozen=True, slots=True)
class FrameScore:
    """Scores of one frame, one value per object.

    Attributes:
        j: region similarity in [0, 1].
        f: boundary accuracy in [0, 1].
        follower: id of the result that covers the object by at least one half; 0 if none does or
            the object is not to be seen.
    """

    j: tuple[float, ...]
    f: tuple[float, ...]
    follower: tuple[int, ...]


def score_frame(truth: Labels, result: Labels, ids: Sequence[int]) -> FrameScore:
    """Score the objects of one frame.

    An object in neither map scores 1, as in DAVIS. Ids of the result that are no true object count
    for nothing, except that they may follow one; whatever they cover is missing elsewhere.

    Args:
        truth, result: (H, W) uint8 label maps, 0 = background.

    Raises:
        ValueError: the maps differ in size.
    """
    found = [int(id_) for id_ in np.flatnonzero(np.bincount(result.ravel())) if id_]
    columns = [*ids, *(id_ for id_ in found if id_ not in ids)]
    table = ious(truth, result, ids, columns)
    j = [float(table[row, row]) for row in range(len(ids))]
    f, followers = [], []
    for row, id_ in enumerate(ids):
        true = truth == id_
        f.append(1.0 if j[row] == 1 else boundary_f(true, result == id_))
        followers.append(follower(table[row], columns) if true.any() else 0)
    return FrameScore(tuple(j), tuple(f), tuple(followers))
