"""Publishes what is in a bag with its timing, for machines without `ros2 bag`.

Messages go out as the bytes that the bag holds; nothing is converted. Their types must be
installed.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import rclpy
from rclpy.context import Context
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.qos import QoSDurabilityPolicy, QoSProfile
from rclpy.signals import SignalHandlerOptions
from rosgraph_msgs.msg import Clock

from drift_ros.errors import SourceError
from drift_ros.io.bags import BagReader
from drift_ros.ros import stamps
from drift_ros.ros.messages import message_type
from drift_ros.ros.tools.in_step import InStep

log = logging.getLogger(__name__)

CLOCK_RATE = 40.0  # Hz
DEPTH = 10
ACKNOWLEDGED = 2.0  # s
LATCHED = ('/tf_static', '/robot_description', '/map')  # who comes late gets the last one
Progress = Callable[[float], None]


class Player:
    """Plays a bag through a node's publishers.

    Args:
        node: publishes; it need not be spun.
        path: the bag.
        topics: only these; None: all.
        rate: bag seconds per second, > 0.
        clock: publish /clock, at 40 Hz of real time and at every message.
        in_step: waits after each image, and so makes `rate` the highest one.

    Raises:
        SourceError: the bag cannot be read, a topic is not in it, the type of none of them is
            installed, or it is not clear which topic's images `in_step` is to wait for.
    """

    def __init__(
        self,
        node: Node,
        path: str | Path,
        topics: Sequence[str] | None = None,
        rate: float = 1.0,
        clock: bool = False,
        in_step: InStep | None = None,
    ) -> None:
        if not rate > 0:
            raise SourceError(f'the rate is {rate}: it must be greater than 0')
        self._node = node
        self._path = path
        self._rate = rate
        self._in_step = in_step
        with BagReader(path) as bag:
            for topic in topics or []:
                bag.count(topic)  # names what is there if this is not
            chosen = {t: kind for t, kind in bag.topics.items() if topics is None or t in topics}
            self.duration = bag.duration_ns / 1e9
            others = [topic for topic in bag.topics if topic not in chosen]
            self._images = bag.image_topic(None, others) if in_step else ''
            self._cameras = [topic for topic in bag.image_topics() if topic in chosen]
        self._clock = node.create_publisher(Clock, '/clock', 1) if clock else None
        self._publishers = self._advertise(chosen)
        self._stop = threading.Event()
        self.published = 0

    @property
    def images(self) -> str:
        """Topic of the images that `in_step` waits for; empty without it."""
        return self._images

    @property
    def topics(self) -> list[str]:
        """What is played."""
        return list(self._publishers)

    def wait_for_subscribers(self, timeout: float) -> bool:
        """Wait until somebody listens to images of a camera, or, where none are played, to
        anything; with `in_step`, until the tracker listens to them. False if nobody listens in
        time; who does instead of the tracker may pass them on to it.
        """
        end = time.monotonic() + timeout
        while not self._met():
            if time.monotonic() >= end or self._stop.wait(0.02):
                return self._heard()
        return True

    def play(self, progress: Progress = lambda seconds: None) -> None:
        """Play the bag once.

        Args:
            progress: called with the position in the bag in s.

        Raises:
            SourceError: the bag is damaged; what came before that was played.
        """
        with BagReader(self._path) as bag:
            start, first = time.monotonic(), None
            for topic, _, stamp, data in bag.raw(self.topics):
                first = stamp if first is None else first
                self._wait(start, first, stamp)
                if self._stop.is_set():
                    return
                self._publishers[topic].publish(bytes(data))
                self.published += 1
                if self._in_step is not None and topic == self._images:
                    self._in_step.sent(bytes(data))
                progress((stamp - first) / 1e9)

    def finish(self) -> None:
        """Wait until what was sent has arrived where that is promised."""
        for publisher in self._publishers.values():
            publisher.wait_for_all_acked(Duration(seconds=ACKNOWLEDGED))

    def stop(self) -> None:
        """End `play` from another thread."""
        self._stop.set()

    def _advertise(self, topics: dict[str, str]) -> dict[str, Any]:
        publishers = {}
        missing = []
        for topic, kind in topics.items():
            if topic == '/clock' and self._clock is not None:
                continue  # there can be one clock only
            profile = QoSProfile(depth=DEPTH)
            if topic in LATCHED:
                profile.durability = QoSDurabilityPolicy.TRANSIENT_LOCAL
            try:
                publishers[topic] = self._node.create_publisher(message_type(kind), topic, profile)
            except (ImportError, AttributeError):
                missing.append(f'{topic} ({kind})')
        if missing:
            log.warning('left out, since their types are not installed: %s', ', '.join(missing))
        if not publishers:
            said = ', '.join(missing) or 'it has no topics'
            raise SourceError(f'nothing of {self._path} can be played: {said}')
        return publishers

    def _met(self) -> bool:
        if self._in_step is None:
            return self._heard()
        return self._in_step.met(self._publishers[self._images])

    def _heard(self) -> bool:
        # a recorder of camera_info is no reason to begin without the tracker
        awaited = [self._images] if self._in_step else self._cameras or self.topics
        return any(self._publishers[topic].get_subscription_count() for topic in awaited)

    def _wait(self, start: float, first: int, stamp: int) -> None:
        """Sleep until a message is due; meanwhile the clock goes on."""
        due = start + (stamp - first) / 1e9 / self._rate
        while (left := due - time.monotonic()) > 0:
            if self._clock is not None:
                self._tick(stamp - round(left * self._rate * 1e9))
            if self._stop.wait(min(left, 1 / CLOCK_RATE)):
                return
        if self._clock is not None:
            self._tick(stamp)

    def _tick(self, stamp: int) -> None:
        assert self._clock is not None
        self._clock.publish(Clock(clock=stamps.time(stamp)))


@contextmanager
def node_of_its_own(name: str) -> Iterator[Node]:
    """A node in a context of its own. Interrupts are left to whoever handles them in Python."""
    context = Context()
    rclpy.init(context=context, signal_handler_options=SignalHandlerOptions.NO)
    node = rclpy.create_node(name, context=context)
    try:
        yield node
    finally:
        node.destroy_node()
        rclpy.try_shutdown(context=context)
