"""What else goes through a stream of described frames, beside the masks."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from drift_ros.descriptors import Descriptors
from drift_ros.settings import PointSettings
from drift_ros.structures import TrackedPoints
from drift_ros.tracking.window_buffer import BufferedFrame


class Follower(Protocol):
    """Is shown every frame once, in order, with the descriptors that masks are propagated by.

    When tracking goes back to an earlier frame, the follower goes back too: the frames
    from there on come again.
    """

    @property
    def count(self) -> int:
        """How many points it follows; with some, frames are described even without targets. Any
        thread may ask.
        """
        ...

    def step(self, entry: BufferedFrame, descriptors: Descriptors) -> TrackedPoints:
        """What it finds in a frame.

        Args:
            entry: the frame.
            descriptors: of it (n = 1), as the extractor gives them.
        """
        ...

    def update(self, settings: PointSettings) -> None:
        """Take over changed settings: those marked `dynamic`."""
        ...

    def go_back_to(self, number: int) -> None:
        """The frames from this number on come again."""
        ...

    def miss(self, numbers: Collection[int]) -> None:
        """Frames of these numbers failed, and will not come."""
        ...

    def reset(self) -> None:
        """Another stream begins."""
        ...
