"""What an evaluation finds out about a sequence."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ObjectScore:
    """How well one object was followed.

    Attributes:
        id: of the object.
        name: of the object.
        frames: numbers of the scored frames of this object, increasing.
        j: region similarity (intersection over union) in [0, 1], one per scored frame.
        f: boundary accuracy in [0, 1], likewise.
        follower: id of the result that covers the object by at least one half (J) in each of
            these frames; 0 if none does or the object is not to be seen.
    """

    id: int
    name: str
    frames: tuple[int, ...]
    j: tuple[float, ...]
    f: tuple[float, ...]
    follower: tuple[int, ...]


@dataclass(frozen=True)
class SequenceScore:
    """How well one sequence was tracked, and what that took.

    Attributes:
        name: of the sequence.
        size: (height, width) of its images in px.
        frames: number of frames that were tracked.
        objects: scores, ordered by id.
        seconds: spent in the method over the whole sequence, without reading and writing files;
            None if it did not run here.
        memory: highest resident memory of the process during the sequence in bytes, likewise.
        device_memory: highest memory taken on the device in bytes; None without one.
        skipped: what had to be left out, in words.
    """

    name: str
    size: tuple[int, int]
    frames: int
    objects: tuple[ObjectScore, ...]
    seconds: float | None = None
    memory: int | None = None
    device_memory: int | None = None
    skipped: tuple[str, ...] = ()


@dataclass(frozen=True)
class PoseScore:
    """How well the joints of a pose were followed in one sequence.

    Attributes:
        name: of the sequence.
        size: (height, width) of its images in px.
        frames: number of frames that were tracked.
        joints: names of the joints.
        scored: numbers of the scored frames, increasing.
        distances: per scored frame and joint how far it was found from its true place in px; None
            where it was not found.
        scales: per scored frame what a distance is measured by in px: 0.6 times the diagonal of
            the box of the found joints' true places.
        seconds, memory, device_memory, skipped: as in SequenceScore.
    """

    name: str
    size: tuple[int, int]
    frames: int
    joints: tuple[str, ...]
    scored: tuple[int, ...]
    distances: tuple[tuple[float | None, ...], ...]
    scales: tuple[float, ...]
    seconds: float | None = None
    memory: int | None = None
    device_memory: int | None = None
    skipped: tuple[str, ...] = ()


@dataclass(frozen=True)
class Refusal:
    """A sequence that could not be evaluated, and why."""

    name: str
    reason: str
