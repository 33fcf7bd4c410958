"""Our tracker behind the interface of an evaluation."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from clips import blue_mask, make_tracker, picture, red_mask

from drift_ros.evaluation.methods import Ours
from drift_ros.evaluation.methods.ours import TrackerMethod
from drift_ros.settings import TrackerSettings, build


def method(length: int = 1) -> TrackerMethod:
    return TrackerMethod(make_tracker(length), Ours(TrackerSettings()))


def run(method: TrackerMethod, count: int = 7) -> list[tuple[int, np.ndarray]]:
    """Red is given at first, blue on frame 3."""
    method.begin()
    found = []
    for index in range(count):
        given = {0: {1: red_mask(0)}, 3: {2: blue_mask(3)}}.get(index, {})
        found += method.step(index, index * 40_000_000, picture(index), given)
    return [pair[:2] for pair in (*found, *method.end())]


def test_every_frame_comes_once_in_order_also_from_windows():
    for length in (1, 3):
        assert [index for index, _ in run(method(length))] == list(range(7))


def test_given_masks_are_followed_from_their_frame_on():
    found = dict(run(method()))
    np.testing.assert_array_equal(found[0] == 1, red_mask(0))
    assert not (found[2] == 2).any()
    np.testing.assert_array_equal(found[3] == 2, blue_mask(3))
    for id_, mask in ((1, red_mask(6)), (2, blue_mask(6))):
        follower = found[6] == id_
        assert (follower & mask).sum() / (follower | mask).sum() > 0.7


def test_a_window_that_fails_ends_the_sequence():
    made = method()
    made.tracker.extractor.extract = None
    with pytest.raises(TypeError):
        run(made)


def test_a_second_sequence_is_as_the_first():
    once = method(3)
    first, second = run(once), run(once)
    for (_, before), (_, after) in zip(first, second, strict=True):
        np.testing.assert_array_equal(before, after)


def test_the_spec_says_all_settings_and_travels():
    spec = Ours(build(TrackerSettings, {'features.name': 'patch', 'propagation.top_k': 3}))
    again = pickle.loads(pickle.dumps(spec))
    assert again.name == 'patch' and again.settings['propagation.top_k'] == 3
    assert again.make('cpu').settings['features.name'] == 'patch'


def test_windows_do_not_shrink_where_memory_is_short():
    spec = Ours(build(TrackerSettings, {'window.may_shrink': True}))
    assert spec.settings['window.may_shrink'] is False
    assert not spec.make('cpu').tracker.settings.window.may_shrink
