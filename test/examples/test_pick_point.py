"""The example of the README, over DDS."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip('rclpy', reason='the room ros needs rclpy')
pytest.importorskip('drift_ros.msg', reason='the interfaces are not built: run `make build`')

import rclpy
from geometry_msgs.msg import Point, PointStamped
from rclpy.executors import SingleThreadedExecutor

from drift_ros.msg import TrackedObject, TrackedObjectArray
from drift_ros.ros.messages import header

VISIBLE = TrackedObject.VISIBLE


class Robot:
    """The example, and a node that shows it one target."""

    def __init__(self, tools: Any, *parameters: str) -> None:
        from pick_point import PickPoint

        self.context = rclpy.Context()
        rclpy.init(
            args=['--ros-args', *(word for given in parameters for word in ('-p', given))],
            context=self.context,
        )
        self.node = rclpy.create_node('robot', context=self.context)
        self.example = PickPoint(context=self.context)
        self.executor = SingleThreadedExecutor(context=self.context)
        for node in (self.node, self.example):
            self.executor.add_node(node)
        self.tools = tools
        self.points: list[PointStamped] = []
        self.node.create_subscription(PointStamped, 'pick_point', self.points.append, 50)
        self._tracks = self.node.create_publisher(TrackedObjectArray, 'tracks', 50)
        self.until(self._tracks.get_subscription_count)
        self.until(lambda: self.example.count_subscribers('pick_point'))

    def until(self, condition: Any) -> Any:
        def spun() -> Any:
            self.executor.spin_once(timeout_sec=0.01)
            return condition()

        return self.tools.until(spun)

    def show(self, k: int, id_: int, state: int = VISIBLE, score: float = 0.9) -> None:
        found = TrackedObject(id=id_, name='cup', state=state, score=score)
        found.has_position, found.position = state == VISIBLE, Point(x=0.1 * k)
        about = header(self.tools.stamp(k), self.tools.FRAME_ID)
        self._tracks.publish(TrackedObjectArray(header=about, objects=[found]))

    def close(self) -> None:
        self.executor.shutdown()
        for node in (self.example, self.node):
            node.destroy_node()
        rclpy.shutdown(context=self.context)


@pytest.fixture
def robot(tools: Any, monkeypatch: Any) -> Iterator[Any]:
    monkeypatch.syspath_prepend(str(Path(__file__).resolve().parents[2] / 'examples'))
    made: list[Robot] = []

    def make(*parameters: str) -> Robot:
        made.append(Robot(tools, *parameters))
        return made[-1]

    yield make
    for each in made:
        each.close()
    sys.modules.pop('pick_point', None)


def test_only_a_target_that_is_seen_and_sure_is_reached_for(robot: Any, tools: Any) -> None:
    there = robot('target:=cup')
    there.show(0, 2, TrackedObject.OCCLUDED)
    there.show(1, 2, TrackedObject.LOST)
    there.show(2, 2, score=0.4)
    there.show(3, 2)
    there.until(lambda: there.points)
    (point,) = there.points
    assert point.header == header(tools.stamp(3), tools.FRAME_ID)
    assert point.point.x == pytest.approx(0.3)


def test_numbers_are_taken_as_they_are_written(robot: Any) -> None:
    """An id for a name, and 0 for a score, which are whole numbers to ROS."""
    there = robot('target:=2', 'min_score:=0')
    there.show(0, 1)
    there.show(1, 2, score=0.1)
    there.until(lambda: there.points)
    assert there.points[0].point.x == pytest.approx(0.1)
