"""Where something resembles a target, in frames with planted descriptors."""

from __future__ import annotations

import math

import pytest
import torch
from looks import GRID, anchor, frame
from torch import Tensor

from drift_ros.tracking.anchors import Anchor
from drift_ros.tracking.search import Point, search

ANYWHERE = torch.ones(GRID, dtype=torch.bool)
KNOWN = anchor((1, 4, 4, 8, 8), (2, 20, 4, 8, 8))
CELL = 2  # cells of the frame in one of those that are searched, along a side


def candidates(features: Tensor, free: Tensor = ANYWHERE) -> list[Point]:
    return search(features, [KNOWN], free).candidates


def near(found: Point | None, top: int, left: int) -> bool:
    """Whether that is the middle of a box of 8 cells."""
    return found is not None and math.dist(found, (top + 3.5, left + 3.5)) <= CELL


@pytest.mark.parametrize('place', [(4, 4), (21, 37), (32, 52)])
def test_a_target_is_found_anywhere(place: tuple[int, int]) -> None:
    features, looks = frame((1, *place, 8, 8), (2, 20, 4, 8, 8), (3, 4, 24, 6, 9))
    (found,) = candidates(features)
    assert near(found, *place)
    likeliest = search(features, [KNOWN], ANYWHERE).likeliest
    assert likeliest is not None and looks[tuple(map(round, likeliest))] == 1


def test_nothing_is_found_where_there_is_no_such_thing_but_something_is_likeliest() -> None:
    found = search(frame((2, 20, 30, 8, 8), (3, 4, 24, 6, 9))[0], [KNOWN], ANYWHERE)
    assert found.candidates == []
    assert found.likeliest is not None
    y, x = found.likeliest
    assert 0 <= y < GRID[0] and 0 <= x < GRID[1]


def test_nothing_is_found_where_it_may_not_be() -> None:
    features, looks = frame((1, 21, 37, 8, 8))
    found = search(features, [KNOWN], looks != 1)
    assert found.candidates == [] and not near(found.likeliest, 21, 37)
    assert search(features, [KNOWN], ~ANYWHERE) == ([], None)


def test_a_part_of_it_is_enough() -> None:
    features, _ = frame((1, 12, 56, 8, 4))
    (found,) = candidates(features)
    assert math.dist(found, (15.5, 57.5)) <= CELL


def test_what_resembles_it_more_comes_first() -> None:
    features, _ = frame((1, 4, 4, 8, 8), (1, 20, 40, 8, 8))
    blurred = features.clone()
    blurred[:, 20:28, 40:48] += 0.1 * torch.randn(48, 8, 8)
    first, second = candidates(torch.nn.functional.normalize(blurred, dim=0))
    assert near(first, 4, 4) and near(second, 20, 40)


def test_what_is_hard_to_tell_from_its_background_is_the_likeliest_place() -> None:
    features, looks = frame((1, 21, 37, 8, 8))
    faint = torch.where(looks == 1, 0.3 * features, torch.zeros(()))
    around = frame()[0]
    found = search(torch.nn.functional.normalize(faint + around, dim=0), [KNOWN], ANYWHERE)
    assert found.candidates == [] and near(found.likeliest, 21, 37)


def test_a_twin_that_is_no_target_makes_the_target_no_background() -> None:
    features, _ = frame((1, 4, 4, 8, 8), (1, 4, 16, 8, 8))  # the twin is within its view
    mine = torch.zeros(GRID)
    mine[4:12, 4:12] = 1
    twin = Anchor.of(1, features, mine, mine)
    (found,) = search(frame((1, 21, 37, 8, 8))[0], [KNOWN, twin], ANYWHERE).candidates
    assert near(found, 21, 37)
