"""Points over DDS: named by a service, published per image, with depth and trails."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='the room ros needs rclpy')
pytest.importorskip('drift_ros.msg', reason='the interfaces are not built: run `make build`')

from sensor_msgs.msg import CameraInfo, Image

from drift_ros.msg import Point2D, PointTracks
from drift_ros.ros.geometry import Intrinsics
from drift_ros.ros.messages import fill, header
from drift_ros.ros.points import positions
from drift_ros.srv import RemovePoints, SetPoints
from drift_ros.structures import TrackedPoints


def corners(k: int) -> list[Point2D]:
    """Two corners of the square in frame k of the scene, and a point on the ground."""
    return [Point2D(x=float(x), y=float(y)) for x, y in ((8 + k, 8), (23 + k, 23), (50, 40))]


def show(rig: Any, tools: Any, frames: range) -> None:
    """Publish frames and wait until each has its result."""
    tracks = rig.tracks()
    for k in frames:
        rig.show(k)
        expected = header(tools.stamp(k), tools.FRAME_ID)
        tools.until(lambda expected=expected: tracks and tracks[-1].header == expected)


def test_points_are_followed_beside_targets(rig: Any, tools: Any) -> None:
    messages = rig.listen('point_tracks', PointTracks)
    tracks = rig.tracks()
    show(rig, tools, range(6))
    assert not messages
    assert rig.reset(5).success
    named = header(tools.stamp(3), tools.FRAME_ID)  # a past image
    answer = rig.call(SetPoints, 'set_points', image_header=named, points=corners(3))
    assert answer.success, answer.message
    assert list(answer.ids) == [1, 2, 3]
    show(rig, tools, range(6, 10))
    tools.until(lambda: len(messages) == 4)
    last = messages[-1]
    assert last.header == header(tools.stamp(9), tools.FRAME_ID)
    assert last.generation == answer.generation
    assert list(last.ids) == [1, 2, 3]
    assert len(last.positions) == len(last.visible) == len(last.confidence) == 3
    assert not any(last.has_position_3d)
    for found, expected in zip(last.positions, corners(9), strict=True):
        assert abs(found.x - expected.x) < 8  # a cell of the baseline's features
        assert abs(found.y - expected.y) < 8
    assert tracks[-1].objects[0].visible
    assert rig.call(RemovePoints, 'remove_points', ids=[2]).success
    more = rig.call(SetPoints, 'set_points', points=corners(9)[:1], keep_existing=True)
    assert list(more.ids) == [4]
    assert more.generation == answer.generation
    show(rig, tools, range(10, 11))
    tools.until(lambda: list(messages[-1].ids) == [1, 3, 4])
    assert rig.call(RemovePoints, 'remove_points').success
    count = len(messages)
    show(rig, tools, range(11, 13))
    assert len(messages) == count


def test_trails_are_drawn(rig: Any, tools: Any) -> None:
    overlays = rig.listen('overlay', Image)
    show(rig, tools, range(1))
    tools.until(lambda: overlays)
    points = [Point2D(x=50.0, y=40.0)]
    assert rig.call(SetPoints, 'set_points', points=points).success
    show(rig, tools, range(1, 2))
    tools.until(lambda: len(overlays) == 2)
    drawn = np.frombuffer(overlays[1].data, np.uint8).reshape(*tools.SIZE, 3)
    plain, _ = tools.scene(1)
    changed = (drawn != plain).any(2)
    assert changed.any()
    assert not changed[:20].any()


def test_refuses_what_is_no_point_of_a_kept_image(rig: Any, tools: Any) -> None:
    assert not rig.call(SetPoints, 'set_points', points=corners(0)).success  # no image yet
    show(rig, tools, range(2))
    nan = float('nan')
    for points in ([], [Point2D(x=99.0, y=1.0)], [Point2D(x=nan, y=1.0)], [Point2D()] * 2000):
        answer = rig.call(SetPoints, 'set_points', points=points)
        assert not answer.success
        assert answer.message
    late = header(tools.stamp(40), tools.FRAME_ID)
    assert not rig.call(SetPoints, 'set_points', image_header=late, points=corners(0)).success
    assert not rig.call(RemovePoints, 'remove_points', ids=[7]).success
    assert rig.change('deactivate')
    assert not rig.call(SetPoints, 'set_points', points=corners(0)).success


def test_points_have_positions_where_there_is_depth(rig: Any, tools: Any) -> None:
    messages = rig.listen('point_tracks', PointTracks)
    k = [50.0, 0.0, 32.0, 0.0, 50.0, 24.0, 0.0, 0.0, 1.0]
    camera = CameraInfo(height=48, width=64, k=k, header=header(0, tools.FRAME_ID))
    rig.publish('camera_info', camera)
    tools.until(lambda: rig.camera.positions.info_seen)
    picture = Image(height=48, width=64, encoding='32FC1', step=4 * 64)
    picture.header = header(tools.stamp(1), tools.FRAME_ID)
    fill(picture.data, np.full((48, 64), 2.0, np.float32).view(np.uint8).reshape(-1))
    rig.publish('depth', picture)
    tools.until(lambda: rig.camera.positions.depth_seen)
    show(rig, tools, range(1))
    assert rig.call(SetPoints, 'set_points', points=corners(0)).success
    show(rig, tools, range(1, 2))
    tools.until(lambda: messages)
    first = messages[0]
    pairs = zip(first.positions_3d, first.has_position_3d, strict=True)
    at = [place for place, known in pairs if known]
    assert at
    assert all(place.z == pytest.approx(2.0) for place in at)


def test_depth_at_points() -> None:
    metres = np.full((10, 10), 4.0, np.float32)
    metres[4:, 4:] = 1.0
    metres[0, 0] = np.nan
    points = TrackedPoints(
        np.arange(1, 5),
        np.array([[4.2, 4.4], [2, 2], [0, 0], [20, 2]], np.float32),
        np.array([True, True, True, True]),
        np.ones(4, np.float32),
        1,
    )
    camera = Intrinsics(5.0, 5.0, 4.5, 4.5, (10, 10))
    found = positions(points, metres, camera)
    assert found[1] == pytest.approx(((4.2 - 4.5) / 5, (4.4 - 4.5) / 5, 1.0), abs=1e-6)
    assert found[2][2] == 4
    assert found[3][2] == 4  # from the px around it
    assert 4 not in found
    assert 1 not in positions(
        TrackedPoints(points.ids, points.positions, ~points.visible, points.confidence, 1),
        metres,
        camera,
    )
