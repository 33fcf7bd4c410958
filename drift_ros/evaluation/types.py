"""What an evaluation reads and what it finds out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Labels = NDArray[np.uint8]  # (H, W), value = id of an object, 0 = background


class AnnotatedSequence(Protocol):
    """One video with known objects.

    Images and label maps are read when they are asked for, and raise DriftError if they cannot be
    used. It can be pickled, so that other processes can read it.
    """

    @property
    def name(self) -> str:
        """Of the sequence in its data set; may hold slashes, never '..'."""
        ...

    @property
    def digest(self) -> str:
        """Changes when what it reads changes, such as sizes and times of change of its files."""
        ...

    @property
    def files(self) -> Sequence[Path]:
        """All files that it reads; none if it is rendered."""
        ...

    @property
    def frames(self) -> Sequence[str]:
        """Names of all frames in order, such as '00000'."""
        ...

    @property
    def stamps(self) -> Sequence[int]:
        """Of all frames in ns, increasing."""
        ...

    @property
    def objects(self) -> Mapping[int, str]:
        """Id in 1..254 -> name, of all objects."""
        ...

    @property
    def given(self) -> Mapping[int, tuple[int, ...]]:
        """Frame number -> ids of the objects whose truth is handed to the tracker there.

        Frame 0 alone in DAVIS; objects of YouTube-VOS may appear later.
        """
        ...

    @property
    def scored(self) -> Sequence[int]:
        """Numbers of the frames that are scored, increasing."""
        ...

    @property
    def skipped(self) -> Sequence[str]:
        """What had to be left out of it, in words."""
        ...

    def image(self, index: int) -> NDArray[np.uint8]:
        """Image (H, W, 3) uint8 RGB of a frame."""
        ...

    def truth(self, index: int) -> Labels:
        """Label map (H, W) uint8 of a frame that is scored or given."""
        ...


class Method(Protocol):
    """Something that tracks, one sequence after the other."""

    @property
    def name(self) -> str:
        """As tables show it."""
        ...

    @property
    def settings(self) -> Mapping[str, Any]:
        """What it was set to, fit for JSON; part of what makes two runs equal."""
        ...

    def begin(self) -> None:
        """Forget the last sequence; keep what was loaded."""
        ...

    def step(
        self,
        index: int,
        stamp: int,
        image: NDArray[np.uint8],
        given: Mapping[int, NDArray[np.bool_]],
    ) -> Sequence[tuple[int, Labels]]:
        """Take the next frame.

        Args:
            index: of the frame.
            stamp: of the frame in ns.
            image: (H, W, 3) uint8 RGB.
            given: id -> mask (H, W) of the objects that are named on this frame.

        Returns:
            Label maps that are ready now, with the numbers of their frames, in order. Every frame
            comes once, in this call or a later one.
        """
        ...

    def end(self) -> Sequence[tuple[int, Labels]]:
        """The label maps that are still missing."""
        ...


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
