"""Writes topics to a bag, for machines without `ros2 bag`."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import QoSDurabilityPolicy, QoSProfile, QoSReliabilityPolicy

from drift_ros.errors import SourceError
from drift_ros.io.bag_writer import BagWriter
from drift_ros.ros.messages import message_type
from drift_ros.ros.tools.recording import DEPTH, Recorder

POLL = 0.1  # s


class BagRecorder:
    """Records topics from when they are published. A context manager; leaving completes the bag.

    Args:
        node: listens; it must not be spun by anybody else.
        topics: full names.
        path: bag to make.
        sim_time: whether times of receipt are those of /clock; what comes before it is left out.

    Attributes:
        missing: topics that nobody has published so far.

    Raises:
        OutputError: the bag cannot be made.
    """

    def __init__(
        self, node: Node, topics: Sequence[str], path: Path, sim_time: bool = False
    ) -> None:
        self.missing = list(dict.fromkeys(topics))
        self._node = node
        self._types: dict[str, str] = {}
        self._recorders: list[Recorder] = []
        self._bag = BagWriter(path)
        self._executor = SingleThreadedExecutor(context=node.context)
        self._executor.add_node(node)
        if sim_time:
            node.set_parameters([Parameter('use_sim_time', value=True)])
        clock = node.get_clock()
        self._now = (lambda: int(clock.now().nanoseconds)) if sim_time else time.time_ns

    def __enter__(self) -> BagRecorder:
        return self

    def __exit__(self, *_: object) -> None:
        for recorder in self._recorders:
            recorder.close()
        self._executor.shutdown()
        self._bag.close()

    @property
    def counts(self) -> dict[str, int]:
        """Messages so far, by topic."""
        return {topic: n for one in self._recorders for topic, n in one.counts.items()}

    def spin(self, until: Callable[[], bool]) -> None:
        """Record until something is true.

        Raises:
            SourceError: the type of a topic is not installed.
            OutputError: a message cannot be written.
        """
        due = 0.0
        while not until():
            if self.missing and time.monotonic() >= due:
                self._look()
                due = time.monotonic() + POLL
            self._executor.spin_once(timeout_sec=POLL)

    def _look(self) -> None:
        """Listen to the topics that are published by now."""
        kinds = {topic: kinds[0] for topic, kinds in self._node.get_topic_names_and_types()}
        for topic in list(self.missing):
            publishers = self._node.get_publishers_info_by_topic(topic)
            if topic not in kinds or not publishers:
                continue
            profiles = {topic: _accepted([publisher.qos_profile for publisher in publishers])}
            self._types[topic] = kinds[topic]
            classes = {topic: _class(topic, kinds[topic])}
            self._recorders.append(Recorder(self._node, classes, self._take, profiles, self._now))
            self.missing.remove(topic)

    def _take(self, topic: str, data: bytes, received: int) -> None:
        if received:
            self._bag.write_raw(topic, self._types[topic], data, received)


def _accepted(offers: Sequence[QoSProfile]) -> QoSProfile:
    """All that every publisher offers: who asks for more hears nothing of one that offers less,
    and who asks for less misses what was published before.
    """
    reliable, kept = QoSReliabilityPolicy.RELIABLE, QoSDurabilityPolicy.TRANSIENT_LOCAL
    strict = all(offer.reliability == reliable for offer in offers)
    latched = all(offer.durability == kept for offer in offers)
    return QoSProfile(
        depth=DEPTH,
        reliability=reliable if strict else QoSReliabilityPolicy.BEST_EFFORT,
        durability=kept if latched else QoSDurabilityPolicy.VOLATILE,
    )


def _class(topic: str, kind: str) -> type:
    try:
        found: type = message_type(kind)
    except (ImportError, AttributeError):
        raise SourceError(f'{topic} has the type {kind}, which is not installed') from None
    return found
