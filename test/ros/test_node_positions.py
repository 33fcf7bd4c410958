"""Positions from depth over DDS, and diagnostics."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='the room ros needs rclpy')
pytest.importorskip('drift_ros.msg', reason='the interfaces are not built: run `make build`')

from diagnostic_msgs.msg import DiagnosticArray
from sensor_msgs.msg import CameraInfo, Image

from drift_ros.ros.messages import fill, header

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
        tools.until(lambda: rig.node._positions.info_seen)
    if picture is not None:
        rig.publish('depth', picture)
        tools.until(lambda: rig.node._positions.depth_seen)
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
