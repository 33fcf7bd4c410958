"""What looks like a target, and was in sight beside it: whatever becomes of the target, not that.

Nothing else tells a twin that nobody asked for, where it is as far away as the target.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

from drift_ros.tracking.search import Point
from drift_ros.tracking.suspects import MOST_FRAMES, nearest_first

PATIENCE = 12  # frames after which one that was not seen again is forgotten

Seen = tuple[Point, int]  # its middle, and the number of the frame in which it was last seen


class Bystanders:
    """Follows them, those of each target apart."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget all."""
        self._known: dict[int, list[Seen]] = {}

    def keep(self, ids: Collection[int]) -> None:
        """Forget those of targets that are not among these."""
        self._known = {id_: known for id_, known in self._known.items() if id_ in ids}

    def watch(self, target: int, number: int, found: Sequence[Point], size: float) -> None:
        """Take in a frame in which the target is in sight.

        Args:
            target: its id.
            number: of the frame.
            found: middles of places that resemble it elsewhere, in cells.
            size: square root of its area, in cells.
        """
        before, again = self._again(target, number, found, size)
        unseen = (seen for i, seen in enumerate(before) if i not in again.values())
        self._known[target] = [*unseen, *((place, number) for place in found)]

    def others(self, target: int, number: int, found: Sequence[Point], size: float) -> list[Point]:
        """What was found that is no bystander; arguments as of `watch`, of a frame in which the
        target is searched.
        """
        before, again = self._again(target, number, found, size)
        unseen = (seen for i, seen in enumerate(before) if i not in again.values())
        self._known[target] = [*unseen, *((found[j], number) for j in again)]
        return [place for j, place in enumerate(found) if j not in again]

    def confuse(self, target: int, number: int, place: Point) -> None:
        """What was taken for a target until now was one, so what was seen beside it may be it."""
        self._known[target] = [(place, number)]

    def places(self, target: int, number: int) -> list[Point]:
        """Where those of a target were seen last, before a frame of that number."""
        known = self._known.get(target, ())
        return [place for place, seen in known if number - seen <= PATIENCE]

    def _again(
        self, target: int, number: int, found: Sequence[Point], size: float
    ) -> tuple[list[Seen], dict[int, int]]:
        """Those that are not forgotten, and index of a place -> that of the one that it continues:
        the nearest first, each once.
        """
        before = [seen for seen in self._known.get(target, ()) if number - seen[1] <= PATIENCE]
        source = nearest_first(
            (
                math.dist(middle, place) / max(size, 1.0) / min(max(number - seen, 1), MOST_FRAMES),
                i,
                j,
            )
            for i, (middle, seen) in enumerate(before)
            for j, place in enumerate(found)
        )
        return before, source
