"""States of targets: what is said of those that have no mask."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from drift_ros.settings import TargetSettings
from drift_ros.structures import Frame, Roi, TargetState, TrackedObject
from drift_ros.tracking.measure import measure
from drift_ros.tracking.states import TargetStates

SECOND = 10**9
WORLD = np.random.default_rng(0).integers(0, 255, (15, 40, 3)).astype(np.uint8).repeat(16, 0)
WORLD = WORLD.repeat(16, 1)  # (240, 640, 3), squares of 16 px


def view(index: int, pan: int = 0) -> Frame:
    """A frame of a camera that pans by `pan` px per frame, 10 per second."""
    image = np.ascontiguousarray(WORLD[:, index * pan : index * pan + 320])
    return Frame(image, index * SECOND // 10, 'camera', index)


def ball(x: float | None) -> tuple[TrackedObject, ...]:
    """Target 1, 21x21 px around (x, 100), or not visible."""
    labels = np.zeros((240, 320), np.uint8)
    if x is not None:
        labels[90:111, round(x) - 10 : round(x) + 11] = 1
    return measure(labels, {1: 'ball'}, {1: 0.9})


def test_an_occluded_target_goes_on_as_it_moved_and_is_lost_in_the_end() -> None:
    states = TargetStates(TargetSettings(), 8)
    for index in range(10):
        (found,) = states.observe(index, view(index), ball(50 + 6 * index))
        assert found.state == TargetState.VISIBLE and found.unseen == 0
    (hidden,) = states.observe(10, view(10), ball(None))
    assert hidden.state == TargetState.OCCLUDED and not hidden.visible
    assert hidden.unseen == pytest.approx(0.1)
    assert hidden.predicted_centroid == pytest.approx((110, 100), abs=2)
    assert (hidden.predicted_roi.width, hidden.predicted_roi.height) == (21, 21)
    kinds = [states.observe(i, view(i), ball(None))[0].state for i in range(11, 60)]
    assert kinds[0] == TargetState.OCCLUDED and kinds[-1] == TargetState.LOST
    assert kinds == sorted(kinds)
    (back,) = states.observe(60, view(60), ball(200))
    assert back.state == TargetState.VISIBLE and back.unseen == 0


def test_one_that_was_taken_for_something_else_is_lost_at_once() -> None:
    states = TargetStates(TargetSettings(), 8)
    for index in range(4):
        states.observe(index, view(index), ball(50))
    (found,) = states.observe(4, view(4), ball(None), mistaken={1: 2})
    assert found.state == TargetState.LOST and found.predicted_roi == Roi()


def test_a_target_whose_predicted_place_is_outside_is_lost() -> None:
    states = TargetStates(TargetSettings(), 8)
    for index in range(8):
        states.observe(index, view(index), ball(240 + 9 * index))
    (gone,) = states.observe(8, view(8), ball(None))
    assert gone.state == TargetState.OCCLUDED  # it is at the edge still
    (gone,) = states.observe(10, view(10), ball(None))
    assert gone.state == TargetState.LOST and gone.predicted_roi == Roi()
    assert np.isnan(gone.predicted_centroid).all()


def test_a_camera_that_moves_takes_the_prediction_along() -> None:
    states = TargetStates(TargetSettings(), 8)
    for index in range(10):
        states.observe(index, view(index, pan=0), ball(200))
    for index in range(10, 14):  # the camera sets off while the target is hidden
        frame = Frame(
            np.ascontiguousarray(WORLD[:, 8 * (index - 9) : 8 * (index - 9) + 320]),
            index * SECOND // 10,
        )
        (hidden,) = states.observe(index, frame, ball(None))
        assert hidden.predicted_centroid == pytest.approx((200 - 8 * (index - 9), 100), abs=2)


def test_going_back_forgets_what_came_later() -> None:
    states = TargetStates(TargetSettings(), 8)
    for index in range(10):
        states.observe(index, view(index), ball(50 + 6 * index))
    once = [states.observe(i, view(i), ball(None)) for i in range(10, 13)]
    states.go_back_to(10)
    assert [states.observe(i, view(i), ball(None)) for i in range(10, 13)] == once


def test_a_prompt_begins_a_new_motion() -> None:
    states = TargetStates(TargetSettings(), 8)
    for index in range(6):
        states.observe(index, view(index), ball(20 + 12 * index))
    states.observe(6, view(6), ball(200), prompted={1})
    (hidden,) = states.observe(7, view(7), ball(None))
    assert hidden.predicted_centroid == pytest.approx((200, 100))


def test_a_long_stream_takes_no_more_memory_than_a_short_one() -> None:
    states = TargetStates(TargetSettings(), 4)
    frame = view(0)
    tracemalloc.start()
    taken = []
    for index in range(300):
        frame = Frame(frame.image, index * SECOND // 10)
        states.observe(index, frame, ball(100 if index % 3 else None))
        if index in (99, 299):
            taken.append(tracemalloc.get_traced_memory()[0])
    tracemalloc.stop()
    assert taken[1] < taken[0] + 100_000
