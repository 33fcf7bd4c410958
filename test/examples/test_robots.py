"""The examples for robots, over DDS with the real message types, where those are installed."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='the room ros needs rclpy')
pytest.importorskip('drift_ros.msg', reason='the interfaces are not built: run `make build`')
pytest.importorskip('tf2_ros', reason='tf2_ros is not installed (there is no wheel of it)')

import rclpy
import tf2_ros
from geometry_msgs.msg import Point, PoseStamped, Quaternion, TransformStamped, Vector3
from rclpy.executors import SingleThreadedExecutor
from sensor_msgs.msg import PointCloud2
from std_srvs.srv import Trigger
from tf2_msgs.msg import TFMessage

from drift_ros.msg import TrackedObject, TrackedObjectArray
from drift_ros.ros.clouds import FIELDS, LAYOUT
from drift_ros.ros.messages import fill, header
from drift_ros.ros.stamps import nanoseconds

PLACE = (0.1, 0.2, 1.0)  # of the target before the camera, m
# the camera is at x = 1 m, and turned by 90 degrees about z
EXPECTED = (1.0 - 0.2, 0.1, 1.0)


class Robot:
    """An example beside a robot that shows it tracks, clouds and where the camera is."""

    def __init__(self, name: str, tools: Any, **parameters: Any) -> None:
        self.tools = tools
        given = [word for n, v in parameters.items() for word in ('-p', f'{n}:={v}')]
        rclpy.init(args=['--ros-args', *given])
        kind = name.title().replace('_', '').replace('Moveit', 'MoveIt')
        example: Any = getattr(importlib.import_module(name), kind)
        self.taken: list[Any] = []

        class Counting(example):
            def _take(this, tracks: Any) -> None:  # noqa: N805
                super()._take(tracks)
                self.taken.append(tracks)

        self.example = Counting()
        self.node = rclpy.create_node('robot')
        self.executor = SingleThreadedExecutor()
        self.executor.add_node(self.example)
        self.executor.add_node(self.node)
        self._tracks = self.node.create_publisher(TrackedObjectArray, 'tracks', 50)
        self._clouds = self.node.create_publisher(PointCloud2, 'cloud', 50)
        self._camera = tf2_ros.TransformBroadcaster(self.node)
        self.until(self._tracks.get_subscription_count)

    def listen(self, topic: str, kind: type) -> list[Any]:
        heard: list[Any] = []
        self.node.create_subscription(kind, topic, heard.append, 50)
        self.until(lambda: self.node.count_publishers(topic))
        self.until(
            lambda: next(
                p for p in self.example.publishers if p.topic_name.endswith(topic)
            ).get_subscription_count()
        )
        return heard

    def until(self, condition: Any) -> Any:
        def spun() -> Any:
            self.executor.spin_once(timeout_sec=0.01)
            return condition()

        return self.tools.until(spun)

    def turn_camera(self, k: int) -> None:
        half = np.sqrt(0.5)
        at = TransformStamped(header=header(self.tools.stamp(k), 'map'))
        at.child_frame_id = self.tools.FRAME_ID
        at.transform.translation = Vector3(x=1.0)
        at.transform.rotation = Quaternion(z=half, w=half)
        self._camera.sendTransform(at)

    def show(
        self, k: int, state: int = TrackedObject.VISIBLE, score: float = 0.9, generation: int = 7,
        shift: float = 0.0, tf: bool = True,
    ) -> None:  # fmt: skip
        if tf:
            self.turn_camera(k)
        about = header(self.tools.stamp(k), self.tools.FRAME_ID)
        seen = state == TrackedObject.VISIBLE
        x, y, z = PLACE
        found = TrackedObject(id=3, name='my cup', state=state, visible=seen, score=score)
        found.has_position, found.position = seen, Point(x=x + shift, y=y, z=z)
        tracks = TrackedObjectArray(header=about, generation=generation, objects=[found])
        before = len(self.taken)
        self._tracks.publish(tracks)
        self._clouds.publish(self._cloud(about, shift, 1000 if seen else 0))
        self.until(lambda: len(self.taken) > before)

    def _cloud(self, about: Any, shift: float, count: int) -> PointCloud2:
        points = np.zeros(count, LAYOUT)
        rng = np.random.default_rng(0)
        for axis, centre in zip('xyz', (PLACE[0] + shift, *PLACE[1:]), strict=True):
            points[axis] = centre + rng.uniform(-0.05, 0.05, count)
        points['id'] = 3
        message = PointCloud2(header=about, height=1, width=count, fields=FIELDS)
        message.point_step, message.row_step, message.is_dense = 16, 16 * count, True
        fill(message.data, points.view(np.uint8))
        return message

    def close(self) -> None:
        self.executor.shutdown()
        for node in (self.example, self.node):
            node.destroy_node()
        rclpy.shutdown()


@pytest.fixture
def robot(tools: Any, monkeypatch: Any) -> Iterator[Any]:
    monkeypatch.syspath_prepend(str(Path(__file__).resolve().parents[2] / 'examples'))
    made: list[Robot] = []

    def make(name: str, **parameters: Any) -> Robot:
        made.append(Robot(name, tools, **parameters))
        return made[-1]

    yield make
    for each in made:
        each.close()


def place(vector: Any) -> tuple[float, float, float]:
    return vector.x, vector.y, vector.z


def test_a_seen_target_has_a_frame_at_the_stamp_of_its_image(robot: Any, tools: Any) -> None:
    there = robot('target_frames')
    frames = there.listen('/tf', TFMessage)
    there.show(0, state=TrackedObject.OCCLUDED)
    there.show(1, score=0.2)
    there.show(2, tf=False)  # its transform comes later
    there.show(3, state=TrackedObject.LOST, tf=False)
    there.turn_camera(3)

    def found() -> list[Any]:
        sent = [t for message in frames for t in message.transforms]
        return [t for t in sent if t.child_frame_id == 'my_cup_3']

    (frame,) = there.until(found)
    assert frame.header == header(tools.stamp(2), 'map')
    assert place(frame.transform.translation) == pytest.approx(EXPECTED)
    there.show(4)
    there.until(lambda: len(found()) == 2)


def test_what_waits_for_tf_is_dropped_when_time_steps_back(robot: Any, tools: Any) -> None:
    """The transforms of a recording that is played again are of its beginning."""
    there = robot('target_frames', patience=100)
    frames = there.listen('/tf', TFMessage)
    there.show(5, tf=False)
    there.show(0)

    def found() -> list[Any]:
        sent = [t for message in frames for t in message.transforms]
        return [t for t in sent if t.child_frame_id == 'my_cup_3']

    (frame,) = there.until(found)
    assert nanoseconds(frame.header.stamp) == tools.stamp(0)


def test_the_planning_scene_has_what_is_there(robot: Any, tools: Any) -> None:
    pytest.importorskip('moveit_msgs', reason='moveit_msgs is not installed (there is no wheel)')
    from moveit_msgs.msg import CollisionObject

    there = robot('moveit_objects', padding=0.0)
    scene = there.listen('collision_object', CollisionObject)
    there.show(0)
    there.until(lambda: len(scene) == 1)
    added = scene[0]
    assert (added.id, added.operation) == ('my_cup_3', CollisionObject.ADD)
    assert added.header == header(tools.stamp(0), 'map')
    assert place(added.pose.position) == pytest.approx(EXPECTED, abs=0.005)
    assert list(added.primitives[0].dimensions) == pytest.approx([0.1] * 3, abs=0.01)
    there.show(1)  # as before
    there.show(2, state=TrackedObject.OCCLUDED, shift=0.5)  # it keeps the box that it had
    there.show(3, score=0.1, shift=0.5)
    there.show(4, shift=0.5)
    there.until(lambda: len(scene) == 2)
    assert place(scene[1].pose.position)[1] == pytest.approx(EXPECTED[1] + 0.5, abs=0.005)
    there.show(5, state=TrackedObject.LOST)
    there.until(lambda: len(scene) == 3)
    assert (scene[2].id, scene[2].operation) == ('my_cup_3', CollisionObject.REMOVE)
    there.show(6)
    there.show(7, generation=8, state=TrackedObject.OCCLUDED)
    there.until(lambda: len(scene) == 5)
    assert [o.operation for o in scene[3:]] == [CollisionObject.ADD, CollisionObject.REMOVE]


def test_a_grasp_waits_for_seen_sure_and_steady(robot: Any, tools: Any) -> None:
    there = robot('grasp', target=3, steady_for=0.28)  # 9 frames
    poses = there.listen('grasp_pose', PoseStamped)
    arm = there.node.create_client(Trigger, 'grasp/arm')
    for k in range(12):
        there.show(k)  # not armed yet
    there.until(arm.service_is_ready)
    there.until(arm.call_async(Trigger.Request()).done)
    k = 12
    for disturbance in (
        {'state': TrackedObject.OCCLUDED}, {'score': 0.3}, {'shift': 0.05}, {'generation': 8},
    ):  # fmt: skip
        for _ in range(8):
            there.show(k)
            k += 1
        there.show(k, **disturbance)
        k += 1
    first = k
    for _ in range(12):
        there.show(k, generation=8)
        k += 1
    there.until(lambda: len(poses) == 1)
    assert nanoseconds(poses[0].header.stamp) == tools.stamp(first + 8)
    assert poses[0].header.frame_id == 'map'
    assert place(poses[0].pose.position) == pytest.approx(EXPECTED)
