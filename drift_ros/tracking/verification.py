"""Whether what was found again is the target: by its size, over several looks.

It may be a twin of which only a part was in sight at first.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace

from drift_ros.tracking.recognition import Place
from drift_ros.tracking.suspects import Scales

LOOKS = 5  # at a target at most
LEAST, BELIEVED = 2, 3  # of these until it is something else, by the newest, or believed
APART = 2  # frames from one look to the next


@dataclass(frozen=True, slots=True)
class _Check:
    """Of one target.

    Attributes:
        since: number of the frame in which it was found.
        looked: number of the frame of the last look.
        scales: what was seen of it.
        looks: how many there were.
        doubted: whether the last one showed another size.
    """

    since: int
    looked: int
    scales: Scales = field(default_factory=Scales)
    looks: int = 0
    doubted: bool = False


class Verification:
    """Of all targets."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget all."""
        self._checks: dict[int, _Check] = {}

    def keep(self, ids: Collection[int]) -> None:
        """Forget the targets that are not among these."""
        self._checks = {id_: check for id_, check in self._checks.items() if id_ in ids}

    def forget(self, target: int) -> None:
        """A target was given anew, or is out of sight."""
        self._checks.pop(target, None)

    def begin(self, target: int, number: int) -> None:
        """A target was found again in a frame of that number."""
        self._checks[target] = _Check(number, number)

    def is_open(self, target: int) -> bool:
        """Whether a target was found again and is not yet believed."""
        return target in self._checks

    def is_due(self, target: int, number: int) -> bool:
        """Whether to look at a target in a frame."""
        check = self._checks.get(target)
        return check is not None and (check.doubted or number - check.looked >= APART)

    def look(self, target: int, number: int, place: Place | None, limit: float) -> int | None:
        """Take in what a look shows.

        Args:
            target: its id.
            number: of the frame.
            place: of the target; None if it is not to be seen there.
            limit: of |log| of the scale.

        Returns:
            Number of the frame in which it was taken for something else; None if it may be the
            target.
        """
        check = self._checks[target]
        check = replace(check, looked=number, looks=check.looks + 1)
        if place is not None:
            scales = check.scales.with_one_more(place.scale, place.deviation)
            check = replace(check, scales=scales, doubted=abs(place.scale) > limit)
        self._checks[target] = check
        scales, last = check.scales, check.scales.newest(LEAST)
        if last.count == LEAST and abs(last.mean) - last.usual > limit:
            del self._checks[target]
            return check.since
        believed = scales.count >= BELIEVED and abs(scales.mean) + scales.usual <= limit
        if believed or check.looks >= LOOKS:
            del self._checks[target]
        return None
