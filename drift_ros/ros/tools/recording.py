"""Listens to topics and hands every message on as it came: bytes and the time of receipt."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from rclpy.node import Node
from rclpy.qos import QoSProfile

DEPTH = 200
Sink = Callable[[str, bytes, int], None]
"""Takes topic, serialized message (CDR) and the time of receipt in ns."""


class Recorder:
    """Subscribes to topics and counts what comes.

    Args:
        node: must be spun by someone; the sink is called in the thread that spins it.
        topics: full name -> message class.
        sink: takes the messages.
        profiles: topic -> QoS of its subscription, where it is not reliable and volatile.
        clock: gives the time of receipt in ns; default: the system's.

    Attributes:
        counts: messages so far, by topic.
        last: monotonic time in s of the last message, by topic.
    """

    def __init__(
        self,
        node: Node,
        topics: Mapping[str, type],
        sink: Sink,
        profiles: Mapping[str, QoSProfile] = MappingProxyType({}),
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self._node = node
        self._clock = clock
        self._sink = sink
        self.counts = dict.fromkeys(topics, 0)
        self.last: dict[str, float] = {}
        self._subscriptions = [
            self._listen(topic, kind, profiles.get(topic, QoSProfile(depth=DEPTH)))
            for topic, kind in topics.items()
        ]

    def close(self) -> None:
        """Stop listening."""
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)
        self._subscriptions = []

    def _listen(self, topic: str, kind: type, profile: QoSProfile) -> Any:
        def take(data: bytes) -> None:
            received = self._clock()
            self._sink(topic, data, received)
            self.last[topic] = time.monotonic()
            self.counts[topic] += 1

        return self._node.create_subscription(kind, topic, take, profile, raw=True)
