"""Videos of a person with known joints."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from drift_ros.errors import SourceError
from drift_ros.evaluation.protocols import AnnotatedSequence, Labels

Joints = NDArray[np.float64]  # (J, 2): (x, y) in px, (0, 0) is the centre of the first pixel
LOST = -1.0  # both coordinates of a joint that was not found


class PoseSequence(AnnotatedSequence):
    """A sequence whose truth are points in place of label maps.

    Attributes:
        side: side in px of the square that its images are brought to for tracking, whatever their
            proportions.
    """

    side: int

    @property
    @abstractmethod
    def joints(self) -> Sequence[str]:
        """Names of the joints."""

    @property
    def scored(self) -> Sequence[int]:
        """All frames but the first, whose truth is given."""
        return range(1, len(self.frames))

    @abstractmethod
    def pose(self, index: int) -> Joints:
        """True places (J, 2) of the joints in a frame; they may lie outside the image."""

    def truth(self, index: int) -> Labels:
        """Poses have no label maps.

        Raises:
            SourceError: always.
        """
        raise SourceError(f'{self.name} has joints, not masks: only poses can be scored on it')
