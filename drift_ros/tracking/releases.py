"""Results on their way out of the tracker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from drift_ros.structures import Stats, TrackingResult
from drift_ros.tracking.measure import measure
from drift_ros.tracking.windows import HeldFrame


class Releases:
    """Lets every frame of a generation out once, in order, and loses none to an error.

    Args:
        stats: counts results and failed frames.
    """

    def __init__(self, stats: Stats) -> None:
        self._stats = stats
        self._last = -1  # number of the newest frame that was released or skipped
        self._skipped = 0  # frames without a result since the newest released one
        self._ready: list[TrackingResult] = []
        self._error: Exception | None = None

    def __len__(self) -> int:
        """How often `hand_out` has something to give before it gives an empty list."""
        return bool(self._ready) + (self._error is not None)

    def begin(self, number: int) -> None:
        """Let the frame with this number be the next one to be released."""
        self._last, self._skipped = number - 1, 0

    def add(
        self,
        held: HeldFrame,
        labels: NDArray[np.uint8],
        names: Mapping[int, str],
        scores: Mapping[int, float],
        generation: int,
    ) -> None:
        """Release the result of a frame, unless the frame had its turn before.

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
        gap = held.gap + self._skipped
        self._ready.append(
            TrackingResult(held.frame, labels, objects, generation, gap, bool(held.prompts))
        )
        self._last, self._skipped = held.number, 0
        self._stats.results += 1

    def skip(self, frames: Sequence[HeldFrame], error: Exception) -> None:
        """Count frames that an error left without a result; the next `hand_out` raises it."""
        missed = [held for held in frames if held.number > self._last]
        self._last = max(self._last, frames[-1].number)
        self._skipped += sum(1 + held.gap for held in missed)
        self._stats.failed += len(missed)
        if self._error is None:
            self._error = error

    def hand_out(self) -> list[TrackingResult]:
        """What was released since the last time.

        Raises:
            Exception: the first error since then; the results come with the next call.
        """
        if self._error is not None:
            error, self._error = self._error, None
            raise error
        results, self._ready = self._ready, []
        return results
