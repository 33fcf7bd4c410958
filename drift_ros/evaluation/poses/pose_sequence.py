"""Videos of a person with known joints."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from drift_ros.errors import SourceError
from drift_ros.evaluation.protocols import Labels

Joints = NDArray[np.float64]  # (J, 2): (x, y) in px, (0, 0) is the centre of the first pixel
LOST = -1.0  # both coordinates of a joint that was not found


class PoseSequence(ABC):
    """A sequence whose truth are points in place of label maps. It can be pickled.

    Attributes:
        side: side in px of the square that its images are brought to for tracking, whatever their
            proportions.
    """

    name: str
    side: int

    @property
    @abstractmethod
    def digest(self) -> str:
        """Changes when what it reads changes."""

    @property
    @abstractmethod
    def files(self) -> Sequence[Path]:
        """All files that it reads."""

    @property
    @abstractmethod
    def frames(self) -> Sequence[str]:
        """Names of all frames in order."""

    @property
    @abstractmethod
    def stamps(self) -> Sequence[int]:
        """Of all frames in ns, increasing."""

    @property
    @abstractmethod
    def joints(self) -> Sequence[str]:
        """Names of the joints."""

    @property
    def scored(self) -> Sequence[int]:
        """All frames but the first, whose truth is given."""
        return range(1, len(self.frames))

    @property
    def skipped(self) -> Sequence[str]:
        """What had to be left out of it, in words."""
        return ()

    @property
    def objects(self) -> Mapping[int, str]:
        """No objects with masks."""
        return {}

    @property
    def given(self) -> Mapping[int, tuple[int, ...]]:
        """No masks are given."""
        return {}

    @abstractmethod
    def image(self, index: int) -> NDArray[np.uint8]:
        """Image (H, W, 3) uint8 RGB of a frame."""

    @abstractmethod
    def pose(self, index: int) -> Joints:
        """True places (J, 2) of the joints in a frame; they may lie outside the image."""

    def truth(self, index: int) -> Labels:
        """Poses have no label maps.

        Raises:
            SourceError: always.
        """
        raise SourceError(f'{self.name} has joints, not masks: only poses can be scored on it')
