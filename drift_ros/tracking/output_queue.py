"""Results on their way out of the tracker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from drift_ros.structures import FailedFrames, Stats, TrackerOutput, TrackingResult
from drift_ros.tracking.measure import measure
from drift_ros.tracking.windows import HeldFrame


class OutputQueue:
    """Lets every frame of a generation out once, in order, with its result or as failed.

    Args:
        stats: counts results and failed frames.
    """

    def __init__(self, stats: Stats) -> None:
        self._stats = stats
        self._last = -1  # number of the newest frame that was let out
        self._lost = 0  # frames without a result since the newest result
        self._outputs: list[TrackerOutput] = []

    def begin(self, number: int) -> None:
        """Let the frame with this number be the next one."""
        self._last, self._lost = number - 1, 0

    def add(
        self,
        held: HeldFrame,
        labels: NDArray[np.uint8],
        names: Mapping[int, str],
        scores: Mapping[int, float],
        generation: int,
    ) -> None:
        """Add the result of a frame, unless the frame had its turn before.

        Args:
            held: the frame.
            labels: (H, W) uint8 ids; read-only from now on.
            names: id -> name of all targets.
            scores: id -> confidence in [0, 1].
            generation: that the result belongs to.
        """
        labels.flags.writeable = False
        if held.number <= self._last:
            return
        objects = measure(labels, names, scores)
        gap = held.gap + self._lost
        self._outputs.append(
            TrackingResult(held.frame, labels, objects, generation, gap, bool(held.prompts))
        )
        self._last, self._lost = held.number, 0
        self._stats.results += 1

    def fail(self, frames: Sequence[HeldFrame], error: Exception) -> None:
        """Add frames that an error left without a result."""
        missed = [held for held in frames if held.number > self._last]
        self._last = max(self._last, frames[-1].number)
        self._lost += sum(1 + held.gap for held in missed)
        self._stats.failed += len(missed)
        self._outputs.append(FailedFrames(tuple(held.frame for held in missed), error))

    @property
    def empty(self) -> bool:
        """Whether there is nothing to take."""
        return not self._outputs

    def take(self) -> list[TrackerOutput]:
        """What was added since the last time."""
        outputs, self._outputs = self._outputs, []
        return outputs
