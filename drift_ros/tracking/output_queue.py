"""Results on their way out of the tracker."""

from __future__ import annotations

from collections.abc import Sequence

from drift_ros.structures import (
    FailedFrames,
    Stats,
    TrackedPoints,
    TrackerOutput,
    TrackingResult,
)
from drift_ros.tracking.mask_readout import Masks
from drift_ros.tracking.window_buffer import BufferedFrame


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
        """Let the frame with this number be the first one of a stream."""
        self._last, self._lost = number - 1, 0

    def go_back_to(self, number: int) -> None:
        """Let frames from this number on have their turn again."""
        if number <= self._last:
            self.begin(number)

    def add(
        self,
        entry: BufferedFrame,
        found: Masks,
        generation: int,
        points: TrackedPoints | None = None,
    ) -> None:
        """Add the result of a frame, unless the frame had its turn before.

        Args:
            entry: the frame.
            found: what is in it; its labels are read-only from now on.
            generation: that the result belongs to.
            points: in it, if any are followed.
        """
        found.labels.flags.writeable = False
        if entry.number <= self._last:
            return
        self._outputs.append(
            TrackingResult(
                entry.frame,
                found.labels,
                found.objects,
                generation,
                entry.gap + self._lost,
                bool(entry.prompts),
                points,
            )
        )
        self._last, self._lost = entry.number, 0
        self._stats.results += 1

    def fail(self, frames: Sequence[BufferedFrame], error: Exception) -> None:
        """Add frames that an error left without a result."""
        missed = [entry for entry in frames if entry.number > self._last]
        self._last = max(self._last, frames[-1].number)
        self._lost += sum(1 + entry.gap for entry in missed)
        self._stats.failed += len(missed)
        self._outputs.append(FailedFrames(tuple(entry.frame for entry in missed), error))

    @property
    def empty(self) -> bool:
        """Whether there is nothing to take."""
        return not self._outputs

    def take(self) -> list[TrackerOutput]:
        """What was added since the last time."""
        outputs, self._outputs = self._outputs, []
        return outputs
