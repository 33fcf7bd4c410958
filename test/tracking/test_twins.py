"""Labels on a twin beside a target are cut off, and those on the target are not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from discs import GRID, SIZE, anchor_of, cells, disc, picture
from numpy.typing import NDArray

from drift_ros.recognition import Recognizer
from drift_ros.structures import TargetState
from drift_ros.tracking.gallery import Gallery
from drift_ros.tracking.motion import Motion
from drift_ros.tracking.states import Track
from drift_ros.tracking.twins import cut_off_twins

TARGET, OTHER = 7, 9
HERE, THERE = disc(100, 100, 24), disc(200, 120, 24)


@pytest.fixture
def gallery() -> Gallery:
    """It knows a disc."""
    made = Gallery(Recognizer.load(torch.device('cpu')))
    before = disc(90, 100, 24)
    anchor = anchor_of(before)
    made._given[TARGET] = anchor
    made.recognition.remember(anchor, picture(before), before)
    return made


def track(x: float = 100, y: float = 100) -> Track:
    motion = Motion.start(np.array([x, y]), 42.0, 2.0)
    return Track(motion, motion.place, 0, 0, (48, 48), (0.0, 0.0), TargetState.VISIBLE, 0.9)


def labels(*masks: NDArray[np.bool_]) -> torch.Tensor:
    """(3, h, w) soft labels of the target, which has these masks, and of another one."""
    mine = torch.stack([cells(mask) for mask in masks]).amax(0)
    return torch.stack([1 - mine, mine, torch.zeros(GRID)])


def cut(
    gallery: Gallery, soft: torch.Tensor, shown: NDArray[np.bool_], known: Track | None = None
) -> tuple[torch.Tensor, dict[int, tuple[float, float]]]:
    slots, expected = {TARGET: 1, OTHER: 2}, {TARGET: known or track()}
    return cut_off_twins(soft, slots, expected, gallery, picture(shown))


@pytest.mark.parametrize('twin', [THERE, THERE & disc(190, 110, 24)])
def test_what_lies_on_a_twin_becomes_background(gallery: Gallery, twin: NDArray[np.bool_]) -> None:
    found, twins = cut(gallery, labels(HERE, twin), HERE | THERE)
    assert torch.equal(found[1] > 0.5, cells(HERE) > 0.5)
    torch.testing.assert_close(found.sum(0), torch.ones(GRID))
    assert not found[2].any()
    (y, x) = twins[TARGET]
    assert abs(8 * x + 3.5 - 200) < 8 and abs(8 * y + 3.5 - 120) < 8


def test_the_one_where_it_is_expected_is_the_target(gallery: Gallery) -> None:
    found, _ = cut(gallery, labels(HERE, THERE), HERE | THERE, track(200, 120))
    assert torch.equal(found[1] > 0.5, cells(THERE) > 0.5)


def test_a_target_with_a_twin_that_is_a_target_is_left_to_other_rules(gallery: Gallery) -> None:
    soft, slots = labels(HERE, THERE), {TARGET: 1, OTHER: 2}
    alike = torch.zeros(3, 3, dtype=torch.bool)
    for similar in (False, True):
        alike[1, 2] = alike[2, 1] = similar
        image = picture(HERE | THERE)
        found, _ = cut_off_twins(soft, slots, {TARGET: track()}, gallery, image, alike)
        assert (found is soft) == similar


def test_a_piece_on_something_else_is_left_to_other_rules(gallery: Gallery) -> None:
    soft = labels(HERE, THERE)
    found, twins = cut(gallery, soft, HERE)
    assert found is soft and not twins


def test_a_target_behind_a_pole_stays_whole(gallery: Gallery) -> None:
    pole = np.zeros(SIZE, bool)
    pole[:, 98:108] = True
    soft = labels(HERE & ~pole)
    found, twins = cut(gallery, soft, HERE & ~pole)
    assert found is soft and not twins


def test_what_covers_no_more_than_before_is_not_looked_at(
    gallery: Gallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gallery, 'look', None)
    for state, soft in ((TargetState.VISIBLE, HERE), (TargetState.LOST, HERE | THERE)):
        known = replace(track(), state=state)
        found, twins = cut(gallery, labels(soft), HERE | THERE, known)
        assert torch.equal(found, labels(soft)) and not twins
