"""Positions from depth over DDS, and diagnostics."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest

pytest.importorskip('rclpy', reason='the room ros needs rclpy')
pytest.importorskip('drift_ros.msg', reason='the interfaces are not built: run `make build`')

from diagnostic_msgs.msg import DiagnosticArray
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, PointCloud2

from drift_ros.ros.clouds import LAYOUT
from drift_ros.ros.messages import fill, header
from drift_ros.structures import (
    NOWHERE,
    Frame,
    Roi,
    TargetState,
    TrackedObject,
    TrackingResult,
)

K = [50.0, 0.0, 32.0, 0.0, 50.0, 24.0, 0.0, 0.0, 1.0]


def info(tools: Any, **changes: Any) -> CameraInfo:
    message = CameraInfo(height=48, width=64, k=K, header=header(0, tools.FRAME_ID))
    message.header.frame_id = changes.pop('frame_id', tools.FRAME_ID)
    for name, value in changes.items():
        setattr(message, name, value)
    return message


def depth(
    tools: Any, k: int, encoding: str, size: tuple[int, int] = (48, 64), frame_id: str = ''
) -> Image:
    """Objects at 2 m before a wall at 5 m, with holes of every kind."""
    metres = np.where(tools.scene(k, size)[1] > 0, 2.0, 5.0)
    if encoding == '16UC1':
        data = (metres * 1000).astype(np.uint16)
        data[::5] = 0
    else:
        data = metres.astype(np.float32)
        data[::5], data[1::5], data[2::10] = np.nan, np.inf, 0
    message = Image(height=size[0], width=size[1], encoding=encoding)
    message.step = data.nbytes // size[0]
    message.header = header(tools.stamp(k), frame_id or tools.FRAME_ID)
    fill(message.data, data.view(np.uint8))
    return message


def track_with(rig: Any, tools: Any, camera: CameraInfo | None, picture: Image | None) -> Any:
    """The object in frame 1, prompted there; camera_info and depth come before it."""
    tracks = rig.tracks()
    if camera is not None:
        rig.publish('camera_info', camera)
        tools.until(lambda: rig.camera.positions.info_seen)
    if picture is not None:
        rig.publish('depth', picture)
        tools.until(lambda: rig.camera.positions.depth_seen)
    rig.show(1)
    answer = rig.reset(1)
    assert answer.success, answer.message
    tools.until(lambda: len(tracks) == 2)
    return tracks[-1].objects[0]


@pytest.mark.parametrize('encoding', ['32FC1', '16UC1'])
def test_position_in_the_optical_frame(rig: Any, tools: Any, encoding: str) -> None:
    obj = track_with(rig, tools, info(tools), depth(tools, 1, encoding))
    assert obj.has_position
    assert obj.position.z == pytest.approx(2.0)
    # rows without a measurement move the median of y by a pixel at most
    assert obj.position.x == pytest.approx((obj.centroid.x - 32) / 50 * 2, abs=1e-6)
    assert obj.position.y == pytest.approx((obj.centroid.y - 24) / 50 * 2, abs=2 / 50)


def test_images_that_a_busy_tracker_drops_take_no_depth_from_others(
    make_rig: Callable[..., Any], tools: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = make_rig(queue=1).start()
    tracks = rig.tracks()
    rig.publish('camera_info', info(tools))
    tools.until(lambda: rig.camera.positions.info_seen)
    rig.show(0)
    assert rig.reset(0).success
    tools.until(lambda: len(tracks) == 2)
    tracker, busy, go_on = rig.stream.tracker, threading.Event(), threading.Event()
    step = tracker.step

    def slow(frame: Any, **given: Any) -> Any:
        busy.set()
        assert go_on.wait(tools.WAIT)
        return step(frame, **given)

    monkeypatch.setattr(tracker, 'step', slow)
    for k in range(1, 40):
        rig.publish('depth', depth(tools, k, '16UC1'))
        rig.show(k)
        rig.arrived()
        assert busy.wait(tools.WAIT)
    go_on.set()
    tools.until(lambda: len(tracks) == 2 + 2)
    assert rig.counters().dropped == 37
    assert tracks[2].objects[0].has_position


def test_rectified_images_use_p(make_rig: Callable[..., Any], tools: Any) -> None:
    rig = make_rig(depth__rectified=True).start()
    p = [100.0, 0.0, 32.0, 0.0, 0.0, 100.0, 24.0, 0.0, 0.0, 0.0, 1.0, 0.0]
    obj = track_with(rig, tools, info(tools, p=p), depth(tools, 1, '32FC1'))
    assert obj.position.x == pytest.approx((obj.centroid.x - 32) / 100 * 2, abs=1e-6)


@pytest.mark.parametrize(
    ('camera', 'picture', 'said'),
    [
        (None, {}, 'camera_info: nothing has come'),
        ({'k': [0.0] * 9}, {}, 'K is no calibration'),
        ({'height': 96, 'width': 128}, {}, 'images of 128x96 px, they have 64x48'),
        ({}, {'size': (24, 32)}, 'the image has 64x48 px, its depth 32x24'),
        ({}, {'frame_id': 'depth_optical'}, "is 'depth_optical'"),
        ({}, {'encoding': 'mono8'}, "topic depth: unknown depth encoding: 'mono8'"),
        ({'k': [100.0, 0, float('nan'), 0, 100.0, 24.0, 0, 0, 1.0]}, {}, 'K is no calibration'),
        ({'frame_id': 'left_optical'}, {}, "camera_info: header.frame_id is 'left_optical'"),
        ({}, {'k': 7}, ''),
        ({}, None, ''),
    ],
)
def test_masks_come_without_positions_when_depth_is_of_no_use(
    rig: Any,
    tools: Any,
    capfd: Any,
    camera: dict[str, Any] | None,
    picture: dict[str, Any] | None,
    said: str,
) -> None:
    given = None if camera is None else info(tools, **camera)
    if picture is not None:
        options = {'k': 1, 'encoding': '32FC1'} | picture
        if options['encoding'] == 'mono8':
            shown = depth(tools, 1, '32FC1')
            shown.encoding = 'mono8'
        else:
            shown = depth(tools, **options)
    obj = track_with(rig, tools, given, None if picture is None else shown)
    assert obj.visible
    assert not obj.has_position
    assert said in capfd.readouterr().err


def values(report: DiagnosticArray) -> dict[str, str]:
    return {pair.key: pair.value for pair in report.status[0].values}


def test_diagnostics_tell_what_happens(make_rig: Callable[..., Any], tools: Any) -> None:
    rig = make_rig(diagnostics_period=0.05)
    reports = rig.listen('/diagnostics', DiagnosticArray)

    def latest(state: str) -> dict[str, str]:
        reports.clear()
        tools.until(lambda: any(r.status[0].name.startswith(f'/{rig.name}_ns') for r in reports))
        tools.until(lambda: reports and values(reports[-1])['state'] == state)
        return values(reports[-1])

    assert latest('unconfigured') == {'state': 'unconfigured', 'callbacks failed': '0'}
    rig.start()
    tracks = rig.tracks()
    rig.show(0)
    bad = rig.image(tools.scene(1)[0], tools.stamp(1), 'nonsense')
    rig.publish('image', bad)
    assert rig.reset(0).success
    rig.show(2)
    tools.until(lambda: len(tracks) == 3)
    seen = latest('active')
    assert (seen['device'], seen['dtype'], seen['features']) == ('cpu', 'float32', 'patch')
    assert (seen['targets'], seen['target ids']) == ('1', '1')
    assert rig.resets(int(seen['generation'])) == 1
    assert (seen['frames received'], seen['frames dropped']) == ('3', '0')
    assert seen['results published'] == '3'
    assert [v for k, v in seen.items() if 'encoding' in k] == ['1']
    assert 'targets 1 set' in seen['last reset']
    assert float(seen['latency p95 [ms]']) >= float(seen['latency p50 [ms]']) > 0
    assert {'rate in [Hz]', 'rate out [Hz]', 'stream restarts', 'window stride'} <= set(seen)


def test_the_cloud_has_the_points_of_what_is_seen(rig: Any, tools: Any) -> None:
    clouds = rig.listen('cloud', PointCloud2)
    obj = track_with(rig, tools, info(tools), depth(tools, 1, '32FC1'))
    tools.until(lambda: len(clouds) == 2)
    assert clouds[0].width == 0  # before there were targets
    points = np.frombuffer(clouds[1].data, LAYOUT)
    truth = (tools.scene(1)[1] == 1) & (np.arange(48) % 5 > 1)[:, None]
    truth[2::10] = False
    assert len(points) == clouds[1].width == truth.sum()
    assert set(points['id']) == {1}
    assert np.allclose(points['z'], 2.0)
    for axis in 'xyz':
        assert np.median(points[axis]) == pytest.approx(getattr(obj.position, axis), abs=1e-5)
    assert [f.name for f in clouds[1].fields] == ['x', 'y', 'z', 'id']
    # nothing is seen any more: no points, and not those of before
    rig.publish('image', rig.image(np.full((48, 64, 3), 90, np.uint8), tools.stamp(2)))
    rig.publish('depth', depth(tools, 2, '32FC1'))
    tools.until(lambda: len(rig.tracks()) == 3)
    assert rig.tracks()[-1].objects[0].state != obj.VISIBLE
    tools.until(lambda: len(clouds) == 3)
    assert clouds[2].width == 0


def test_without_depth_there_is_no_cloud(rig: Any, tools: Any) -> None:
    clouds = rig.listen('cloud', PointCloud2)
    track_with(rig, tools, None, None)
    assert len(clouds) == 1  # of the frame before there were targets


def test_boxes_in_three_dimensions(rig: Any, tools: Any) -> None:
    pytest.importorskip('vision_msgs', reason='vision_msgs is not installed (there is no wheel)')
    from vision_msgs.msg import Detection3DArray

    heard = rig.listen('detections_3d', Detection3DArray)
    obj = track_with(rig, tools, info(tools), depth(tools, 1, '32FC1'))
    tools.until(lambda: len(heard) == 2)
    (detection,) = heard[1].detections
    assert detection.id == '1'
    assert detection.bbox.center.position.z == pytest.approx(2.0)
    assert detection.bbox.center.position.x == pytest.approx(obj.position.x, abs=2 / 50)
    assert detection.bbox.size.x == pytest.approx(15 / 50 * 2, abs=0.1)


def test_labels_as_png_are_the_labels(rig: Any, tools: Any) -> None:
    labels, coded = rig.labels(), rig.listen('labels/compressed', CompressedImage)
    rig.show(0)
    assert rig.reset(0).success
    tools.until(lambda: len(labels) == 2 and len(coded) == 2)
    decoded = cv2.imdecode(np.frombuffer(coded[1].data, np.uint8), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(decoded, tools.array(labels[1]))
    assert decoded.any()
    assert coded[1].header == labels[1].header


def test_diagnostics_say_where_the_time_goes(rig: Any, tools: Any) -> None:
    reports = rig.listen('/diagnostics', DiagnosticArray)
    tracks = rig.tracks()
    rig.show(0)
    assert rig.reset(0).success
    rig.show(1)
    tools.until(lambda: len(tracks) == 3)

    def stages() -> dict[str, float]:
        told: dict[str, float] = {}
        for status in (s for report in reports for s in report.status if rig.name in s.name):
            for entry in status.values:
                if entry.key.startswith('stage: '):
                    told[entry.key] = max(told.get(entry.key, 0), float(entry.value))
        return told

    names = {'queue', 'conversion', 'features', 'propagation', 'refinement', 'publishing'}
    tools.until(lambda: {f'stage: {name} [ms]' for name in names} <= set(stages()))
    # a report may fall between the two
    for name in ('features', 'propagation'):
        tools.until(lambda name=name: stages()[f'stage: {name} [ms]'] > 0)
    assert stages()['stage: refinement [ms]'] == 0  # there is none


def test_motion_in_metres_while_seen_and_while_occluded(rig: Any, tools: Any) -> None:
    tracks = rig.tracks()
    rig.publish('camera_info', info(tools))
    tools.until(lambda: rig.camera.positions.info_seen)

    def show(k: int) -> Any:
        """Frame k: what there is at 2 m moves right by 1 px, 1.2 m/s."""
        rig.publish('depth', depth(tools, k, '16UC1'))
        tools.until(lambda: rig.camera.positions._pairing._newest[1] == tools.stamp(k))
        count = len(tracks)
        rig.show(k)
        tools.until(lambda: len(tracks) > count)
        return tracks[-1].objects[0] if tracks[-1].objects else None

    def hide(k: int) -> Any:
        """Frame k, as if the tracker had found that something is in front."""
        state, frame = (
            TargetState.OCCLUDED,
            Frame(tools.scene(k)[0], tools.stamp(k), tools.FRAME_ID),
        )
        obj = TrackedObject(1, '', 0.0, False, Roi(), NOWHERE, 0, state)
        nothing, count = np.zeros(tools.SIZE, np.uint8), len(tracks)
        generation = tracks[-1].generation
        rig.camera._outputs.publish(TrackingResult(frame, nothing, (obj,), generation))
        tools.until(lambda: len(tracks) > count)
        return tracks[-1].objects[0]

    show(0)
    assert rig.reset(0).success
    tools.until(lambda: len(tracks) == 2)
    assert tracks[1].objects[0].has_position
    assert not tracks[1].objects[0].has_velocity
    for k in range(1, 15):
        seen = show(k)
    assert seen.has_velocity and not seen.has_predicted_position
    assert seen.velocity.x == pytest.approx(1.2, abs=0.2)
    assert (seen.velocity.y, seen.velocity.z) == pytest.approx((0, 0), abs=0.1)
    hidden = [hide(15), hide(16)]
    for n, obj in enumerate(hidden, 1):
        assert obj.has_predicted_position and obj.has_velocity and not obj.has_position
        assert obj.predicted_position.x == pytest.approx(seen.position.x + 0.04 * n, abs=0.05)
        assert obj.predicted_position.z == pytest.approx(2.0, abs=0.05)
    assert hidden[1].predicted_deviation.x > hidden[0].predicted_deviation.x > 0
    # the same again from a past frame on: nothing is known of what came later
    count = len(tracks)
    assert rig.reset(10).success
    tools.until(lambda: len(tracks) == count + 5)
    again = [each.objects[0] for each in tracks[count:]]
    assert [obj.has_velocity for obj in again] == [False] + [True] * 4
    assert again[0].has_position
