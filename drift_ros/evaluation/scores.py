"""What an evaluation finds out about a sequence."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import TypeAdapter, ValidationError

from drift_ros.documents import LARGEST, DocumentError, read_json
from drift_ros.errors import SourceError
from drift_ros.structures import TargetState


class Said(NamedTuple):
    """What a tracker says of an object in a frame.

    Attributes:
        score: how sure its mask is, in [0, 1], 0 without one.
        state: visible, occluded or lost; None: it does not say.
    """

    score: float
    state: TargetState | None


@dataclass(frozen=True)
class ObjectScore:
    """How well one object was followed.

    Attributes:
        frames: numbers of the scored frames of this object, increasing.
        j: region similarity (intersection over union) in [0, 1], one per scored frame.
        f: boundary accuracy in [0, 1], likewise.
        follower: id of the result that covers the object by at least one half (J) in each of
            these frames; 0 if none does or the object is not to be seen.
        score: what the tracker says of how sure each mask is, in [0, 1], 0 without one; empty if it
            says nothing.
        state: likewise visible (0), occluded (1) or lost (2); None where nothing was said.
    """

    id: int
    name: str
    frames: tuple[int, ...]
    j: tuple[float, ...]
    f: tuple[float, ...]
    follower: tuple[int, ...]
    score: tuple[float, ...] = ()
    state: tuple[int | None, ...] = ()


@dataclass(frozen=True)
class _Score:
    """What a sequence took.

    Attributes:
        size: (height, width) of its images in px.
        frames: number of frames that were tracked.
        seconds: spent in the method over the whole sequence, without reading and writing files;
            None if it did not run here.
        memory: highest resident memory of the process during the sequence in bytes, likewise.
        device_memory: highest memory taken on the device in bytes; None without one.
        skipped: what had to be left out, in words.
    """

    name: str
    size: tuple[int, int]
    frames: int
    seconds: float | None = field(default=None, kw_only=True)
    memory: int | None = field(default=None, kw_only=True)
    device_memory: int | None = field(default=None, kw_only=True)
    skipped: tuple[str, ...] = field(default=(), kw_only=True)


@dataclass(frozen=True)
class SequenceScore(_Score):
    """How well the objects of one sequence were tracked: scores ordered by id."""

    objects: tuple[ObjectScore, ...]


@dataclass(frozen=True)
class PoseScore(_Score):
    """How well the joints of a pose were followed in one sequence.

    Attributes:
        joints: names of the joints.
        scored: numbers of the scored frames, increasing.
        distances: per scored frame and joint how far it was found from its true place in px; None
            where it was not found.
        scales: per scored frame what a distance is measured by in px: 0.6 times the diagonal of
            the box of the found joints' true places.
    """

    joints: tuple[str, ...]
    scored: tuple[int, ...]
    distances: tuple[tuple[float | None, ...], ...]
    scales: tuple[float, ...]


@dataclass(frozen=True)
class Refusal:
    """A sequence that could not be evaluated, and why."""

    name: str
    reason: str


Score = SequenceScore | PoseScore


def read_score(place: Path) -> Score | Refusal:
    """The content of a `score.json`.

    Raises:
        SourceError: the file is missing or broken.
    """
    record: Any
    try:
        record = read_json(place, LARGEST, LARGEST)
        if 'refused' in record:
            return Refusal(record['name'], record['refused'])
        kind: Any = PoseScore if 'joints' in record else SequenceScore
        found: Score = TypeAdapter(kind).validate_python(record)
    except ValidationError as error:
        first = error.errors()[0]
        what = f'{".".join(map(str, first["loc"]))}: {first["msg"]}'
        raise SourceError(f'{place} does not hold the scores of a sequence: {what}') from None
    except (DocumentError, TypeError, KeyError) as error:
        raise SourceError(f'cannot read {place}: {error}') from None
    return found
