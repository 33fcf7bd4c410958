"""When results came, by the clocks of a recording, and other quantities of every frame."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from drift_ros.io.bags import BagReader
from drift_ros.io.messages import raw_stamp

SAME_CLOCK = 60.0  # s; no tracker lags further behind, so stamp and receipt are of two clocks
TICK = 0.1  # s; a simulated clock that ticks at 40 Hz stands still for that at a rate of 4


@dataclass(frozen=True)
class Distribution:
    """How a quantity is distributed over frames.

    Attributes:
        median, p95, highest: over the frames where it is known.
        values: one per frame that was asked for, None where it is not known.
    """

    median: float
    p95: float
    highest: float
    values: tuple[float | None, ...]

    @classmethod
    def of(cls, values: Iterable[float | None]) -> Distribution | None:
        """Of values of frames; None if none is known."""
        every = tuple(values)
        known = [value for value in every if value is not None]
        if not known:
            return None
        median, p95 = np.percentile(known, [50, 95])
        return cls(float(median), float(p95), max(known), every)

    @property
    def summary(self) -> dict[str, float]:
        """Without the values."""
        return {'median': self.median, 'p95': self.p95, 'highest': self.highest}


def arrivals(reader: BagReader, topic: str) -> dict[int, int]:
    """Stamp -> first time of receipt of a topic's messages, both in ns, by rising stamp."""
    times: dict[int, int] = {}
    for _, _, received, data in reader.raw([topic]):
        times.setdefault(raw_stamp(data), received)
    return dict(sorted(times.items()))


def latency(
    stamps: Sequence[int], since: Mapping[int, int], received: Mapping[int, int]
) -> Distribution | None:
    """Time from one event of each frame to the receipt of its result.

    Args:
        stamps: frames, in ns.
        since: stamp -> time of the event in ns.
        received: stamp -> receipt of the result in ns.

    Returns:
        None if it is known of no frame.
    """
    return Distribution.of(
        (received[s] - since[s]) / 1e9 if s in since and s in received else None for s in stamps
    )


def clock_problem(found: Distribution | None) -> str:
    """Why a time from stamp to receipt says nothing about latency; '' if it may.

    Stamps are of the clock of the camera's driver, receipts of that of the recorder. A constant
    offset below a minute between them cannot be distinguished from latency. A simulated clock
    stands still between its ticks, so that a receipt may be up to a tick too early.
    """
    if found is None:
        return ''
    known = [value for value in found.values if value is not None]
    if not any(known):
        return 'results were written at the stamps of their images: this was no live run'
    if min(known) < -TICK or not 0 <= found.median <= SAME_CLOCK:
        return (
            f'the images are stamped by another clock than the recorder has ({found.median:+.1f} s '
            'apart: a played bag, or a camera with a clock of its own), so latency from the stamp '
            'is not known'
        )
    return ''
