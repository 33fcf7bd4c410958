"""Scores of points, against cases that can be counted by hand and the protocol's definition."""

from __future__ import annotations

import math

import numpy as np
import pytest

from drift_ros.evaluation.points.clips import PointClip
from drift_ros.evaluation.points.metrics import THRESHOLDS, tap_vid_metrics


def test_two_points_counted_by_hand() -> None:
    tracks = np.zeros((2, 4, 2))
    found = tracks.copy()
    found[0, 1] = (0.9, 0)  # within 1
    found[0, 2] = (0, 3)  # within 4
    found[0, 3] = (100, 0)
    occluded = np.array([[False, False, False, False], [False, False, True, True]])
    said = np.array([[False, False, False, True], [False, False, True, False]])
    scores = tap_vid_metrics(np.array([0, 1]), tracks, occluded, found, said)
    # counted: point 0 in frames 1 to 3, point 1 in frames 2 and 3, where it is hidden
    assert scores['OA'] == 3 / 5
    assert scores['delta1'] == 1 / 3
    assert scores['delta4'] == 2 / 3
    # 1 px: one hit; three are visible; wrongly there: frame 2 of point 0, frame 3 of point 1
    assert scores['J1'] == 1 / 5
    assert scores['J4'] == 2 / 4
    assert scores['AJ'] == pytest.approx((1 / 5 + 1 / 5 + 3 * 2 / 4) / 5)
    assert scores['delta'] == pytest.approx((2 * 1 / 3 + 3 * 2 / 3) / 5)


def test_strided_queries_count_the_frames_before_them_too() -> None:
    tracks = np.zeros((1, 3, 2))
    found = tracks.copy()
    found[0, 0] = 50
    hidden = np.zeros((1, 3), bool)
    both = [
        tap_vid_metrics(np.array([1]), tracks, hidden, found, hidden, mode)['delta16']
        for mode in ('first', 'strided')
    ]
    assert both == [1.0, 0.5]


def test_perfect_and_undefined_scores() -> None:
    rng = np.random.default_rng(0)
    tracks, occluded = rng.uniform(0, 256, (5, 6, 2)), rng.random((5, 6)) < 0.3
    scores = tap_vid_metrics(np.zeros(5, int), tracks, occluded, tracks, occluded)
    assert {scores[n] for n in ('AJ', 'OA', 'delta')} == {1.0}
    nothing = tap_vid_metrics(np.full(5, 5), tracks, occluded, tracks, occluded)
    assert math.isnan(nothing['delta'])
    assert set(scores) == {'AJ', 'OA', 'delta'} | {
        f'{k}{t}' for k in ('J', 'delta') for t in THRESHOLDS
    }


def test_queries() -> None:
    occluded = np.ones((3, 7), bool)
    occluded[0, 2:] = False
    occluded[1, 0] = False  # the third is never visible
    clip = PointClip(
        'c', np.zeros((7, 8, 8, 3), np.uint8), np.zeros((3, 7, 2), np.float32), occluded
    )
    rows, frames = clip.queries('first')
    assert (rows.tolist(), frames.tolist()) == ([0, 1], [2, 0])
    rows, frames = clip.queries('strided')
    assert (rows.tolist(), frames.tolist()) == ([1, 0], [0, 5])
