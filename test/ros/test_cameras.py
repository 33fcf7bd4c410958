"""Several cameras in one node, over DDS: each has its topics, services and targets; one set of
networks serves them in turn.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='the room ros needs rclpy')
pytest.importorskip('drift_ros.msg', reason='the interfaces are not built: run `make build`')

from diagnostic_msgs.msg import DiagnosticArray
from sensor_msgs.msg import Image
from std_srvs.srv import SetBool, Trigger

from drift_ros.errors import SettingsError
from drift_ros.msg import Prompt, TrackedObjectArray
from drift_ros.node_settings import NodeSettings
from drift_ros.ros.messages import header
from drift_ros.settings import build, read_yaml
from drift_ros.srv import ResetTargets

CAMERAS = ['left', 'wrist']


def picture(tools: Any, camera: str, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Frame k of a camera and its label map; the wrist's scene is the left one's upside down."""
    image, labels = tools.scene(k)
    turned = slice(None, None, -1 if camera == 'wrist' else 1)
    return image[turned].copy(), labels[turned].copy()


class Cameras:
    """Shows each camera its scene, with the same stamps, and prompts on it."""

    def __init__(self, rig: Any, tools: Any) -> None:
        self.rig, self.tools = rig, tools
        self.tracks = {c: rig.listen(f'{c}/tracks', TrackedObjectArray) for c in CAMERAS}
        self.labels = {c: rig.listen(f'{c}/labels', Image) for c in CAMERAS}

    def stream(self, camera: str) -> Any:
        return self.rig.node.cameras[CAMERAS.index(camera)].stream

    def show(self, k: int, *cameras: str) -> None:
        for camera in cameras or CAMERAS:
            before = self.stream(camera).counters.received
            image = self.rig.image(picture(self.tools, camera, k)[0], self.tools.stamp(k))
            self.rig.publish(f'{camera}/image', image)
            self.tools.until(lambda c=camera, n=before: self.stream(c).counters.received > n)

    def prompt(self, camera: str, k: int) -> Any:
        mask = (picture(self.tools, camera, k)[1] == 1).astype(np.uint8)
        return self.rig.call(
            ResetTargets,
            f'{camera}/reset_targets',
            image_header=header(self.tools.stamp(k), self.tools.FRAME_ID),
            prompts=[Prompt(name=camera, mask=self.rig.image(mask, 0, 'mono8'))],
        )

    def overlap(self, camera: str, k: int) -> float:
        """Of the last published mask with the truth of frame k."""
        found = self.tools.array(self.labels[camera][-1]) == 1
        truth = picture(self.tools, camera, k)[1] == 1
        return float((found & truth).sum() / (found | truth).sum())


@pytest.fixture
def two(make_rig: Callable[..., Any], tools: Any) -> Cameras:
    return Cameras(make_rig(cameras=CAMERAS).start(), tools)


def test_equal_stamps_of_different_scenes_do_not_mix(two: Cameras, tools: Any) -> None:
    two.show(0)
    for camera in CAMERAS:
        answer = two.prompt(camera, 0)
        assert answer.success, answer.message
        np.testing.assert_array_equal(
            tools.array(answer.labels), picture(tools, camera, 0)[1].astype(np.uint8)
        )
    for k in range(1, 6):
        two.show(k)
    for camera in CAMERAS:
        tools.until(lambda c=camera: len(two.labels[c]) == 7 and len(two.tracks[c]) == 7)
        assert two.overlap(camera, 5) > 0.6
        assert [o.name for o in two.tracks[camera][-1].objects] == [camera]


def test_all_cameras_share_one_set_of_weights(make_rig: Callable[..., Any]) -> None:
    rig = make_rig(cameras=CAMERAS, features__name='embedded-image').start()
    first, second = (camera.stream.tracker for camera in rig.node.cameras)
    assert first is not second
    assert first.extractor.model is second.extractor.model
    assert first.segmenter is second.segmenter


def test_reset_and_clear_leave_the_other_camera_alone(two: Cameras, tools: Any) -> None:
    two.show(0)
    for camera in CAMERAS:
        assert two.prompt(camera, 0).success
    generation = two.stream('wrist').generation
    assert two.prompt('left', 0).success
    assert two.rig.call(Trigger, 'left/clear').success
    two.show(1)
    tools.until(lambda: two.tracks['wrist'][-1].header.stamp == two.tracks['left'][-1].header.stamp)
    assert two.stream('left').tracker.targets == {}
    assert two.stream('wrist').tracker.targets == {1: 'wrist'}
    assert two.stream('wrist').generation == generation


def test_a_camera_that_floods_holds_up_another_by_one_frame(
    make_rig: Callable[..., Any], tools: Any, gate: Any
) -> None:
    two = Cameras(make_rig(cameras=CAMERAS, features__name=gate.name).start(), tools)
    two.show(0)
    for camera in CAMERAS:
        assert two.prompt(camera, 0).success
    tools.until(lambda: all(len(two.labels[c]) == 2 for c in CAMERAS))
    gate.close()
    two.show(1, 'left')
    tools.until(gate.waiting.is_set)  # in the left camera's frame 1
    for k in range(2, 40):
        two.show(k, 'left')
    two.show(1, 'wrist')
    order: list[str] = []
    for camera in CAMERAS:
        stream = two.stream(camera)
        publish = stream._publish
        stream._publish = lambda *a, c=camera, p=publish: (order.append(c), p(*a))
    gate.open()
    tools.until(lambda: len(order) == 40)
    assert order[:3] == ['left', 'wrist', 'left']
    assert two.stream('wrist').counters.dropped == 0


def test_each_camera_drops_its_own_frames(
    make_rig: Callable[..., Any], tools: Any, gate: Any
) -> None:
    rig = make_rig(cameras=CAMERAS, features__name=gate.name, queue=3, wrist__queue=100).start()
    two = Cameras(rig, tools)
    two.show(0)
    for camera in CAMERAS:
        assert two.prompt(camera, 0).success
    tools.until(lambda: all(len(two.labels[c]) == 2 for c in CAMERAS))
    gate.close()
    two.show(1, 'left')
    tools.until(gate.waiting.is_set)
    for k in range(2, 12):
        two.show(k)
    gate.open()
    tools.until(lambda: len(two.labels['wrist']) == 12)
    assert two.stream('left').counters.dropped == 7
    assert two.stream('wrist').counters.dropped == 0


def test_pause_and_rate_are_of_one_camera(make_rig: Callable[..., Any], tools: Any) -> None:
    two = Cameras(make_rig(cameras=CAMERAS, max_rate=1000.0, wrist__max_rate=10.0).start(), tools)
    assert two.rig.call(SetBool, 'left/pause', data=True).success
    for k in range(7):
        for camera in CAMERAS:
            image = two.rig.image(picture(tools, camera, k)[0], tools.stamp(k))
            two.rig.publish(f'{camera}/image', image)
    tools.until(lambda: two.stream('left').counters.paused == 7)
    tools.until(lambda: two.stream('wrist').counters.published == 3)  # 0, 3 and 6 of 30 Hz
    assert two.stream('left').counters.published == 0
    assert two.rig.set_parameter('wrist.max_rate', 1000.0).successful
    two.show(7, 'wrist')
    tools.until(lambda: two.stream('wrist').counters.published == 4)


def test_a_value_of_one_camera_is_checked_as_any_other(make_rig: Callable[..., Any]) -> None:
    rig = make_rig(cameras=CAMERAS).start()
    assert not rig.set_parameter('left.max_rate', -1.0).successful
    assert not rig.set_parameter('left.max_rate', 'fast').successful
    # only before it is configured
    assert not rig.set_parameter('left.image_history', 'keep_all').successful
    assert rig.set_parameter('left.queue', 7).successful
    assert [camera.stream.limit for camera in rig.node.cameras] == [7, 200]
    assert rig.set_parameter('left.depth.slop', 0.02).successful
    settings = [camera.settings.depth.slop for camera in rig.node.cameras]
    assert settings == [0.02, NodeSettings().depth.slop]
    assert rig.set_parameter('depth.slop', 0.03).successful
    settings = [camera.settings.depth.slop for camera in rig.node.cameras]
    assert settings == [0.02, 0.03]


@pytest.mark.parametrize(
    'names', [['Left'], ['a', 'a'], ['a b'], ['left', ''], ['depth'], ['a/b'], ['a__b'], ['1st']]
)
def test_names_that_cannot_be_topics_or_parameters_are_refused(names: list[str]) -> None:
    with pytest.raises(SettingsError):
        build(NodeSettings, {'cameras': names})


def test_the_example_file_is_taken(make_rig: Callable[..., Any]) -> None:
    example = Path(__file__).resolve().parents[2] / 'config' / 'cameras_example.yaml'
    given = {name.replace('.', '__'): value for name, value in read_yaml(example).items()}
    left, wrist = (camera.settings for camera in make_rig(**given).node.cameras)
    assert (left.max_rate, wrist.max_rate) == (5.0, 10.0)
    assert left.features.resolution != wrist.features.resolution == 240


def test_what_only_the_node_has_cannot_be_set_for_a_camera(make_rig: Callable[..., Any]) -> None:
    with pytest.raises(SettingsError):
        make_rig(cameras=CAMERAS, left__features__name='patch')


def test_no_names_are_one_camera_without_a_prefix() -> None:
    assert build(NodeSettings, {'cameras': []}).cameras == NodeSettings().cameras == ['']


def test_each_camera_has_its_diagnostics(two: Cameras, tools: Any) -> None:
    reports = two.rig.listen('/diagnostics', DiagnosticArray)
    two.show(0, 'left')

    def values() -> dict[str, str]:
        found = {}
        for status in (s for report in reports for s in report.status):
            entries = {entry.key: entry.value for entry in status.values}
            if two.rig.name in status.name:
                found[status.name.rpartition(' ')[2]] = entries['results published']
        return found

    tools.until(lambda: values() == {'left': '1', 'wrist': '0'})


def test_lifecycle_takes_all_cameras_along(two: Cameras, tools: Any) -> None:
    rig = two.rig
    two.show(0)
    tools.until(lambda: all(len(two.labels[c]) == 1 for c in CAMERAS))
    generations = {c: two.stream(c).generation for c in CAMERAS}
    assert rig.change('deactivate')
    assert not two.prompt('wrist', 0).success
    assert rig.change('cleanup')
    assert all(camera.stream is None for camera in rig.node.cameras)
    assert rig.change('configure')
    assert rig.change('activate')
    two.show(1)
    tools.until(lambda: all(len(two.labels[c]) == 2 for c in CAMERAS))
    assert all(two.stream(c).generation > generations[c] for c in CAMERAS)


def test_shutdown_while_all_cameras_work(
    make_rig: Callable[..., Any], tools: Any, gate: Any
) -> None:
    two = Cameras(make_rig(cameras=CAMERAS, features__name=gate.name).start(), tools)
    two.show(0)
    for camera in CAMERAS:
        assert two.prompt(camera, 0).success
    gate.close()
    for k in range(1, 5):
        two.show(k)
    waiting = two.rig.call_async(Trigger, 'wrist/clear')
    tools.until(lambda: two.stream('wrist').waiting)
    thread = two.rig.node.worker._thread
    assert two.rig.change('shutdown')
    assert not tools.until(waiting.result).success
    gate.open()
    tools.until(lambda: not thread.is_alive())
    assert two.rig.node.state == 'finalized'
