"""Whether what is followed is the target, where something else could be: by its size, over time.

A target that was found again may be a twin, of which only a part was seen at first; and beside a
twin a mask may pass over to it.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace

from drift_ros.tracking.recognition import Place
from drift_ros.tracking.suspects import NEWEST, Scales

LOOKS = 5  # at a target at most
LEAST = 2  # of these until it is believed, or not
APART = {True: 2, False: 4}  # frames from one look to the next, of one that was found again, or not


@dataclass(frozen=True, slots=True)
class _Check:
    """Of one target.

    Attributes:
        since: number of the frame before which it was surely the target.
        looked: number of the frame of the last look.
        found: whether it was found again in the first frame.
        scales: what was seen of it.
        looks: how many there were.
        doubted: whether the last one showed another size.
    """

    since: int
    looked: int
    found: bool
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

    def begin(self, target: int, number: int, found: bool) -> None:
        """A target was found again, or something like it was seen beside it.

        Args:
            target: its id.
            number: of the frame.
            found: which of the two.
        """
        check = self._checks.get(target)
        if found or check is None:
            self._checks[target] = _Check(number, number, found)
        elif not check.found:
            self._checks[target] = replace(check, looks=0)

    def is_open(self, target: int) -> bool:
        """Whether a target was found again and is not yet believed."""
        return target in self._checks and self._checks[target].found

    def is_due(self, target: int, number: int) -> bool:
        """Whether to look at a target in a frame."""
        check = self._checks.get(target)
        if check is None:
            return False
        return check.doubted or number - check.looked >= APART[check.found]

    def look(self, target: int, number: int, place: Place | None, limit: float) -> int | None:
        """Take in what a look shows.

        Args:
            target: its id.
            number: of the frame.
            place: of the target; None if it is not to be seen there.
            limit: of |log| of the scale.

        Returns:
            Number of the frame from which on it is something else; None if it may be the target.
        """
        check = self._checks[target]
        check = replace(check, looked=number, looks=check.looks + 1)
        if place is not None:
            check = replace(check, scales=check.scales.with_one_more(place.scale, place.deviation))
            fits = abs(place.scale) <= limit
            since = number if fits and not check.found else check.since
            check = replace(check, since=since, doubted=not fits)
        self._checks[target] = check
        scales = check.scales.newest(NEWEST)
        enough = scales.count >= LEAST
        if enough and abs(scales.mean) - scales.usual > limit:
            del self._checks[target]
            return check.since
        believed = check.found and enough and abs(scales.mean) + scales.usual <= limit
        if believed or check.looks >= LOOKS:
            del self._checks[target]
        return None
