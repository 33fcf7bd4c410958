"""Known shapes in what is shown of all of them: discs whose places are known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from drift_ros.tracking.shape_fit import fit, shifted

GRID = (40, 60)
STANDING = np.zeros((2, 2))


def disc(x: float, y: float, radius: float) -> NDArray[np.float32]:
    rows, columns = np.mgrid[: GRID[0], : GRID[1]]
    away = np.hypot(columns - x, rows - y)
    return np.clip(radius + 0.5 - away, 0, 1).astype(np.float32)


def union(*shapes: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.max(shapes, 0)


small = st.integers(-3, 3)


@settings(max_examples=25, deadline=None)
@given(st.tuples(small, small), st.tuples(small, small), st.integers(0, 14))
def test_discs_are_found_where_they_touch_or_hide_each_other(
    one: tuple[int, int], other: tuple[int, int], distance: int
) -> None:
    """Expected up to three cells off, in front or behind."""
    large, little = disc(25, 20, 7), disc(25 + distance, 20, 5)
    expected = np.stack([shifted(large, np.array(one)), shifted(little, np.array(other))])
    found = fit(union(large, little), expected, STANDING)
    assert found.overlap > 0.85
    if distance >= 8:  # enough of either is in sight
        assert np.abs(found.shifts + np.array([one, other])).max() <= 1


def test_one_that_is_hidden_stays_where_it_is_expected() -> None:
    large, little = disc(25, 20, 8), disc(27, 21, 4)
    found = fit(large, np.stack([large, little]), STANDING)
    assert not found.shifts.any() and found.overlap == pytest.approx(1)


def test_one_that_bounced_is_found_where_it_was() -> None:
    """It is expected on the other side, far from what is shown."""
    front, behind = disc(20, 20, 7), disc(31, 20, 6)
    expected = np.stack([front, shifted(behind, np.array([-18, 0]))])
    was = np.array([[0, 0], [16.0, 0]])  # two cells from where it is now
    assert fit(union(front, behind), expected, was).shifts[1].tolist() == [18, 0]
    assert fit(union(front, behind), expected, STANDING).overlap < 0.75


def test_shapes_that_changed_do_not_fit() -> None:
    bar = np.zeros(GRID, np.float32)
    bar[18:22, 5:55] = 1
    found = fit(bar, np.stack([disc(20, 20, 7), disc(36, 20, 7)]), STANDING)
    assert found.overlap < 0.6


def test_shapes_out_of_sight_stay() -> None:
    nothing = np.zeros(GRID, np.float32)
    found = fit(disc(20, 20, 6), np.stack([disc(20, 20, 6), nothing]), STANDING)
    assert not found.shifts.any() and found.outlines.shape == (2, *GRID)
