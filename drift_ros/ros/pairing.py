"""Finds the depth image that belongs to an image, by their stamps.

A message is used once; a pair is made, with the nearest one that waits, when the second of the two
comes, as by the ApproximateTimeSynchronizer of message_filters. Unlike there, everything is
forgotten when time jumps back (a bag that loops): the stamps of the future that would be held
otherwise keep new messages from ever being paired.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, Protocol

from drift_ros.ros.stamps import nanoseconds

IMAGE, DEPTH = 0, 1
WAITING = 16  # messages per topic that wait for the other one


class Stamped(Protocol):
    """Anything with a std_msgs/Header."""

    header: Any


class DepthPairing:
    """Keeps the depth image of each image that is on its way through the tracker.

    Args:
        slop: largest difference of the stamps in s.
        jump: step back of the stamps in s from which on everything is forgotten.
        keep: the newest images, without forgotten ones, whose depth is kept.

    Attributes:
        jump, keep: as given.
    """

    def __init__(self, slop: float, jump: float, keep: int = 64) -> None:
        self.jump = jump
        self.keep = keep
        self._depth: OrderedDict[int, Stamped | None] = OrderedDict()  # by stamp of the image
        self.reset(slop)

    def reset(self, slop: float | None = None) -> None:
        """Forget all messages, and take over another slop."""
        if slop is not None:
            self._slop = round(slop * 1e9)
        self._depth.clear()
        self._newest = [-1, -1]
        self._waiting: tuple[dict[int, Stamped | None], dict[int, Stamped | None]] = ({}, {})

    def add_image(self, message: Stamped) -> None:
        """Take an image; only its stamp is kept."""
        self._add(IMAGE, nanoseconds(message.header.stamp), None)

    def add_depth(self, message: Stamped) -> None:
        """Take a depth image."""
        self._add(DEPTH, nanoseconds(message.header.stamp), message)

    def forget(self, stamp: int) -> None:
        """The image with this stamp in ns will not be tracked: it takes no place any more. It still
        uses up its depth image, so that no other image gets that.
        """
        self._depth.pop(stamp, None)

    def find(self, stamp: int) -> Any:
        """The depth image that belongs to the image with this stamp in ns; None if none came."""
        return self._depth.get(stamp)

    def _add(self, topic: int, stamp: int, depth: Stamped | None) -> None:
        if self._newest[topic] - stamp > self.jump * 1e9:
            self.reset()
        self._newest[topic] = max(self._newest[topic], stamp)
        if topic == IMAGE:
            self._depth.setdefault(stamp, None)
            while len(self._depth) > self.keep:
                self._depth.popitem(last=False)
        own, other = self._waiting[topic], self._waiting[1 - topic]
        nearest = min(other, key=lambda candidate: abs(candidate - stamp), default=None)
        if nearest is None or abs(nearest - stamp) > self._slop:
            own[stamp] = depth
            while len(own) > WAITING:
                del own[min(own)]
            return
        match = other.pop(nearest)
        image, found = (stamp, match) if topic == IMAGE else (nearest, depth)
        if image in self._depth:
            self._depth[image] = found
