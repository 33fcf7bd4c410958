"""The frames of a live run: what the camera sent, what the truth knows, what came of them."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence

from drift_ros.io.stamps import pair


class Timeline:
    """All frames from the first one whose truth shows an object, numbered from 0.

    Frames are those of the camera, and those of the truth and of the results that the camera's
    topic lacks: recorders lose messages, too.

    Args:
        first: stamp in ns of the first frame.
        camera, truth, results: stamps in ns, increasing; the camera's may be empty.
        tolerance: within which stamps are of one frame, in s.

    Attributes:
        stamps: of the frames in ns.
        truth, results: number of a frame -> stamp of its truth and of its result.
    """

    def __init__(
        self,
        first: int,
        camera: Sequence[int],
        truth: Sequence[int],
        results: Sequence[int],
        tolerance: float,
    ) -> None:
        self._slop = round(tolerance * 1e9)
        known = list(camera)
        for stamps in (truth, results):
            have = pair(stamps, known, tolerance)
            known = sorted({*known, *(stamp for stamp in stamps if stamp not in have)})
        self.stamps = known[bisect_left(known, first - self._slop) :]
        numbers = {stamp: number for number, stamp in enumerate(self.stamps)}
        self.truth, self.results = (
            {numbers[at]: stamp for stamp, at in pair(stamps, self.stamps, tolerance).items()}
            for stamps in (truth, results)
        )

    def number(self, stamp: int) -> int:
        """Of the last frame that is not after a stamp; -1 if all are."""
        return bisect_right(self.stamps, stamp + self._slop) - 1
