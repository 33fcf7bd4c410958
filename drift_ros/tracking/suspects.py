"""Which of the places where a target may be is it: decided over several frames."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from drift_ros.tracking.recognition import Place

SEVERAL, MANY = 3, 24  # sightings; of so many at most the scale is a mean
PATIENCE = 6  # frames after which a place that was not seen again is forgotten
REACH = 1.5  # sizes of a target that a place moves at most in a frame
MOST_FRAMES = 2  # for which that counts, of those from one sighting to the next
CLEARLY = 0.05  # by how much a scale must be nearer to 0 than that of another place
SURELY = 0.9  # probability of a place that is taken although its scale is not the target's
FARTHEST = math.log(2)  # scale of such a one at most, either way
UNSURE = 0.07  # error of a scale above which it tells nothing, until it was seen many times


@dataclass(frozen=True, slots=True)
class Scales:
    """Log of how much larger a target is than it was, of the last times that it was seen.

    Attributes:
        each: of it and the expected error of that, the newest last.
    """

    each: tuple[tuple[float, float], ...] = ()

    def with_one_more(self, scale: float, deviation: float) -> Scales:
        """These and another one."""
        return Scales((*self.each, (scale, deviation))[-MANY:])

    def newest(self, count: int) -> Scales:
        """Some of them."""
        return Scales(self.each[-count:])

    @property
    def count(self) -> int:
        """How many they are."""
        return len(self.each)

    @property
    def mean(self) -> float:
        """Of them, each as it is sure."""
        weights = [deviation**-2 for _, deviation in self.each]
        scales = [scale for scale, _ in self.each]
        return sum(w * s for w, s in zip(weights, scales, strict=True)) / sum(weights)

    @property
    def deviation(self) -> float:
        """Expected error of that, if errors are independent."""
        return float(sum(deviation**-2 for _, deviation in self.each) ** -0.5)

    @property
    def usual(self) -> float:
        """The same if they are all alike."""
        return math.sqrt(self.count) * self.deviation


@dataclass(frozen=True, slots=True)
class Suspect:
    """A place that may be a target, over the frames in which it was seen.

    Attributes:
        place: as it was seen last.
        number: of the frame then.
        scales: what was seen of it.
        sightings: how often it was.
    """

    place: Place
    number: int
    scales: Scales
    sightings: int = 1

    @classmethod
    def first(cls, place: Place, number: int) -> Suspect:
        """One that was not seen before."""
        return cls(place, number, Scales().with_one_more(place.scale, place.deviation))

    def again(self, place: Place, number: int) -> Suspect:
        """The same in a later frame."""
        scales = self.scales.with_one_more(place.scale, place.deviation)
        return Suspect(place, number, scales, self.sightings + 1)

    @property
    def lasting(self) -> bool:
        """Whether it was seen several times."""
        return self.sightings >= SEVERAL

    @property
    def scale(self) -> float:
        """Mean of its scales, each as it is sure."""
        return self.scales.mean

    @property
    def error(self) -> float:
        """What is expected of that: errors of one thing are alike, so only many make it smaller."""
        return self.scales.deviation if self.sightings >= MANY else self.scales.usual

    def fits(self, limit: float) -> bool:
        """Whether it has the target's scale for sure, to within a limit."""
        return self.error <= UNSURE and abs(self.scale) <= limit

    def near(self, place: Place) -> float:
        """Distance to a place, in sizes (square root of the area)."""
        return math.dist(self.place.middle, place.middle) / math.sqrt(max(place.area, 1.0))


def follow(before: Sequence[Suspect], places: Sequence[Place], number: int) -> list[Suspect]:
    """The suspects of a target after another frame.

    A place continues the nearest suspect that is at most 1.5 sizes away, or 3 if it was not seen in
    the frame before, each suspect once. What
    was not seen for 6 frames is forgotten, so there are never more than a frame has places, times
    that.

    Args:
        before: the suspects so far.
        places: that were found in the frame.
        number: of the frame.

    Returns:
        Those that were seen in this frame first, in the order of the places, then the others.
    """
    source = nearest_first(
        (suspect.near(place) / min(number - suspect.number, MOST_FRAMES), i, j)
        for i, suspect in enumerate(before)
        for j, place in enumerate(places)
    )
    seen = [
        before[source[j]].again(place, number) if j in source else Suspect.first(place, number)
        for j, place in enumerate(places)
    ]
    others = [
        suspect
        for i, suspect in enumerate(before)
        if i not in source.values() and number - suspect.number < PATIENCE
    ]
    return seen + others


def nearest_first(pairs: Iterable[tuple[float, int, int]]) -> dict[int, int]:
    """What continues what.

    Args:
        pairs: distance in sizes of a target, at most 1.5 of which count; index of what was seen
            before; index of what is seen now.

    Returns:
        The last of these -> the one before it, each once.
    """
    source: dict[int, int] = {}
    for distance, i, j in sorted(pairs):
        if distance <= REACH and j not in source and i not in source.values():
            source[j] = i
    return source


def change(area: float, areas: Sequence[float]) -> float:
    """By how much an area lies outside of those that a target had, as |log| of the ratio; all in
    cells.
    """
    return max(0.0, math.log(min(areas) / area), math.log(area / max(areas)))


def identify(suspects: Sequence[Suspect], number: int, most: float) -> Suspect | None:
    """Which suspect is the target, if that is clear.

    Its size, at the same distance and from the same side, must surely be the target's, to within
    the root of a factor of `most` of the area. If several will do, it must be nearer to that than
    any other by 5 % of the length.

    Args:
        suspects: of a target.
        number: of the frame; those that were not seen in it are not taken.
        most: factor, 1 or more.
    """
    limit = math.log(most) / 2
    fitting = [
        (abs(suspect.scale), suspect)
        for suspect in suspects
        if suspect.number == number and suspect.fits(limit)
    ]
    fitting.sort(key=lambda each: each[0])
    if not fitting or (len(fitting) > 1 and fitting[1][0] - fitting[0][0] < CLEARLY):
        return None
    return fitting[0][1]


def only_one(suspects: Sequence[Suspect], number: int, sightings: int) -> Suspect | None:
    """The suspect that is left if none has the target's scale: one that surely looks like it, at
    another distance for sure, was seen often, and is the only one that was.

    Args:
        suspects: of a target.
        number: of the frame; it must have been seen in it.
        sightings: how often it must have been seen; 0: there is none.
    """
    often = [suspect for suspect in suspects if suspect.sightings >= sightings > 0]
    if len(often) != 1:
        return None
    (it,) = often
    looks_like_it = it.number == number and it.place.probability >= SURELY
    return it if looks_like_it and it.error <= UNSURE and abs(it.scale) <= FARTHEST else None
