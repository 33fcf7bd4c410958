"""Masks whose scores are known on paper, and what holds of all masks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from label_maps import shifted, strip

from drift_ros.evaluation.metrics import (
    boundary_f,
    follower,
    ious,
    jaccard,
    score_frame,
    statistics,
    switches,
    tolerance_px,
)

MASKS = arrays(bool, (9, 11))
MAPS = arrays(np.uint8, (9, 11), elements=st.integers(0, 3))


def box(top: int, left: int, height: int, width: int, size=(100, 100)) -> np.ndarray:
    mask = np.zeros(size, bool)
    mask[top : top + height, left : left + width] = True
    return mask


def test_j_of_a_box_moved_by_a_quarter_of_its_width():
    assert jaccard(box(10, 10, 20, 40), box(10, 20, 20, 40)) == pytest.approx(30 / 50)


def test_the_tolerance_is_that_of_davis():
    assert tolerance_px((480, 854)) == 8
    assert tolerance_px((100, 100)) == 2  # 0.008 * 141.4 = 1.13
    assert tolerance_px((3, 4)) == 1


def test_f_forgives_a_shift_within_the_tolerance_and_no_other():
    truth = box(20, 20, 30, 30)
    assert boundary_f(truth, box(20, 22, 30, 30)) == 1
    # A ring of 31 x 31 px, moved by 3: its 31 px long sides left and right are missed, but for
    # their ends, which are within 2 px of the moved upper and lower sides where those reach.
    moved = boundary_f(truth, box(20, 23, 30, 30))
    assert 0 < moved < 1


def test_f_of_a_line_that_is_half_there():
    # Boundaries of the left half: one column of 100 px each; 3 px apart is too far for 2.
    left, half = box(0, 0, 100, 50), box(0, 0, 50, 50)
    # The half box has a column of 50 px (49 beside its lower edge), and its lower edge of 50 px,
    # of which the columns 47 to 49 are within 2 px of the long column.
    found_px, met = 50 + 49, 50 + 2
    # The long column is met over 50 rows by the half box and 2 more around its corner.
    precision, recall = met / found_px, 52 / 100
    expected = 2 * precision * recall / (precision + recall)
    assert boundary_f(left, half) == pytest.approx(expected)


def test_both_empty_is_right_and_one_empty_is_wrong():
    none, some = np.zeros((10, 10), bool), box(2, 2, 5, 5, (10, 10))
    assert jaccard(none, none) == boundary_f(none, none) == 1
    assert jaccard(some, none) == boundary_f(some, none) == 0
    assert jaccard(none, some) == boundary_f(none, some) == 0


def test_masks_of_two_sizes_are_refused():
    for score in (jaccard, boundary_f):
        with pytest.raises(ValueError):
            score(np.zeros((2, 3), bool), np.zeros((3, 2), bool))


@given(MASKS, MASKS)
def test_scores_are_symmetric_and_within_0_and_1(a, b):
    for score in (jaccard, boundary_f):
        assert 0 <= score(a, b) <= 1
        assert score(a, b) == pytest.approx(score(b, a))
        assert score(a, a) == 1


@given(MASKS, MASKS, st.integers(0, 6), st.integers(0, 5))
def test_scores_do_not_depend_on_the_place_in_the_image(a, b, down, right):
    def placed(mask, top, left):
        image = np.zeros((40, 40), bool)
        image[top : top + 9, left : left + 11] = mask
        return image

    here = [placed(mask, 3, 4) for mask in (a, b)]
    there = [placed(mask, 3 + down, 4 + right) for mask in (a, b)]
    assert boundary_f(*here) == boundary_f(*there)
    assert jaccard(*here) == jaccard(*there)


@given(MAPS, MAPS)
def test_a_label_map_scores_as_its_masks(truth, result):
    score = score_frame(truth, result, [1, 2])
    for place, id_ in enumerate([1, 2]):
        assert score.j[place] == jaccard(truth == id_, result == id_)
        assert score.f[place] == boundary_f(truth == id_, result == id_)


@given(MAPS, MAPS)
def test_iou_is_intersection_over_union(truth, result):
    table = ious(truth, result, [1, 2, 3])
    for i, j in np.ndindex(3, 3):
        a, b = truth == i + 1, result == j + 1
        expected = (a & b).sum() / (a | b).sum() if (a | b).any() else float(i == j)
        assert table[i, j] == pytest.approx(expected)


def test_maps_of_two_sizes_are_refused():
    with pytest.raises(ValueError):
        score_frame(np.zeros((2, 3), np.uint8), np.zeros((3, 2), np.uint8), [1])


def test_an_unknown_id_counts_for_nothing_but_may_follow():
    score = score_frame(strip(1, 1, 0, 2), strip(7, 7, 0, 2), [1, 2])
    assert score.j == (0, 1)
    assert score.follower == (7, 2)


def test_nobody_follows_what_is_not_to_be_seen_or_covered_by_less_than_half():
    assert score_frame(strip(0, 0, 0), strip(0, 0, 0), [1]).follower == (0,)
    assert score_frame(strip(1, 1, 1, 0), strip(1, 0, 0, 0), [1]).follower == (0,)
    assert score_frame(strip(1, 1, 0, 0), strip(1, 0, 0, 0), [1]).follower == (1,)
    assert follower([], []) == 0


def test_switches_pass_over_frames_without_a_follower():
    assert switches([]) == 0
    assert switches([1, 1, 0, 1]) == 0
    assert switches([1, 0, 2, 2, 1]) == 2


def test_statistics_on_paper():
    found = statistics([1, 1, 0.6, 0.6, 0.5, 0.2, 0.2, 0])
    assert found.mean == pytest.approx(4.1 / 8)
    assert found.recall == 4 / 8  # 0.5 itself is not recalled
    # quarters end on frames 1, 3, 5, 6 and 8 of the eight (2.75, 4.5 and 6.25 rounded)
    assert found.decay == pytest.approx((1 + 1 + 0.6) / 3 - (0.2 + 0.2 + 0) / 3)


def test_decay_of_a_long_sequence_is_of_its_first_and_last_quarter():
    found = statistics([1.0] * 151 + [0.5] * 298 + [0.0] * 151)  # quarters share border frames
    assert found.decay == 1


def test_one_frame_has_statistics_and_none_has_not():
    assert statistics([0.7]).decay == 0
    with pytest.raises(ValueError):
        statistics([])


def test_a_shift_costs_the_computed_value():
    labels = np.zeros((60, 80), np.uint8)
    labels[20:40, 20:50] = 1
    score = score_frame(labels, shifted(labels, 0, 10), [1])
    assert score.j == (20 / 40,)
