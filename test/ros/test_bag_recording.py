"""Recording topics into bags, over DDS."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip('rclpy', reason='the room ros needs rclpy')

from rclpy.qos import QoSDurabilityPolicy, QoSProfile, QoSReliabilityPolicy
from rosgraph_msgs.msg import Clock
from std_msgs.msg import String

from drift_ros.errors import OutputError
from drift_ros.io.bags import BagReader
from drift_ros.ros import stamps
from drift_ros.ros.tools.bag_recording import BagRecorder
from drift_ros.ros.tools.playback import node_of_its_own


@pytest.fixture
def nodes() -> Iterator[tuple[Any, Any]]:
    """One that publishes and one that records."""
    with node_of_its_own('mouth') as mouth, node_of_its_own('recorder') as recorder:
        yield mouth, recorder


def record(recorder: BagRecorder, publish: Any, count: int) -> None:
    """Publish until so many messages have come."""
    end = time.monotonic() + 20

    def done() -> bool:
        publish()
        return sum(recorder.counts.values()) >= count or time.monotonic() > end

    recorder.spin(done)


@pytest.mark.parametrize('policy', ['RELIABLE', 'BEST_EFFORT'])
def test_what_is_published_is_in_the_bag(
    nodes: tuple[Any, Any], tmp_path: Path, policy: str
) -> None:
    mouth, node = nodes
    profile = QoSProfile(depth=10, reliability=QoSReliabilityPolicy[policy])
    publisher = mouth.create_publisher(String, '/words', profile)
    before = time.time_ns()
    with BagRecorder(node, ['/words'], tmp_path / 'bag') as recorder:
        record(recorder, lambda: publisher.publish(String(data='word')), 3)
    with BagReader(tmp_path / 'bag') as bag:
        found = list(bag.messages(['/words']))
    assert len(found) >= 3 and {message.data for _, _, message in found} == {'word'}
    assert all(before <= received <= time.time_ns() for _, received, _ in found)


def test_what_was_published_before_is_recorded_where_it_is_kept(
    nodes: tuple[Any, Any], tmp_path: Path
) -> None:
    """As /tf_static is."""
    mouth, node = nodes
    kept = QoSProfile(depth=1, durability=QoSDurabilityPolicy.TRANSIENT_LOCAL)
    mouth.create_publisher(String, '/fixed', kept).publish(String(data='before'))
    with BagRecorder(node, ['/fixed'], tmp_path / 'bag') as recorder:
        record(recorder, lambda: None, 1)
    with BagReader(tmp_path / 'bag') as bag:
        assert [message.data for _, _, message in bag.messages(['/fixed'])] == ['before']


def test_times_of_receipt_may_be_simulated(nodes: tuple[Any, Any], tmp_path: Path) -> None:
    mouth, node = nodes
    publisher = mouth.create_publisher(String, '/words', 10)
    clock = mouth.create_publisher(Clock, '/clock', 10)

    def publish() -> None:
        clock.publish(Clock(clock=stamps.time(5_000_000_000)))
        publisher.publish(String(data='word'))

    with BagRecorder(node, ['/words'], tmp_path / 'bag', sim_time=True) as recorder:
        record(recorder, publish, 5)
    with BagReader(tmp_path / 'bag') as bag:
        times = {received for _, received, _ in bag.messages(['/words'])}
    assert times == {5_000_000_000}


def test_a_topic_is_recorded_from_when_it_is_published(
    nodes: tuple[Any, Any], tmp_path: Path
) -> None:
    mouth, node = nodes
    with BagRecorder(node, ['/words', '/wrds'], tmp_path / 'bag') as recorder:
        end = time.monotonic() + 0.3
        recorder.spin(lambda: time.monotonic() > end)
        assert recorder.missing == ['/words', '/wrds'] and recorder.counts == {}
        publisher = mouth.create_publisher(String, '/words', 10)
        record(recorder, lambda: publisher.publish(String(data='late')), 2)
        assert recorder.missing == ['/wrds'] and recorder.counts['/words'] >= 2
    with BagReader(tmp_path / 'bag') as bag:
        assert bag.topics == {'/words': 'std_msgs/msg/String'}


def test_a_bag_that_exists_is_left_alone(nodes: tuple[Any, Any], tmp_path: Path) -> None:
    mouth, node = nodes
    mouth.create_publisher(String, '/words', 10)
    with pytest.raises(OutputError):
        BagRecorder(node, ['/words'], tmp_path)
