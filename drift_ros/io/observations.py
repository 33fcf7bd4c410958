"""What is known about frames, the truth or a tracker's results, in a form cheap to keep."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from drift_ros.errors import SourceError
from drift_ros.io.skipped import Skipped
from drift_ros.structures import NOWHERE, Position, TargetState


@dataclass(frozen=True, slots=True)
class ObjectState:
    """One object in one frame.

    Attributes:
        name: its name, may be empty.
        score: confidence 0..1.
        visible: whether it has a mask.
        centroid: (x, y) in px, NaN if not visible.
        position: (x, y, z) in m in the optical frame, or None if not known.
        state: visible, occluded or lost.
        unseen: seconds since it was last visible.
        predicted_centroid: (x, y) in px where an occluded target is expected; else NaN.
    """

    name: str
    score: float
    visible: bool
    area: int
    centroid: tuple[float, float]
    position: Position | None
    state: TargetState = TargetState.VISIBLE
    unseen: float = 0.0
    predicted_centroid: tuple[float, float] = NOWHERE


@dataclass(slots=True)
class Observations:
    """Label maps and objects of many frames, by stamp in ns.

    Attributes:
        objects: id -> state of each frame.
        received: time in ns at which the objects of a frame, or else its label map, were received.
        skipped: why label maps were left out; bounded, with the count of all.
    """

    objects: dict[int, Mapping[int, ObjectState]] = field(default_factory=dict)
    received: dict[int, int] = field(default_factory=dict)
    skipped: Skipped = field(default_factory=Skipped)
    _labels: dict[int, bytes] = field(default_factory=dict)
    _shown: set[int] = field(default_factory=set)  # ids in any label map

    def add_labels(self, stamp: int, labels: NDArray[np.uint8]) -> None:
        """Keep the label map (H, W) of a frame, compressed; it replaces an earlier one."""
        done, data = cv2.imencode('.png', labels, [cv2.IMWRITE_PNG_COMPRESSION, 1])
        if not done:
            raise SourceError(f'cannot keep a label map of shape {labels.shape} {labels.dtype}')
        self._labels[stamp] = data.tobytes()
        self._shown.update(np.flatnonzero(np.bincount(labels.ravel(), minlength=1)[1:]) + 1)

    def labels(self, stamp: int) -> NDArray[np.uint8] | None:
        """Label map (H, W) uint8 of a frame, or None if there is none."""
        data = self._labels.get(stamp)
        if data is None:
            return None
        labels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
        return np.asarray(labels, np.uint8)

    @property
    def stamps(self) -> list[int]:
        """Stamps of the frames with a label map, in order."""
        return sorted(self._labels)

    @property
    def shown(self) -> list[int]:
        """Ids that any label map shows, in order."""
        return sorted(int(id_) for id_ in self._shown)

    @property
    def names(self) -> dict[int, str]:
        """Id -> name of every object that is listed or shown, ordered by id."""
        names = {int(id_): '' for id_ in self._shown}
        for states in self.objects.values():
            names |= {id_: state.name for id_, state in states.items()}
        return dict(sorted(names.items()))
