"""Homographies are fitted to most places, whatever the others do."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from drift_ros.points.planes import fit, largest, transform

SIZE = (480, 640)
SMALL = st.floats(-1, 1)


def places(count: int, rng: np.random.Generator) -> np.ndarray:
    return np.float32(rng.uniform((0, 0), SIZE[::-1], (count, 2)))


@settings(max_examples=25, deadline=None)
@given(st.tuples(*[SMALL] * 8), st.integers(0, 99))
def test_a_homography_is_found_in_spite_of_outliers(numbers: tuple[float, ...], seed: int) -> None:
    rng = np.random.default_rng(seed)
    scale = np.array([0.02, 0.02, 8, 0.02, 0.02, 8, 4e-6, 4e-6])
    truth = np.eye(3) + np.append(np.array(numbers) * scale, 0).reshape(3, 3)
    start = places(120, rng)
    moved = transform(truth, start)
    wild = rng.choice(120, 30, replace=False)
    moved[wild] += rng.uniform(20, 60, (30, 2)).astype(np.float32)
    expected = truth.copy()
    expected[:2, 2] += rng.uniform(-2, 2, 2)  # what the flow may be off
    found, good = fit(expected, start, moved, 1.6, SIZE)
    np.testing.assert_allclose(transform(found, start), transform(truth, start), atol=0.25)
    assert set(np.flatnonzero(~good)) == set(wild)


def test_the_largest_of_several_motions() -> None:
    rng = np.random.default_rng(0)
    start = places(100, rng)
    moved = start + np.float32([5, -3])
    moved[60:] = start[60:] + np.float32([-20, 4])
    matrix, members = largest(start, moved, 1.6)
    assert members.tolist() == [True] * 60 + [False] * 40
    np.testing.assert_allclose(transform(matrix, start[:60]), moved[:60], atol=0.01)


def test_no_places() -> None:
    none = np.zeros((0, 2), np.float32)
    assert transform(np.eye(3), none).shape == (0, 2)
