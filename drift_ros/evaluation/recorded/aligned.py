"""Results and truth of a run, frame by frame and object by object."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from drift_ros.errors import SourceError
from drift_ros.evaluation.protocols import Labels
from drift_ros.evaluation.recorded.matching import by_id, by_overlap, renaming
from drift_ros.evaluation.recorded.timeline import Timeline
from drift_ros.evaluation.scores import Said
from drift_ros.io.observations import Observations

Matching = Literal['id', 'overlap']


@dataclass(frozen=True)
class Aligned:
    """What belongs together.

    Attributes:
        timeline: of their frames.
        matched: id of a result -> id of the truth.
    """

    results: Observations
    truth: Observations
    timeline: Timeline
    matched: Mapping[int, int]

    @cached_property
    def objects(self) -> dict[int, str]:
        """True id -> name of the objects that were matched; where the truth has none, its own."""
        given, names = self.results.names, self.truth.names
        pairs = sorted((known, id_) for id_, known in self.matched.items())
        return {known: names.get(known) or given[id_] for known, id_ in pairs}

    @cached_property
    def left_out(self) -> dict[int, str]:
        """True id -> name of the objects without a result."""
        names = self.truth.names
        return {id_: names[id_] for id_ in self.truth.shown if id_ not in self.objects}

    @cached_property
    def begins(self) -> dict[int, list[int]]:
        """Number of the frame on which objects were first listed, or else shown -> true ids."""
        first: dict[int, int] = {}
        for stamp in sorted(self.results.objects):
            for id_ in self.results.objects[stamp]:
                first.setdefault(id_, stamp)
        if not first.keys() >= self.matched.keys():
            for stamp, labels in maps(self.results):
                for id_ in np.unique(labels).tolist():
                    first.setdefault(id_, stamp)
        begins: dict[int, list[int]] = {}
        for id_, known in self.matched.items():
            begins.setdefault(self.timeline.number(first[id_]), []).append(known)
        return begins

    def known(self, number: int) -> Labels:
        """True label map of a frame that has one."""
        labels = self.truth.labels(self.timeline.truth[number])
        assert labels is not None
        return labels

    def found(self, number: int) -> Labels:
        """Label map of a frame that has a result, with the ids of the truth."""
        labels = self.results.labels(self.timeline.results[number])
        assert labels is not None
        return self._renaming[labels]

    @property
    def scored(self) -> bool:
        """Whether the tracker said how sure its masks are."""
        return bool(self.results.objects)

    def said(self, number: int) -> dict[int, Said] | None:
        """True id -> its score and state in a frame that has a result; None if nothing is known."""
        states = self.results.objects.get(self.timeline.results[number], {})
        if not self.scored:
            return None
        return {
            known: Said(states[id_].score, states[id_].state)
            for id_, known in self.matched.items()
            if id_ in states
        }

    def position_error(self, number: int, known: int) -> float | None:
        """Distance in m between true and reported position of an object, if both are known."""
        true, found = (
            observed.objects.get(stamps[number], {}) if number in stamps else {}
            for observed, stamps in (
                (self.truth, self.timeline.truth),
                (self.results, self.timeline.results),
            )
        )
        (id_,) = (id_ for id_, match in self.matched.items() if match == known)
        if known not in true or id_ not in found:
            return None
        a, b = true[known].position, found[id_].position
        return None if a is None or b is None else math.dist(a, b)

    @cached_property
    def _renaming(self) -> NDArray[np.uint8]:
        return renaming(self.matched, self.results.names, self.truth.shown)


def align(
    results: Observations, truth: Observations, timeline: Timeline, matching: Matching
) -> Aligned:
    """Match the ids of the results to the true objects.

    Raises:
        SourceError: nothing matches.
    """
    if matching == 'id':
        matched = by_id(results.names, truth.shown)
    else:
        unmatched = Aligned(results, truth, timeline, by_id(results.names, results.names))
        matched = by_overlap(_common(unmatched))
    if matched:
        return Aligned(results, truth, timeline, matched)
    if not results.names:
        raise SourceError('no label map of the results shows an object: nothing was prompted')
    known = {id_: truth.names[id_] for id_ in truth.shown}
    both = f'{listed(results.names)} in the results, {listed(known)} in the truth'
    if matching == 'id':
        raise SourceError(f'no id is in both: {both}; --match overlap matches them by place')
    raise SourceError(f'no result overlaps an object where both are first seen: {both}')


def maps(known: Observations) -> Iterator[tuple[int, Labels]]:
    """Stamp and label map of every frame, in order."""
    for stamp in known.stamps:
        labels = known.labels(stamp)
        assert labels is not None
        yield stamp, labels


def listed(names: Mapping[int, str]) -> str:
    """Objects for people."""
    return ', '.join(f'{id_} {name}'.strip() for id_, name in sorted(names.items())) or 'none'


def _common(aligned: Aligned) -> Iterator[tuple[Labels, Labels]]:
    """Truth and result of each frame that has both, of one size."""
    timeline = aligned.timeline
    for number in sorted(timeline.truth.keys() & timeline.results.keys()):
        known, found = aligned.known(number), aligned.found(number)
        if known.shape == found.shape:
            yield known, found
