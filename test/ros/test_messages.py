"""Messages hold what the tracker said, exactly."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip('drift_ros.msg', reason='the interfaces are not built: run `make build`')

from geometry_msgs.msg import Point, Vector3
from sensor_msgs.msg import Image, RegionOfInterest

from drift_ros.errors import PromptError
from drift_ros.msg import Point2D, Prompt
from drift_ros.ros import messages
from drift_ros.ros.messages import header
from drift_ros.ros.stamps import nanoseconds
from drift_ros.structures import (
    NOWHERE,
    Frame,
    Roi,
    TargetMotion,
    TargetState,
    TrackedObject,
    TrackingResult,
)

NS = 1_795_249_149_562_961_177


def pixels(message: Image) -> np.ndarray:
    rows = np.frombuffer(message.data, np.uint8).reshape(message.height, message.step)
    return rows[:, : message.width]


@pytest.fixture
def result() -> TrackingResult:
    labels = np.zeros((20, 30), np.uint8)
    labels[3:7, 10:16] = 5
    labels[3, 10] = 9  # inside the box of 5, but not of it
    seen = TrackedObject(5, 'cup', 0.75, True, Roi(10, 3, 6, 4), (12.6, 4.6), 23)
    gone = TrackedObject(
        6,
        'lid',
        0.0,
        False,
        Roi(),
        NOWHERE,
        0,
        TargetState.OCCLUDED,
        0.5,
        Roi(2, 4, 5, 6),
        (4.5, 6.0),
    )
    frame = Frame(np.zeros((20, 30, 3), np.uint8), NS, 'camera_optical')
    return TrackingResult(frame, labels, (seen, gone), 4)


@given(st.integers(-(2**31) * 10**9, 2**31 * 10**9 - 1))
def test_stamps_survive_to_the_nanosecond(stamp: int) -> None:
    assert nanoseconds(header(stamp, '').stamp) == stamp


def test_label_map(result: TrackingResult) -> None:
    message = messages.labels(result)
    assert message.encoding == '8UC1'
    assert nanoseconds(message.header.stamp) == NS
    assert message.header.frame_id == 'camera_optical'
    np.testing.assert_array_equal(pixels(message), result.labels)


def test_tracks(result: TrackingResult) -> None:
    moves = TargetMotion((0.1, 0.2, 0.3), (0.4, 0.5, 0.6))
    expected = TargetMotion(None, None, (3.0, 2.0, 1.0), (0.3, 0.2, 0.1))
    message = messages.tracks(result, lambda obj: (1.0, 2.0, 3.0), {5: moves, 6: expected})
    assert (nanoseconds(message.header.stamp), message.generation) == (NS, 4)
    seen, gone = message.objects
    assert (seen.id, seen.name, seen.visible, seen.area) == (5, 'cup', True, 23)
    assert seen.score == pytest.approx(0.75)
    assert (seen.centroid.x, seen.centroid.y) == (12.6, 4.6)
    assert (seen.roi.x_offset, seen.roi.y_offset, seen.roi.width, seen.roi.height) == (10, 3, 6, 4)
    np.testing.assert_array_equal(pixels(seen.mask), (result.labels[3:7, 10:16] == 5) * 255)
    assert seen.mask.header == message.header
    assert seen.has_position
    assert (seen.position.x, seen.position.y, seen.position.z) == (1.0, 2.0, 3.0)
    assert (gone.id, gone.visible, gone.has_position, gone.area) == (6, False, False, 0)
    assert (gone.centroid.x, gone.centroid.y) == (0.0, 0.0)
    assert (gone.mask.width, gone.mask.height, len(gone.mask.data)) == (0, 0, 0)
    assert (seen.state, seen.unseen, seen.predicted_roi.width) == (seen.VISIBLE, 0, 0)
    assert (gone.state, gone.unseen) == (gone.OCCLUDED, 0.5)
    assert (gone.predicted_roi.x_offset, gone.predicted_roi.height) == (2, 6)
    assert (gone.predicted_centroid.x, gone.predicted_centroid.y) == (4.5, 6.0)
    assert seen.has_velocity and not gone.has_velocity
    assert (seen.velocity, seen.velocity_deviation) == (
        Vector3(x=0.1, y=0.2, z=0.3),
        Vector3(x=0.4, y=0.5, z=0.6),
    )
    assert gone.has_predicted_position and not seen.has_predicted_position
    assert gone.predicted_position == Point(x=3.0, y=2.0, z=1.0)
    assert gone.predicted_deviation == Vector3(x=0.3, y=0.2, z=0.1)
    assert (gone.velocity, seen.predicted_position) == (Vector3(), Point())


def test_unknown_position(result: TrackingResult) -> None:
    seen = messages.tracks(result, lambda obj: None).objects[0]
    assert not seen.has_position
    assert (seen.position.x, seen.position.y, seen.position.z) == (0.0, 0.0, 0.0)


def test_filling_a_message_is_not_done_byte_by_byte() -> None:
    """Holds for arrays that are a view as well."""
    wide = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)
    message = messages.image(wide[:, ::2], 'rgb8', 0, '')
    assert message.step == 9
    assert bytes(message.data) == wide[:, ::2].tobytes()


def test_prompt_of_every_kind() -> None:
    mask = Image(height=2, width=3, step=4, encoding='mono8')  # one byte of padding per row
    mask.data.frombytes(bytes([0, 1, 255, 9, 0, 0, 7, 9]))
    message = Prompt(
        id=3,
        name='cup',
        points=[Point2D(x=1.5, y=2.0), Point2D(x=0.0, y=1.0)],
        point_labels=[1, 0],
        boxes=[RegionOfInterest(x_offset=4, y_offset=5, width=6, height=7)],
        mask=mask,
    )
    prompt = messages.prompts([message])[0]
    assert (prompt.id, prompt.name) == (3, 'cup')
    np.testing.assert_array_equal(prompt.points, [[1.5, 2.0], [0.0, 1.0]])
    np.testing.assert_array_equal(prompt.point_labels, [1, 0])
    np.testing.assert_array_equal(prompt.boxes, [[4, 5, 6, 7]])
    assert prompt.mask is not None
    np.testing.assert_array_equal(prompt.mask, [[False, True, True], [False, False, True]])


def test_points_without_labels_lie_on_the_object() -> None:
    prompt = messages.prompts([Prompt(points=[Point2D(x=1.0, y=1.0)])])[0]
    np.testing.assert_array_equal(prompt.point_labels, [1])
    assert prompt.mask is None
    assert prompt.boxes.shape == (0, 4)


def test_prompt_with_too_few_labels_is_refused() -> None:
    message = Prompt(points=[Point2D(), Point2D()], point_labels=[1])
    with pytest.raises(PromptError, match=r'prompts\[0\]\.point_labels has 1 values for 2 points'):
        messages.prompts([message])


@pytest.mark.parametrize(
    ('mask', 'said'),
    [
        (Image(height=2, width=2, step=6, encoding='rgb8'), r"mask.encoding is 'rgb8'.*mono8"),
        (Image(height=2, width=2, step=2, encoding='mono8'), r'mask has 0 bytes for height 2'),
        (Image(height=2, width=0, step=0, encoding='mono8'), r'mask has 0 bytes'),
    ],
)
def test_bad_mask_is_refused(mask: Image, said: str) -> None:
    with pytest.raises(PromptError, match=said):
        messages.prompts([Prompt(), Prompt(mask=mask)])
