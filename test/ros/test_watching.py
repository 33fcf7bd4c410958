"""What a page hears of a tracker, without one: pairs, bounds, and messages that are wrong."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='the room ros needs rclpy')
pytest.importorskip('drift_ros.msg', reason='the interfaces are not built: run `make build`')

from rclpy.node import NodeNameNonExistentError
from rclpy.serialization import serialize_message
from sensor_msgs.msg import RegionOfInterest

from drift_ros.errors import FrameError
from drift_ros.msg import TrackedObject, TrackedObjectArray
from drift_ros.ros import messages
from drift_ros.ros.tools.watching import KEPT, RESET_TYPE, Watcher, image_topics, trackers

SIZE = (4, 6)


def watcher(**options: Any) -> Watcher:
    deaf: Any = SimpleNamespace(create_subscription=lambda *_, **__: None)
    return Watcher(deaf, '/robot/tracker/left', '/image', 'sensor_msgs/msg/Image', **options)


def image(stamp: int) -> bytes:
    picture = np.full((*SIZE, 3), stamp % 200, np.uint8)
    return bytes(serialize_message(messages.image(picture, 'rgb8', stamp, 'camera')))


def tracks(stamp: int, *objects: TrackedObject) -> bytes:
    header = messages.header(stamp, 'camera')
    return bytes(serialize_message(TrackedObjectArray(header=header, objects=objects)))


def target(roi: tuple[int, int, int, int], mask: np.ndarray, state: int = 0) -> TrackedObject:
    x, y, width, height = roi
    region = RegionOfInterest(x_offset=x, y_offset=y, width=width, height=height)
    return TrackedObject(
        id=3, visible=True, roi=region, mask=messages.image(mask, '8UC1', 0, ''), state=state
    )


def graph(served: dict[str, list[str]], called: list[str], *images: str) -> Any:
    """What a node sees: services by the node that serves them, those that are only called, and
    topics of images that every node listens to.
    """

    def of(name: str, space: str) -> list[tuple[str, list[str]]]:
        full = f'{space.rstrip("/")}/{name}'
        if full not in served:
            raise NodeNameNonExistentError(full)
        return [(service, [RESET_TYPE]) for service in served[full]]

    every = [*called, *(service for services in served.values() for service in services)]
    split = [full.rpartition('/') for full in [*served, '/gone']]
    return SimpleNamespace(
        get_service_names_and_types=lambda: [(service, [RESET_TYPE]) for service in every],
        get_node_names_and_namespaces=lambda: [(name, space or '/') for space, _, name in split],
        get_service_names_and_types_by_node=of,
        get_subscriber_names_and_types_by_node=lambda *_: [
            (topic, ['sensor_msgs/msg/Image']) for topic in images
        ],
    )


def test_what_is_only_called_is_no_tracker() -> None:
    called = ['/tracker/reset_targets', '/gone/reset_targets', '/nowhere/reset_targets']
    cameras = [f'/tracker/{camera}/reset_targets' for camera in ('wrist', 'left')]
    seen = graph({'/tracker': cameras, '/robot/one': ['/robot/one/reset_targets']}, called)
    assert trackers(seen) == ['/robot/one', '/tracker/left', '/tracker/wrist']


def test_each_camera_of_a_node_has_its_own_images() -> None:
    served = {'/tracker': ['/tracker/left/reset_targets', '/tracker/wrist/reset_targets']}
    topics = ('/left/depth', '/left/image', '/wrist/depth', '/wrist/image')
    found = image_topics(graph(served, [], *topics), '/tracker/wrist')
    assert list(found) == ['/wrist/image', '/wrist/depth']
    found = image_topics(graph(served, [], '/cam/1', '/cam/0'), '/tracker/wrist')
    assert list(found) == ['/cam/0', '/cam/1']  # remapped: who knows


def test_a_result_is_shown_with_the_image_of_its_stamp() -> None:
    watch = watcher()
    assert watch.newest is None and watch.camera() is None and watch.rate == 0
    for stamp in range(1, 6):
        watch._image(image(stamp))
    watch._tracks(tracks(3, target((1, 1, 2, 2), np.full((2, 2), 255, np.uint8))))
    watch._tracks(tracks(99))  # its image never came
    assert watch.newest is not None
    seen = watch.read(watch.newest)
    assert seen.frame.stamp == 3 and seen.frame.image[0, 0, 0] == 3
    assert seen.labels is not None and seen.labels.sum() == 3 * 4 and seen.labels[1, 1] == 3
    newest = watch.camera()
    assert newest is not None and newest.frame.stamp == 5 and newest.labels is None


def test_hours_of_images_do_not_grow() -> None:
    watch = watcher()
    for stamp in range(2 * KEPT + 50):
        watch._image(image(stamp))
        watch._image(image(stamp))  # a bag that loops
        watch._tracks(tracks(stamp))
    assert len(watch._images) == KEPT
    assert watch._bytes == sum(len(data) for data, _ in watch._images.values())
    assert watch.rate > 0 and 0 <= watch.latency < 60


@pytest.mark.parametrize(
    'wrong',
    [
        target((5, 3, 2, 2), np.full((2, 2), 255, np.uint8)),  # reaches out of the image
        target((0, 0, 2, 2), np.full((1, 1), 255, np.uint8)),
        target((0, 0, 0, 0), np.zeros((0, 0), np.uint8)),
        target((2**32 - 1, 0, 1, 1), np.full((1, 1), 255, np.uint8)),
        target((0, 0, 1, 1), np.zeros((1, 1), np.uint8), state=77),
    ],
)
def test_a_message_that_is_wrong_shows_no_mask(wrong: TrackedObject) -> None:
    watch = watcher()
    watch._image(image(1))
    watch._tracks(tracks(1, wrong))
    assert watch.newest is not None
    labels = watch.read(watch.newest).labels
    assert labels is not None and not labels.any()


def test_an_image_that_is_too_large_is_refused() -> None:
    watch = watcher(max_pixels=10)
    watch._image(image(1))
    with pytest.raises(FrameError):
        watch.camera()


def test_diagnostics_of_the_tracker_alone() -> None:
    from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue

    watch = watcher()
    for name, rate in (
        ('/robot/tracker: tracking left', '5'),
        ('/robot/tracker: tracking right', '6'),
        ('/robot/tracker: tracking', '7'),
        ('/robot/track: tracking left', '8'),
    ):
        status = DiagnosticStatus(name=name, values=[KeyValue(key='rate out [Hz]', value=rate)])
        watch._diagnostics(DiagnosticArray(status=[status]))
    assert watch.status['rate out [Hz]'] == '5'
