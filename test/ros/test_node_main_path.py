"""The main path over DDS: images in, masks, centroids and pictures out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

pytest.importorskip('rclpy', reason='the room ros needs rclpy')
pytest.importorskip('drift_ros.msg', reason='the interfaces are not built: run `make build`')

from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CompressedImage, Image

from drift_ros.msg import Prompt, TrackedObjectArray
from drift_ros.node_settings import NodeSettings, tracker_settings
from drift_ros.prompts import Prompt as CorePrompt
from drift_ros.ros.messages import header
from drift_ros.ros.stamps import nanoseconds
from drift_ros.settings import build
from drift_ros.srv import ResetTargets
from drift_ros.tracking import Frame, Tracker


def test_from_a_camera_topic_to_a_mask(rig: Any, tools: Any) -> None:
    tracks, labels = rig.tracks(), rig.labels()
    rig.show(0)
    tools.until(lambda: len(tracks) == 1)
    assert list(tracks[0].objects) == []
    mask = rig.image((tools.scene(0)[1] == 1) * np.uint8(1), 0, 'mono8')
    answer = rig.reset(0, name='box', mask=mask)
    assert answer.success, answer.message
    assert list(answer.ids) == [1]
    np.testing.assert_array_equal(tools.array(answer.labels), tools.scene(0)[1])
    for k in range(1, 10):
        rig.show(k)
    tools.until(lambda: len(tracks) == 11)
    tools.until(lambda: len(labels) == 11)
    last = tracks[-1].objects[0]
    truth = tools.scene(9)[1] == 1
    found = tools.array(labels[-1]) == 1
    assert (truth & found).sum() / (truth | found).sum() > 0.6
    assert (last.id, last.name, last.visible) == (1, 'box', True)
    assert last.area == found.sum()
    ys, xs = np.nonzero(found)
    assert last.centroid.x == pytest.approx(xs.mean(), abs=0.01)
    assert last.centroid.y == pytest.approx(ys.mean(), abs=0.01)


def test_headers_and_generation_are_those_of_the_frames(rig: Any, tools: Any) -> None:
    tracks, labels = rig.tracks(), rig.labels()
    for k in range(3):
        rig.show(k)
    tools.until(lambda: len(tracks) == 3)
    assert rig.reset(2).success
    rig.show(3)
    tools.until(lambda: len(tracks) == 5)
    tools.until(lambda: len(labels) == 5)
    for message, k in zip(tracks, (0, 1, 2, 2, 3), strict=True):
        assert nanoseconds(message.header.stamp) == tools.stamp(k)
        assert message.header.frame_id == tools.FRAME_ID
    for picture, message in zip(labels, tracks, strict=True):
        assert picture.header == message.header
        assert picture.encoding == '8UC1'
    assert [rig.resets(m.generation) for m in tracks] == [0, 0, 0, 1, 1]


@pytest.mark.parametrize('reliability', [ReliabilityPolicy.BEST_EFFORT, ReliabilityPolicy.RELIABLE])
def test_cameras_of_either_reliability_are_heard(
    rig: Any, tools: Any, reliability: ReliabilityPolicy
) -> None:
    tracks = rig.tracks()
    qos = QoSProfile(depth=50, reliability=reliability)
    for k in range(5):
        rig.publish('image', rig.image(tools.scene(k)[0], tools.stamp(k)), qos)
        tools.until(lambda n=k + 1: len(tracks) == n)


def test_overlay_is_made_while_someone_looks(rig: Any, tools: Any, monkeypatch: Any) -> None:
    from drift_ros.ros import outputs

    drawn = []
    draw = outputs.overlay
    monkeypatch.setattr(outputs, 'overlay', lambda *a: drawn.append(1) or draw(*a))
    tracks = rig.tracks()
    rig.show(0)
    tools.until(lambda: len(tracks) == 1)
    assert not drawn
    overlay = rig.listen('overlay', Image)
    assert rig.reset(0).success
    rig.show(1)
    tools.until(lambda: len(overlay) == 2)
    picture = overlay[-1]
    assert (picture.encoding, picture.height, picture.width) == ('rgb8', *tools.SIZE)
    assert nanoseconds(picture.header.stamp) == tools.stamp(1)


def test_compressed_images(make_rig: Callable[..., Any], tools: Any) -> None:
    rig = make_rig(image_transport='compressed').start()
    tracks, labels = rig.tracks(), rig.labels()

    def show(k: int) -> None:
        message = CompressedImage(format='png', header=header(tools.stamp(k), tools.FRAME_ID))
        coded = cv2.imencode('.png', tools.scene(k)[0][..., ::-1])[1]
        message.data.frombytes(coded.tobytes())
        rig.publish('image/compressed', message)

    show(0)
    tools.until(lambda: len(tracks) == 1)
    assert rig.reset(0).success
    for k in range(1, 6):
        show(k)
    tools.until(lambda: len(labels) == 7)
    found, truth = tools.array(labels[-1]) == 1, tools.scene(5)[1] == 1
    assert (truth & found).sum() / (truth | found).sum() > 0.6


def test_prompts_file_starts_tracking_without_a_call(
    make_rig: Callable[..., Any], tools: Any, tmp_path: Path
) -> None:
    file = tmp_path / 'prompts.yaml'
    file.write_text('prompts:\n  - {id: 7, name: box, box: [8, 8, 16, 16]}\n')
    rig = make_rig(prompts_file=str(file)).start()
    tracks = rig.tracks()
    for k in range(3):
        rig.show(k)
    tools.until(lambda: len(tracks) == 3)
    assert [[(o.id, o.name) for o in m.objects] for m in tracks] == [[(7, 'box')]] * 3


def test_prompts_file_for_later_frames_is_refused(
    make_rig: Callable[..., Any], tmp_path: Path, capfd: Any
) -> None:
    file = tmp_path / 'prompts.yaml'
    file.write_text('prompts:\n  - {box: [8, 8, 16, 16], frame: 5}\n')
    rig = make_rig(prompts_file=str(file))
    assert not rig.change('configure')
    assert 'for later frames' in capfd.readouterr().err


SETTINGS = {
    'features.name': 'patch',
    'features.resolution': 0,
    'window.length': 4,
    'window.stride': 2,
}


def compare_with_offline(rig: Any, tools: Any, frames: list[np.ndarray], mask: np.ndarray) -> None:
    """The node's label maps are those of the tracker alone, for the same frames and prompt."""
    labels = rig.labels()
    for k, image in enumerate(frames):
        rig.publish('image', rig.image(image, tools.stamp(k)))
        tools.until(lambda n=k + 1: rig.counters().received == n)
        if k == 0:
            tools.until(lambda: len(labels) == 1)
            prompts = [Prompt(mask=rig.image(mask.astype(np.uint8), 0, '8UC1'))]
            named = header(tools.stamp(0), tools.FRAME_ID)
            answer = rig.call(ResetTargets, 'reset_targets', image_header=named, prompts=prompts)
            assert answer.success, answer.message
    assert rig.change('deactivate')
    tools.until(lambda: len(labels) == len(frames) + 1)

    tracker = Tracker.from_settings(tracker_settings(build(NodeSettings, SETTINGS)))
    tracker.step(Frame(frames[0], tools.stamp(0), tools.FRAME_ID))
    tracker.set_targets([CorePrompt(mask=mask)], tools.stamp(0))
    results = []
    for k, image in enumerate(frames[1:], 1):
        results += tracker.step(Frame(image, tools.stamp(k), tools.FRAME_ID, k))
    results += tracker.flush()
    assert [nanoseconds(m.header.stamp) for m in labels[1:]] == [r.frame.stamp for r in results]
    for message, result in zip(labels[1:], results, strict=True):
        np.testing.assert_array_equal(tools.array(message), result.labels)
    assert (results[-1].labels == 1).any()


def given(settings: dict[str, Any]) -> dict[str, Any]:
    return {name.replace('.', '__'): value for name, value in settings.items()}


def test_live_and_offline_give_the_same_masks(make_rig: Callable[..., Any], tools: Any) -> None:
    rig = make_rig(**given(SETTINGS)).start()
    frames = [tools.scene(k, (96, 128), objects=2)[0] for k in range(11)]
    mask = tools.scene(0, (96, 128), objects=2)[1] == 1
    compare_with_offline(rig, tools, frames, mask)


@pytest.mark.parametrize('clip', ['blackswan', 'libby'])
def test_live_and_offline_agree_on_real_video(
    make_rig: Callable[..., Any], tools: Any, davis: Path, clip: str
) -> None:
    images = sorted((davis / 'test' / 'JPEGImages' / '480p' / clip).glob('*.jpg'))[:5]
    first = davis / 'test' / 'Annotations' / '480p' / clip / f'{images[0].stem}.png'
    if not images or not first.exists():
        pytest.skip(f'the clip {clip} is not at {davis}')
    half = {'fx': 0.5, 'fy': 0.5}
    frames = [cv2.resize(cv2.imread(str(f)), None, **half)[..., ::-1].copy() for f in images]
    mask = cv2.imread(str(first), cv2.IMREAD_GRAYSCALE) > 0
    mask = cv2.resize(mask.astype(np.uint8), frames[0].shape[1::-1], interpolation=0) > 0
    compare_with_offline(make_rig(**given(SETTINGS)).start(), tools, frames, mask)


def test_tracks_have_a_type_of_their_own(rig: Any) -> None:
    published = {p.topic_name.rsplit('/', 1)[1]: p.msg_type for p in rig.node.publishers}
    assert published['tracks'] is TrackedObjectArray
    assert published['labels'] is Image
    assert published['overlay'] is Image
