"""Scores that are probabilities, and scores that are not."""

from __future__ import annotations

import numpy as np
import pytest

from drift_ros.evaluation.metrics.calibration import calibration_error, reliability


def test_probabilities_have_no_error() -> None:
    scores = np.repeat([0.25, 0.75], 400)
    right = np.tile([True, False, False, False], 100).tolist() + [True, True, True, False] * 100
    bins = reliability(scores, right)
    assert calibration_error(bins) == pytest.approx(0)
    assert [b.count for b in bins if b.count] == [400, 400]
    assert (bins[7].score, bins[7].right) == (0.75, 0.75)


def test_overconfidence_is_the_error() -> None:
    bins = reliability([0.9] * 10 + [1.0] * 10, [True] * 5 + [False] * 5 + [True] * 10)
    assert bins[9].count == 20
    assert calibration_error(bins) == pytest.approx(0.2)
    assert calibration_error(reliability([0.9] * 4, [True, False] * 2)) == pytest.approx(0.4)


def test_nothing_has_no_error() -> None:
    assert np.isnan(calibration_error(reliability([], [])))
