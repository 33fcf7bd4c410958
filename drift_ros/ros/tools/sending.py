"""Publishes serialized messages on the topics that they were recorded from."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from rclpy.node import Node
from rclpy.qos import QoSProfile

from drift_ros.errors import DriftError
from drift_ros.ros.messages import message_type

DEPTH = 20
POLL = 0.02


class NobodyListensError(DriftError):
    """A topic has no subscriber."""


class Sender:
    """Publishers for the inputs of a tracker.

    Args:
        node: publishes.
        topics: full name -> type, such as `sensor_msgs/msg/Image`.
    """

    def __init__(self, node: Node, topics: Mapping[str, str]) -> None:
        self._publishers = {
            topic: node.create_publisher(message_type(kind), topic, QoSProfile(depth=DEPTH))
            for topic, kind in topics.items()
        }

    def wait_for_listeners(self, timeout: float, alive: Callable[[], None]) -> None:
        """Wait until every topic has a subscriber; `alive` raises if waiting is pointless.

        Raises:
            NobodyListensError: not within `timeout` seconds.
        """
        end = time.monotonic() + timeout
        for topic, publisher in self._publishers.items():
            while not publisher.get_subscription_count():
                alive()
                if time.monotonic() > end:
                    raise NobodyListensError(f'nobody listens on {topic} after {timeout:g} s')
                time.sleep(POLL)

    def send(self, topic: str, data: bytes) -> None:
        """Publish one message."""
        self._publishers[topic].publish(data)
