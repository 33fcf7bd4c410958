"""Writes topics to a bag, for machines without `ros2 bag`."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import QoSReliabilityPolicy

from drift_ros.errors import SourceError
from drift_ros.io.bags import BagWriter
from drift_ros.ros.playback import message_type
from drift_ros.ros.recording import Recorder

POLL = 0.1  # s


class BagRecorder:
    """Records topics. A context manager; the bag is complete when it is left.

    Args:
        node: listens; it must not be spun by anybody else.
        topics: full names.
        path: bag to make.
        timeout: how long to wait for the topics to be published, in s.
        sim_time: whether times of receipt are those of /clock; what comes before it is left out.

    Attributes:
        counts: messages so far, by topic.

    Raises:
        SourceError: a topic is not published, or its type is not installed or not known.
        OutputError: the bag cannot be made.
    """

    def __init__(
        self,
        node: Node,
        topics: Sequence[str],
        path: Path,
        timeout: float = 10.0,
        sim_time: bool = False,
    ) -> None:
        self._executor = SingleThreadedExecutor(context=node.context)
        self._executor.add_node(node)
        if sim_time:
            node.set_parameters([Parameter('use_sim_time', value=True)])
        self._types = self._find(node, topics, time.monotonic() + timeout)
        classes = {topic: _class(topic, kind) for topic, kind in self._types.items()}
        loose = frozenset(topic for topic in topics if not _reliable(node, topic))
        self._bag = BagWriter(path)
        clock = node.get_clock()
        now = (lambda: int(clock.now().nanoseconds)) if sim_time else time.time_ns
        self._recorder = Recorder(node, classes, self._take, loose, now)
        self.counts = self._recorder.counts

    def __enter__(self) -> BagRecorder:
        return self

    def __exit__(self, *_: object) -> None:
        self._recorder.close()
        self._executor.shutdown()
        self._bag.close()

    def spin(self, until: Callable[[], bool]) -> None:
        """Record until something is true.

        Raises:
            OutputError: a message cannot be written.
        """
        while not until():
            self._executor.spin_once(timeout_sec=POLL)

    def _take(self, topic: str, data: bytes, received: int) -> None:
        if received:
            self._bag.write_raw(topic, self._types[topic], data, received)

    def _find(self, node: Node, topics: Sequence[str], end: float) -> Mapping[str, str]:
        """Type of every topic, once all are published."""
        while True:
            there = {t: kinds[0] for t, kinds in node.get_topic_names_and_types() if kinds}
            missing = [t for t in topics if t not in there or not node.count_publishers(t)]
            if not missing:
                return {topic: there[topic] for topic in topics}
            if time.monotonic() > end:
                raise SourceError(
                    f'nobody publishes {", ".join(missing)}; there are: '
                    f'{", ".join(sorted(there)) or "no topics"}'
                )
            self._executor.spin_once(timeout_sec=POLL)


def _class(topic: str, kind: str) -> type:
    try:
        found: type = message_type(kind)
    except (ImportError, AttributeError):
        raise SourceError(f'{topic} has the type {kind}, which is not installed') from None
    return found


def _reliable(node: Node, topic: str) -> bool:
    """Whether all who publish a topic promise that everything arrives."""
    profiles = (info.qos_profile for info in node.get_publishers_info_by_topic(topic))
    return all(profile.reliability == QoSReliabilityPolicy.RELIABLE for profile in profiles)
