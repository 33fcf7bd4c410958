"""PCK against values known on paper."""

from __future__ import annotations

import math

import numpy as np
import pytest

from drift_ros.evaluation.metrics.pck import distances, found_share, measures, pck
from drift_ros.evaluation.scores import PoseScore

LOST = (-1.0, -1.0)


def score(*frames: tuple[tuple[float | None, ...], float]) -> PoseScore:
    away, scales = zip(*frames, strict=True)
    return PoseScore('a', (10, 10), len(away) + 1, ('x', 'y'), (1,), away, scales)


def test_the_body_is_six_tenths_of_the_diagonal_of_the_true_box():
    truth = np.array([[10.0, 10], [40, 50], [20, 20]])  # 30 x 40: diagonal 50
    away, scale = distances(truth, truth + np.array([[3, 4], [0, 0], [0, -2]]))
    np.testing.assert_allclose(away, [5, 0, 2])
    assert scale == pytest.approx(30)


def test_joints_that_were_not_found_shrink_the_box_and_do_not_count():
    truth = np.array([[10.0, 10], [40, 50], [22, 15]])  # without the second one 12 x 5: 13
    away, scale = distances(truth, np.array([[10, 10], LOST, [22, 15]]))
    assert math.isnan(away[1])
    assert scale == pytest.approx(0.6 * 13)


def test_nothing_found_has_no_scale():
    away, scale = distances(np.ones((2, 2)), np.full((2, 2), -1.0))
    assert np.isnan(away).all() and scale == 0


def test_the_limit_itself_is_correct():
    found = score(((3.0, 3.01), 30.0), ((6.0, 6.01), 30.0))
    assert pck([found], 0.1) == [0.5, 0.0]
    assert pck([found], 0.2) == [1.0, 0.5]


def test_frames_of_all_sequences_count_the_same():
    long = score(((0.0, 0.0), 10.0), ((0.0, 9.0), 10.0), ((0.0, 9.0), 10.0))
    short = score(((9.0, None), 10.0))
    assert pck([long, short], 0.1) == [3 / 4, 1 / 3]
    assert found_share([long, short]) == [1.0, 3 / 4]


def test_a_joint_that_was_never_found_has_no_pck():
    assert measures([score(((1.0, None), 10.0))]) == {
        'PCK@0.1': [1.0, None],
        'PCK@0.2': [1.0, None],
        'found': [1.0, 0.0],
    }


def test_a_body_without_extent_has_no_correct_joint():
    assert pck([score(((0.0, None), 0.0))], 0.2) == [0.0, None]
