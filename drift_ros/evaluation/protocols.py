"""What can be evaluated: sequences with known objects, and methods that track them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from drift_ros.evaluation.scores import Said

Labels = NDArray[np.uint8]  # (H, W), value = id of an object, 0 = background
Found = tuple[int, Labels] | tuple[int, Labels, Mapping[int, Said]]
"""Number of a frame, its label map, and, where the method says it, id -> score and state."""


class AnnotatedSequence(ABC):
    """One video with known objects.

    Images and label maps are read when they are asked for, and raise DriftError if they cannot be
    used. It can be pickled, so that other processes can read it.

    Attributes:
        name: of the sequence in its data set; may hold slashes, never '..'.
    """

    name: str

    @property
    @abstractmethod
    def digest(self) -> str:
        """Changes when what it reads changes, such as sizes and times of change of its files."""

    @property
    def files(self) -> Sequence[Path]:
        """All files that it reads; none if it is rendered."""
        return ()

    @property
    @abstractmethod
    def frames(self) -> Sequence[str]:
        """Names of all frames in order, such as '00000'."""

    @property
    @abstractmethod
    def stamps(self) -> Sequence[int]:
        """Of all frames in ns, increasing."""

    @property
    def objects(self) -> Mapping[int, str]:
        """Id in 1..254 -> name, of all objects."""
        return {}

    @property
    def given(self) -> Mapping[int, tuple[int, ...]]:
        """Frame number -> ids of the objects whose truth is handed to the tracker there.

        Frame 0 alone in DAVIS; objects of YouTube-VOS may appear later.
        """
        return {0: tuple(self.objects)}

    @property
    def scored(self) -> Sequence[int]:
        """Numbers of the frames that are scored, increasing; in DAVIS not the two ends."""
        return range(1, len(self.frames) - 1)

    @property
    def skipped(self) -> Sequence[str]:
        """What had to be left out of it, in words."""
        return ()

    @abstractmethod
    def image(self, index: int) -> NDArray[np.uint8]:
        """Image (H, W, 3) uint8 RGB of a frame."""

    @abstractmethod
    def truth(self, index: int) -> Labels:
        """Label map (H, W) uint8 of a frame that is scored or given."""


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
    ) -> Sequence[Found]:
        """Take the next frame.

        Args:
            index: of the frame.
            stamp: of the frame in ns.
            image: (H, W, 3) uint8 RGB.
            given: id -> mask (H, W) of the objects that are named on this frame.

        Returns:
            Label maps that are ready now, with the numbers of their frames, in order, and with
            scores in all frames or in none. Every frame
            comes once, in this call or a later one.
        """
        ...

    def end(self) -> Sequence[Found]:
        """The label maps that are still missing."""
        ...


class MethodSpec(Protocol):
    """What is to track, described without making it: models are loaded where they run.

    It can be pickled, for other processes to make their own.
    """

    @property
    def name(self) -> str:
        """As tables show it."""
        ...

    @property
    def settings(self) -> Mapping[str, Any]:
        """What it is set to, fit for JSON."""
        ...

    def make(self, device: str | None = None) -> Method:
        """Load what it needs.

        Args:
            device: `cpu`, `cuda` or `cuda:N`; None: as its settings say.

        Raises:
            DriftError: something is missing or unusable.
        """
        ...
