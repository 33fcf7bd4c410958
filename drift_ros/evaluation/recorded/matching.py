"""Which id of a result is which object of the truth."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from drift_ros.evaluation.metrics import ious
from drift_ros.evaluation.protocols import Labels


def by_id(results: Collection[int], objects: Collection[int]) -> dict[int, int]:
    """Id of a result -> the same id of the truth."""
    return {id_: id_ for id_ in sorted(results) if id_ in objects}


def by_overlap(frames: Iterable[tuple[Labels, Labels]]) -> dict[int, int]:
    """Id of a result -> id of the object that it covers best where both are first seen together.

    Pairs with the highest intersection over union go first; every id is used once.

    Args:
        frames: truth and result of one size, in order of time.
    """
    matched: dict[int, int] = {}
    tried: set[int] = set()
    for truth, result in frames:
        fresh = [id_ for id_ in _ids(result) if id_ not in tried]
        left = [id_ for id_ in _ids(truth) if id_ not in matched.values()]
        if not fresh or not left:
            continue
        tried.update(fresh)
        table = ious(truth, result, left, fresh)
        while table.size and table.max() > 0:
            row, column = np.unravel_index(int(table.argmax()), table.shape)
            matched[fresh[column]] = left[row]
            table[row], table[:, column] = 0, 0
    return dict(sorted(matched.items()))


def renaming(
    matched: Mapping[int, int], results: Collection[int], objects: Collection[int]
) -> NDArray[np.uint8]:
    """Table (256,) uint8 from ids of results to ids of the truth.

    Results that are no object keep their ids, or get another where that is one of an object; as
    far as there are ids, they stay different from each other.
    """
    table = np.zeros(256, np.uint8)
    for id_, known in matched.items():
        table[id_] = known
    others = sorted(set(results) - set(matched), key=lambda id_: (id_ in objects, id_))
    spare = [id_ for id_ in range(1, 256) if id_ not in objects]
    for id_ in others:
        if spare:
            table[id_] = spare.pop(spare.index(id_) if id_ in spare else -1)
    return table


def _ids(labels: Labels) -> list[int]:
    return [int(id_) for id_ in np.flatnonzero(np.bincount(labels.ravel())) if id_]
