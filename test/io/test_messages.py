"""Messages built without ROS are the ones that the node publishes, value for value."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from drift_ros import interfaces
from drift_ros.io import messages
from drift_ros.io.images import to_rgb
from drift_ros.structures import (
    Frame,
    Roi,
    TargetMotion,
    TargetState,
    TrackedObject,
    TrackingResult,
)

NS = 1_795_249_149_562_961_177
NAN = float('nan')


def result(objects: int = 3) -> TrackingResult:
    labels = np.zeros((20, 31), np.uint8)
    labels[3:7, 10:17] = 5
    labels[3, 10] = 9  # inside the box of 5, but not of it
    found = (
        TrackedObject(5, 'cup', 0.75, True, Roi(10, 3, 7, 4), (12.6, 4.6), 27),
        TrackedObject(
            6,
            'lid',
            0.0,
            False,
            Roi(),
            (NAN, NAN),
            0,
            TargetState.OCCLUDED,
            0.5,
            Roi(2, 4, 5, 6),
            (4.5, 6.25),
        ),
        TrackedObject(9, 'søs', 1 / 3, True, Roi(10, 3, 1, 1), (10.0, 3.0), 1),
    )
    frame = Frame(np.zeros((20, 31, 3), np.uint8), NS, 'camera_optical')
    return TrackingResult(frame, labels, found[:objects], 4)


def serialized(message: object, typename: str) -> bytes:
    return bytes(messages.typestore().serialize_cdr(message, typename))


def normal(data: bytes, typename: str) -> bytes:
    """ROS's bytes with zeros between the fields, where ROS leaves what was there before."""
    return serialized(messages.typestore().deserialize_cdr(data, typename), typename)


@pytest.mark.parametrize('objects', [0, 1, 2, 3])
@pytest.mark.parametrize('positions', [{}, {5: (1.0, -2.5, 3.25)}, {6: (1.0, 1.0, 1.0)}])
def test_tracks_are_those_of_the_node(objects: int, positions: dict) -> None:
    pytest.importorskip('drift_ros.msg', reason='the interfaces are not built: run `make build`')
    from rclpy.serialization import serialize_message

    from drift_ros.ros import messages as ros

    known = TargetMotion((1.0, 0.5, 0.0), (0.1, 0.1, 0.2), (1.0, 2.0, 3.0), (0.3, 0.3, 0.5))
    motions = {6: known, 9: TargetMotion()}
    theirs = ros.tracks(result(objects), lambda obj: positions.get(obj.id), motions)
    ours = messages.tracks(result(objects), positions, motions)
    assert serialized(ours, messages.TRACKS) == normal(serialize_message(theirs), messages.TRACKS)


def test_label_maps_are_those_of_the_node() -> None:
    pytest.importorskip('drift_ros.msg', reason='the interfaces are not built: run `make build`')
    from rclpy.serialization import serialize_message

    from drift_ros.ros import messages as ros

    ours = serialized(messages.labels(result()), messages.IMAGE)
    theirs = serialize_message(ros.labels(result()))
    assert ours == normal(theirs, messages.IMAGE)


def test_ros_reads_what_is_written_without_it() -> None:
    pytest.importorskip('drift_ros.msg', reason='the interfaces are not built: run `make build`')
    from rclpy.serialization import deserialize_message
    from sensor_msgs.msg import CameraInfo

    ours = messages.camera_info(500.0, 501.0, 320.0, 240.0, 640, 480, NS, 'optical')
    read = deserialize_message(serialized(ours, messages.CAMERA_INFO), CameraInfo)
    assert list(read.k) == [500, 0, 320, 0, 501, 240, 0, 0, 1]
    assert list(read.p) == [500, 0, 320, 0, 0, 501, 240, 0, 0, 0, 1, 0]
    assert list(read.r) == [1, 0, 0, 0, 1, 0, 0, 0, 1]
    assert (read.width, read.height, read.header.frame_id) == (640, 480, 'optical')
    assert (read.distortion_model, list(read.d)) == ('plumb_bob', [0] * 5)


def test_the_types_are_those_of_ros() -> None:
    """Their hashes are equal, so that ROS takes our bags for recorded ones."""
    built = pytest.importorskip('drift_ros.msg', reason='the interfaces are not built')
    places = [parent / 'share' / 'drift_ros' for parent in Path(built.__file__).parents]
    found = [place for place in places if (place / 'msg' / 'Prompt.json').is_file()]
    if not found:
        pytest.skip('this ROS has no type hashes')
    for name in (name for name in interfaces.names() if '/msg/' in name):
        description = json.loads((found[0] / f'msg/{name.rpartition("/")[2]}.json').read_text())
        (expected,) = (
            entry['hash_string']
            for entry in description['type_hashes']
            if entry['type_name'] == name
        )
        assert messages.typestore().hash_rihs01(name) == expected


@pytest.mark.parametrize('view', [np.s_[:, :], np.s_[::-1, ::2]])
def test_an_image_goes_there_and_back(view: tuple) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (5, 8, 3), np.uint8)[view]
    message = messages.image(pixels, 'rgb8', NS, 'here')
    np.testing.assert_array_equal(to_rgb(message), pixels)
    assert messages.stamp_of(message) == NS and message.header.frame_id == 'here'


def test_two_byte_images() -> None:
    message = messages.image(np.array([[1, 256]], np.uint16), '16UC1', 0, '')
    assert (message.step, bytes(message.data)) == (4, b'\1\0\0\1')


def test_an_invisible_object_says_nothing_else() -> None:
    gone = messages.tracks(result(), {6: (1.0, 2.0, 3.0)}).objects[1]
    assert (gone.visible, gone.has_position, gone.centroid.x, gone.position.x) == (
        False,
        False,
        0,
        0,
    )
