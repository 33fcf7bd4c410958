"""Finds the depth image that belongs to an image, by their stamps.

Where message_filters is installed its ApproximateTimeSynchronizer does it, else an equal of it for
two topics. Both forget what they hold when time jumps back (a bag that loops): the stamps of the
future that they would hold otherwise keep new messages from ever being paired.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Protocol

from drift_ros.ros.stamps import nanoseconds

try:
    import message_filters
except ImportError:  # there is no wheel of it
    message_filters = None

QUEUE = 32


class Stamped(Protocol):
    """Anything with a std_msgs/Header."""

    header: Any


OnPair = Callable[[Any, Any], None]


class NearestPairing:
    """Pairs each message with the nearest waiting one of the other topic, at most `slop` apart.

    Like the ApproximateTimeSynchronizer of message_filters, a message is used once, pairs are made
    when the second of the two comes, and `queue` messages per topic wait.
    """

    def __init__(self, slop: float, on_pair: OnPair, queue: int = QUEUE) -> None:
        self._slop = round(slop * 1e9)
        self._on_pair = on_pair
        self._queue = queue
        self._waiting: tuple[dict[int, Stamped], dict[int, Stamped]] = ({}, {})

    def add(self, topic: int, message: Stamped) -> None:
        """Take a message of topic 0 (image) or 1 (depth)."""
        own, other = self._waiting[topic], self._waiting[1 - topic]
        stamp = nanoseconds(message.header.stamp)
        nearest = min(other, key=lambda candidate: abs(candidate - stamp), default=None)
        if nearest is not None and abs(nearest - stamp) <= self._slop:
            match = other.pop(nearest)
            self._on_pair(*((message, match) if topic == 0 else (match, message)))
            return
        own[stamp] = message
        while len(own) > self._queue:
            del own[min(own)]


class FilterPairing:
    """The same by message_filters."""

    def __init__(self, slop: float, on_pair: OnPair, queue: int = QUEUE) -> None:
        self._topics = (message_filters.SimpleFilter(), message_filters.SimpleFilter())
        self._synchronizer = message_filters.ApproximateTimeSynchronizer(
            list(self._topics),
            queue,
            slop + 1e-9,  # it takes differences below, not up to its slop
        )
        self._synchronizer.registerCallback(on_pair)

    def add(self, topic: int, message: Stamped) -> None:
        """Take a message of topic 0 (image) or 1 (depth)."""
        self._topics[topic].signalMessage(message)


PAIRINGS: dict[str, Callable[[float, OnPair], NearestPairing | FilterPairing]] = {
    'nearest': NearestPairing
}
if message_filters is not None:
    PAIRINGS['message_filters'] = FilterPairing


class DepthPairing:
    """Keeps the depth image of each recent image until it is asked for.

    Args:
        slop: largest difference of the stamps in s.
        jump: step back of the stamps in s from which on everything is forgotten.
        keep: number of pairs that are kept.
        kind: a name in PAIRINGS; empty takes message_filters where it is installed.
    """

    def __init__(self, slop: float, jump: float, keep: int = 64, kind: str = '') -> None:
        self._slop = slop
        self._jump = round(jump * 1e9)
        self._keep_pairs = keep
        self._kind = kind or ('message_filters' if message_filters else 'nearest')
        self._pairs: OrderedDict[int, Stamped] = OrderedDict()
        self.reset()

    def reset(self, slop: float | None = None) -> None:
        """Forget all messages, and take over another slop."""
        self._slop = self._slop if slop is None else slop
        self._pairs.clear()
        self._newest = [-1, -1]
        self._pairing = PAIRINGS[self._kind](self._slop, self._keep)

    def add_image(self, message: Stamped) -> None:
        """Take an image; only its header is kept."""
        self._add(0, _HeaderOnly(message.header))

    def add_depth(self, message: Stamped) -> None:
        """Take a depth image."""
        self._add(1, message)

    def find(self, stamp: int) -> Any:
        """The depth image that belongs to the image with this stamp in ns; None if none came."""
        return self._pairs.get(stamp)

    def _add(self, topic: int, message: Stamped) -> None:
        stamp = nanoseconds(message.header.stamp)
        if self._newest[topic] - stamp > self._jump:
            self.reset()
        self._newest[topic] = max(self._newest[topic], stamp)
        self._pairing.add(topic, message)

    def _keep(self, image: Stamped, depth: Stamped) -> None:
        self._pairs[nanoseconds(image.header.stamp)] = depth
        while len(self._pairs) > self._keep_pairs:
            self._pairs.popitem(last=False)


class _HeaderOnly:
    """What pairing needs of an image, so that waiting for its depth does not hold its pixels."""

    def __init__(self, header: Any) -> None:
        self.header = header
