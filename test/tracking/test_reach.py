"""What a target cannot have got to is not it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from drift_ros.structures import TargetState
from drift_ros.tracking.motion import Motion
from drift_ros.tracking.reach import drop_unreachable, within_reach
from drift_ros.tracking.states import Track

SIZE, GRID = (160, 240), (20, 30)  # px and cells: 8 px a cell
SLOTS = {7: 1, 9: 2}


def track(
    x: float = 60, y: float = 60, extent: tuple[int, int] = (24, 16), deviation: float = 2
) -> Track:
    motion = Motion.start((x, y), 16, deviation)
    return Track(motion, motion.place, 0, 0, extent, (0, 0), TargetState.VISIBLE, 0.9)


def labels(*boxes: tuple[int, int, int, int, int], faint: float = 0.0) -> Tensor:
    """(3, h, w) soft labels of boxes (slot, top, left, height, width)."""
    soft = torch.zeros(3, *GRID)
    soft[1] = faint
    for slot, top, left, height, width in boxes:
        soft[:, top : top + height, left : left + width] = 0
        soft[slot, top : top + height, left : left + width] = 0.75
    soft[0] = 1 - soft[1:].sum(0)
    return soft


@pytest.mark.parametrize(('x', 'y'), [(60.0, 60.0), (0.0, 159.0)])
def test_reach_is_the_larger_side_and_three_deviations(x: float, y: float) -> None:
    near = within_reach(track(x, y), SIZE, GRID)
    for row, column in np.ndindex(*GRID):
        distance = max(abs(8 * column + 3.5 - x), abs(8 * row + 3.5 - y))
        assert near[row, column] == (distance <= 24 + 3 * 2)


def test_what_is_out_of_reach_becomes_background() -> None:
    soft = labels((1, 6, 6, 3, 3), (1, 6, 20, 3, 3))
    found = drop_unreachable(soft, SLOTS, {7: track()}, SIZE)
    assert torch.equal(found, labels((1, 6, 6, 3, 3)))
    assert torch.equal(soft, labels((1, 6, 6, 3, 3), (1, 6, 20, 3, 3)))  # as it was


def test_what_it_is_stretched_to_stays() -> None:
    soft = labels((1, 6, 6, 3, 20), (2, 12, 2, 4, 4))
    assert drop_unreachable(soft, SLOTS, {7: track()}, SIZE) is soft


def test_faint_labels_stay_that_are_nobodys() -> None:
    soft = labels((1, 6, 6, 3, 3), faint=0.2)
    assert drop_unreachable(soft, SLOTS, {7: track()}, SIZE) is soft


@pytest.mark.parametrize('state', TargetState)
def test_what_is_lost_may_be_anywhere(state: TargetState) -> None:
    soft = labels((1, 6, 20, 3, 3))
    found = drop_unreachable(soft, SLOTS, {7: replace(track(), state=state)}, SIZE)
    assert (found is soft) == (state == TargetState.LOST)
    assert bool(found[1].any()) == (state == TargetState.LOST)


def test_one_target_does_not_touch_another() -> None:
    soft = labels((1, 6, 6, 3, 3), (2, 6, 20, 3, 3))
    both = {7: track(), 9: track(180, 60)}
    assert drop_unreachable(soft, SLOTS, both, SIZE) is soft
    found = drop_unreachable(soft, SLOTS, {**both, 9: track()}, SIZE)
    assert torch.equal(found, labels((1, 6, 6, 3, 3)))


@settings(deadline=None)  # its first run loads things
@given(st.integers(0, 2**32 - 1), st.floats(-50, 300), st.floats(-50, 200), st.floats(0, 60))
def test_labels_are_moved_to_the_background_and_none_is_made(
    seed: int, x: float, y: float, deviation: float
) -> None:
    soft = torch.randn(3, *GRID, generator=torch.Generator().manual_seed(seed)).softmax(0)
    found = drop_unreachable(soft, SLOTS, {7: track(x, y, deviation=deviation)}, SIZE)
    torch.testing.assert_close(found.sum(0), soft.sum(0))
    assert torch.equal(found[2], soft[2])
    changed = found[1] != soft[1]
    assert (found[1][changed] == 0).all()
    assert not (changed.numpy() & within_reach(track(x, y, deviation=deviation), SIZE, GRID)).any()
