"""Clicks of other tools reach the tracker."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

pytest.importorskip('rclpy', reason='the room ros needs rclpy')
pytest.importorskip('drift_ros.msg', reason='the interfaces are not built: run `make build`')

from geometry_msgs.msg import Point, PointStamped

from drift_ros.ros.messages import header


def test_clicks_add_targets_only_where_they_are_asked_for(
    make_rig: Callable[..., Any], tools: Any
) -> None:
    rig = make_rig(clicks=True).start()
    tracks = rig.tracks()
    rig.show(0, objects=2)
    rig.arrived()
    rig.publish('image_mouse_left', Point(x=16.0, y=16.0))
    tools.until(lambda: len(rig.stream.tracker.targets) == 1)
    point = PointStamped(header=header(tools.stamp(0), ''), point=Point(x=36.0, y=32.0))
    rig.publish('clicked_point', point)
    tools.until(lambda: len(rig.stream.tracker.targets) == 2)
    rig.publish('clicked_point', PointStamped(point=Point(x=float('nan'))))  # refused
    rig.publish(f'{rig.name}/overlay_mouse_left', Point(x=9999.0))  # refused
    rig.show(1, objects=2)
    tools.until(lambda: tracks and len(tracks[-1].objects) == 2)
    assert [obj.visible for obj in tracks[-1].objects] == [True, True]

    silent = make_rig().start()
    for topic in ('image_mouse_left', 'clicked_point'):
        full = silent.client.resolve_topic_name(topic)
        assert silent.client.count_subscribers(full) == 0


def test_clicks_are_taken_and_left_while_the_node_runs(
    make_rig: Callable[..., Any], tools: Any
) -> None:
    rig = make_rig().start()
    rig.show(0)
    rig.arrived()
    topic = rig.client.resolve_topic_name('image_mouse_left')
    assert rig.set_parameter('clicks', True).successful
    rig.publish('image_mouse_left', Point(x=16.0, y=16.0))
    tools.until(lambda: rig.stream.tracker.targets)
    assert rig.set_parameter('clicks', False).successful
    tools.until(lambda: not rig.client.count_subscribers(topic))
