"""Detections for tools that know vision_msgs only."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip('rclpy', reason='the room ros needs rclpy')

from drift_ros.ros import detections
from drift_ros.ros.stamps import nanoseconds


def test_detections_over_dds(rig: Any, tools: Any) -> None:
    pytest.importorskip('vision_msgs', reason='vision_msgs is not installed (there is no wheel)')
    tracks = rig.tracks()
    heard = rig.listen('detections', detections.message_type())
    rig.show(0)
    assert rig.reset(0, id=7, name='box', mask=rig.image(tools.scene(0)[1], 0, 'mono8')).success
    tools.until(lambda: len(heard) == 2)
    tools.until(lambda: len(tracks) == 2)
    assert len(heard[0].detections) == 0
    detection, obj = heard[1].detections[0], tracks[1].objects[0]
    assert nanoseconds(heard[1].header.stamp) == tools.stamp(0)
    assert detection.header == heard[1].header
    assert detection.id == '7'
    assert detection.results[0].hypothesis.class_id == 'box'
    assert detection.results[0].hypothesis.score == pytest.approx(obj.score)
    assert (detection.bbox.size_x, detection.bbox.size_y) == (obj.roi.width, obj.roi.height)
    # a square's centre is its centroid
    assert detection.bbox.center.position.x == pytest.approx(obj.centroid.x)
    assert detection.bbox.center.position.y == pytest.approx(obj.centroid.y)


def test_a_broken_vision_msgs_costs_the_detections_alone(
    make_rig: Any, monkeypatch: pytest.MonkeyPatch, capfd: Any
) -> None:
    """Such as one whose libraries are of another distribution."""

    class Broken(type):
        _TYPE_SUPPORT = None

        @classmethod
        def __import_type_support__(cls) -> None:
            raise RuntimeError('libvision_msgs.so: cannot open shared object file')

    message = Broken('Detection2DArray', (), {})
    broken = SimpleNamespace(Detection2DArray=message, Detection3DArray=message)
    monkeypatch.setattr(detections, 'vision', broken)
    rig = make_rig()
    assert rig.change('configure')
    assert not any('detections' in p.topic_name for p in rig.node.publishers)
    assert 'cannot open shared object file' in capfd.readouterr().err
