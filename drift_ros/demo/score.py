"""How well label maps match the known truth, frame by frame. Pure functions of arrays."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from drift_ros.evaluation.metrics import follower, ious, switches


@dataclass(slots=True)
class ObjectScore:
    """One object over all labelled frames; lists have one entry per frame.

    Attributes:
        id: its id in truth and result.
        name: its name.
        iou: intersection over union with the result of the same id; 1 if it is in neither (as in
            DAVIS).
        visible: pixels of it in the truth.
        follower: id of the result that covers it (IoU of at least one half), 0 if none does.
        position_error: distance in m between true and reported position, None where one is not
            known.
    """

    id: int
    name: str = ''
    iou: list[float] = field(default_factory=list)
    visible: list[int] = field(default_factory=list)
    follower: list[int] = field(default_factory=list)
    position_error: list[float | None] = field(default_factory=list)

    @property
    def mean_iou(self) -> float:
        """Mean over the labelled frames; NaN if there are none."""
        return float(np.mean(self.iou)) if self.iou else float('nan')

    @property
    def switches(self) -> int:
        """How often another result follows the object than before (id switches of CLEAR MOT)."""
        return switches(self.follower)

    @property
    def median_position_error(self) -> float:
        """Median over the frames where it is known, in m; NaN if there are none."""
        known = [error for error in self.position_error if error is not None]
        return float(np.median(known)) if known else float('nan')


class Scorer:
    """Takes frame after frame and keeps the score of each object.

    Args:
        names: id -> name of the objects; ids are those of truth and result.
    """

    def __init__(self, names: dict[int, str]) -> None:
        self.objects = [ObjectScore(id_, name) for id_, name in names.items()]
        self.stamps: list[int] = []

    def add(
        self,
        stamp: int,
        truth: NDArray[np.uint8],
        result: NDArray[np.uint8],
        errors: dict[int, float] | None = None,
    ) -> None:
        """Score one frame.

        Args:
            stamp: stamp of the frame in ns.
            truth, result: (H, W) uint8 label maps.
            errors: id -> error of its position in m, where it is known.
        """
        ids = [obj.id for obj in self.objects]
        table = ious(truth, result, ids)
        self.stamps.append(stamp)
        for row, obj in enumerate(self.objects):
            visible = int(np.count_nonzero(truth == obj.id))
            obj.iou.append(float(table[row, row]))
            obj.visible.append(visible)
            obj.follower.append(follower(table[row], ids) if visible else 0)
            obj.position_error.append((errors or {}).get(obj.id))

    @property
    def mean_iou(self) -> float:
        """Mean over objects of the mean over frames; NaN without objects or frames."""
        means = [obj.mean_iou for obj in self.objects]
        return float(np.mean(means)) if means else float('nan')

    @property
    def switches(self) -> int:
        """Id switches of all objects together."""
        return sum(obj.switches for obj in self.objects)

    def worst(self, count: int) -> list[int]:
        """Places of the frames with the lowest mean IoU, worst first, at least four frames
        apart.
        """
        means = np.mean([obj.iou for obj in self.objects], axis=0) if self.objects else []
        places: list[int] = []
        for place in np.argsort(means, kind='stable').tolist():
            if len(places) == count:
                break
            if all(abs(place - other) >= 4 for other in places):
                places.append(place)
        return places
