"""The filter of constant velocity, and how targets move in metres."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drift_ros.structures import (
    NOWHERE,
    Frame,
    Roi,
    TargetMotion,
    TargetState,
    TrackedObject,
    TrackingResult,
)
from drift_ros.tracking.constant_velocity import ConstantVelocity
from drift_ros.tracking.spatial_motion import Measurement, SpatialMotion

RATE = 20
WIDTH, HEIGHT = 0.1, 0.2  # m, of the target
NEITHER, LEFT, BOTH = (False, False), (True, False), (True, True)
Triple = tuple[float, float, float]
coordinates = st.floats(-2, 2)
triples = st.tuples(coordinates, coordinates, coordinates)


def result(
    index: int,
    state: TargetState = TargetState.VISIBLE,
    ids: Sequence[int] = (1,),
    new: int = 7,
    score: float = 0.9,
) -> TrackingResult:
    seen = state == TargetState.VISIBLE
    frame = Frame(np.zeros((1, 1, 3), np.uint8), 10**9 + index * 10**9 // RATE)
    objects = [TrackedObject(i, '', score, seen, Roi(), NOWHERE, 9, state) for i in ids]
    return TrackingResult(frame, np.zeros((1, 1), np.uint8), tuple(objects), new)


def target(place: Sequence[float], hidden: float = 0.0) -> Measurement:
    """A box at a place, the left part of which is hidden."""
    x, y, z = place
    left, right = x - WIDTH / 2 + hidden * WIDTH, x + WIDTH / 2
    ends = np.array([[left, right], [y - HEIGHT / 2, y + HEIGHT / 2]])
    cut = np.array([LEFT if hidden else NEITHER, NEITHER])
    return Measurement(((left + right) / 2, y, z), ends, cut)


def moving(
    index: int, start: Triple = (0.1, -0.2, 1.0), velocity: Triple = (0.3, 0, -0.1)
) -> Triple:
    x, y, z = np.array(start) + np.array(velocity) * index / RATE
    return float(x), float(y), float(z)


def follow(motion: SpatialMotion, stop: int, first: int = 0, **how: Triple) -> TargetMotion:
    for index in range(first, stop):
        found = motion.observe(result(index), {1: target(moving(index, **how))})
    return found[1]


@given(triples, triples, st.floats(0.01, 0.2), st.sampled_from([(), (3,)]))
def test_two_exact_places_give_the_velocity(
    start: Triple, velocity: Triple, seconds: float, axes: tuple[int, ...]
) -> None:
    covariance = np.broadcast_to(np.diag([1e2, 1e2]), (*axes, 2, 2))
    filter_ = ConstantVelocity(np.zeros(3), np.zeros(3), covariance)
    filter_ = filter_.updated(np.array(start), 1e-4).predicted(seconds, 0.0)
    end = np.array(start) + seconds * np.array(velocity)
    filter_ = filter_.updated(end, np.full(3, 1e-4) if axes else 1e-4)
    np.testing.assert_allclose(filter_.place, end, atol=1e-3)
    np.testing.assert_allclose(filter_.velocity, velocity, atol=1e-3)


@given(st.floats(0.01, 2), st.floats(0.01, 1), st.integers(1, 5))
def test_uncertainty_is_that_of_white_acceleration_whatever_the_steps(
    seconds: float, acceleration: float, steps: int
) -> None:
    start = ConstantVelocity(np.zeros(2), np.ones(2), np.diag([0.04, 0.01]))
    later = start
    for _ in range(steps):
        later = later.predicted(seconds / steps, acceleration)
    expected = 0.04 + 0.01 * seconds**2 + acceleration**2 * seconds**3 / 3
    assert later.variance == pytest.approx(expected)
    assert later.covariance[1, 1] == pytest.approx(0.01 + acceleration**2 * seconds)
    np.testing.assert_allclose(later.place, seconds)


@settings(max_examples=25)
@given(triples, st.tuples(*[st.floats(-0.5, 0.5)] * 3))
def test_a_constant_velocity_is_recovered(start: Triple, velocity: Triple) -> None:
    start = (*start[:2], abs(start[2]) + 2)
    found = follow(SpatialMotion(0.3), 40, start=start, velocity=velocity)
    assert found.velocity == pytest.approx(velocity, abs=0.03)
    assert found.velocity_deviation is not None
    assert max(found.velocity_deviation) < 0.3
    assert found.predicted_position is None


def test_one_position_is_no_velocity() -> None:
    assert follow(SpatialMotion(0.3), 1) == TargetMotion()


def test_an_occluded_target_goes_on_and_is_less_certain_with_time() -> None:
    motion = SpatialMotion(0.3)
    follow(motion, 40)
    deviations = []
    for index in range(40, 60):
        found = motion.observe(result(index, TargetState.OCCLUDED), {})[1]
        assert found.predicted_position == pytest.approx(moving(index), abs=0.02)
        deviations.append(found.predicted_deviation)
    assert np.all(np.diff(deviations, axis=0) > 0)
    assert motion.observe(result(60, TargetState.LOST), {}) == {}
    assert motion.observe(result(61, TargetState.OCCLUDED), {}) == {}


def test_a_visible_target_without_depth_keeps_its_velocity() -> None:
    motion = SpatialMotion(0.3)
    before = follow(motion, 20)
    found = motion.observe(result(20), {})[1]
    assert found.velocity == before.velocity and found.predicted_position is None


def test_the_end_that_is_in_sight_says_where_a_target_is() -> None:
    motion = SpatialMotion(0.3)
    follow(motion, 20)
    for index in range(20, 40):  # it goes behind something, in a second
        place = target(moving(index), hidden=(index - 19) / 21)
        motion.observe(result(index), {1: place})
    found = motion.observe(result(40, TargetState.OCCLUDED), {})[1]
    assert found.predicted_position == pytest.approx(moving(40), abs=0.02)
    assert found.velocity == pytest.approx((0.3, 0, -0.1), abs=0.1)


def test_where_both_ends_are_hidden_nothing_is_certain() -> None:
    motion = SpatialMotion(0.3)
    follow(motion, 20)
    x, y, z = moving(20)
    slit = np.array([[x + 0.02, x + 0.03], [y - HEIGHT / 2, y + HEIGHT / 2]])
    place = Measurement((x + 0.025, y, z), slit, np.array([BOTH, NEITHER]))
    motion.observe(result(20), {1: place})
    found = motion.observe(result(21, TargetState.OCCLUDED), {})[1]
    assert found.predicted_position == pytest.approx(moving(21), abs=0.01)


@settings(max_examples=25)
@given(st.sampled_from([1, 2]), st.floats(1, 5))
def test_depth_of_something_else_does_not_throw_it_off(outliers: int, depth: float) -> None:
    motion = SpatialMotion(0.3)
    before = follow(motion, 20)
    x, y, z = moving(20)
    for index in range(20, 20 + outliers):
        found = motion.observe(result(index), {1: target((x, y, z + depth))})
        assert found[1].velocity == before.velocity
    after = follow(motion, 40, 20 + outliers)
    assert after.velocity == pytest.approx(before.velocity, abs=0.02)


def test_what_stays_elsewhere_begins_a_new_motion() -> None:
    motion = SpatialMotion(0.3)
    follow(motion, 20)
    there: dict[str, Triple] = {'start': (-1.0, 0.5, 2.0), 'velocity': (0.0, 0.2, 0.0)}
    founds = [follow(motion, index + 1, index, **there) for index in range(20, 45)]
    assert TargetMotion() in founds  # the velocity is not known for an image
    assert founds[-1].velocity == pytest.approx((0.0, 0.2, 0.0), abs=0.05)


def test_a_mask_in_doubt_on_what_hides_the_target_begins_none() -> None:
    motion = SpatialMotion(0.3)
    follow(motion, 20)
    for index in range(20, 30):
        motion.observe(result(index, score=0.1), {1: target((0.3, -0.2, 0.5))})
    found = motion.observe(result(30, TargetState.OCCLUDED, score=0.0), {})[1]
    assert found.predicted_position == pytest.approx(moving(30), abs=0.02)


def test_a_new_generation_on_a_past_frame_knows_nothing_of_what_came_later() -> None:
    motion, fresh = SpatialMotion(0.3), SpatialMotion(0.3)
    follow(motion, 30)
    for index in range(10, 20):
        place = {1: target(moving(index, velocity=(0.0, 0.1, 0.0)))}
        again = motion.observe(result(index, new=8), place)
        assert again == fresh.observe(result(index, new=8), place)
    # nor does a stream that begins again, whatever its generation
    place = {1: target((0.0, 0.0, 3.0))}
    assert motion.observe(result(5, new=8), place) == {1: TargetMotion()}


def test_nothing_is_kept_of_targets_that_are_gone() -> None:
    motion = SpatialMotion(0.3)
    for index in range(500):
        ids = [1 + index % 250, 1 + (index + 1) % 250]
        motion.observe(result(index, ids=ids), {i: target(moving(index)) for i in ids})
    assert len(motion._tracks) == 2
