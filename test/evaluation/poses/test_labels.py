"""Joints as soft labels and back."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from drift_ros.evaluation.poses.labels import draw_joints, read_joints

SIZE, GRID = (240, 320), (40, 40)  # cells of 8 x 6 px
NEAR, CORNER = math.exp(-2), math.exp(-4)  # sigma of half a cell


def drawn(x: float, y: float) -> np.ndarray:
    return draw_joints(np.array([[x, y]]), SIZE, GRID).numpy()


def test_a_joint_is_a_bell_around_its_cell():
    background, bell = drawn(10 * 8 + 3.9, 20 * 6 - 2.9)  # the cell (10, 20), up to half a cell
    assert np.unravel_index(bell.argmax(), GRID) == (20, 10)
    np.testing.assert_allclose(
        bell[19:22, 9:12], [[CORNER, NEAR, CORNER], [NEAR, 1, NEAR], [CORNER, NEAR, CORNER]]
    )
    rows, columns = np.nonzero(bell)  # four cells wide, two of them before the peak
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (18, 21, 8, 11)
    np.testing.assert_array_equal(background, bell == 0)


@pytest.mark.parametrize(
    ('place', 'peak'), [((319, 100), None), ((0, 120), (20, 1)), ((8, 120), (20, 2))]
)
def test_joints_at_the_border_are_cut(place, peak):
    # at the left border the cut of the original moves the peak by a cell
    bell = drawn(*place)[1]
    if peak is None:
        assert np.nonzero(bell)[1].min() == 38 and bell.max() == pytest.approx(NEAR)
    else:
        assert np.unravel_index(bell.argmax(), GRID) == peak


@pytest.mark.parametrize('place', [(-40, 100), (400, 100), (100, -40), (100, 300)])
def test_a_joint_outside_leaves_no_mark_and_is_not_found(place):
    soft = torch.from_numpy(drawn(*place))
    assert not soft[1].any() and soft[0].all()
    np.testing.assert_array_equal(read_joints(soft, SIZE), [[-1, -1]])


def test_a_joint_is_read_from_its_three_strongest_cells():
    soft = torch.zeros(2, *GRID)
    soft[1, 10, 20], soft[1, 10, 22], soft[1, 14, 20] = 0.5, 0.25, 0.25
    soft[1, 30, 30] = 0.2  # the fourth
    soft[0] = 1  # background has no say
    # cells: x = 20 + 0.25 * 2, y = 10 + 0.25 * 4
    np.testing.assert_allclose(read_joints(soft, SIZE), [[20.5 * 8, 11 * 6]])


def test_what_is_drawn_is_read_again():
    joints = np.array([[80.0, 120], [200, 60], [160, 180]])  # on cells
    found = read_joints(draw_joints(joints, SIZE, GRID), SIZE)
    share = NEAR / (1 + 2 * NEAR)  # each of two neighbours that join the peak
    assert np.abs(found - joints).max() <= 2 * share * 8 + 1e-6
