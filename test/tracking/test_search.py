"""Where something resembles a target, in frames with planted descriptors."""

from __future__ import annotations

import math

import pytest
import torch
from looks import GRID, anchor, frame
from torch import Tensor

from drift_ros.tracking.anchors import Anchor
from drift_ros.tracking.search import Point, resembling

ANYWHERE = torch.ones(GRID, dtype=torch.bool)
KNOWN = anchor((1, 4, 4, 8, 8), (2, 20, 4, 8, 8))
CELL = 2  # cells of the frame in one of those that are searched, along a side


def candidates(features: Tensor, free: Tensor = ANYWHERE) -> list[Point]:
    return resembling(features, [KNOWN], free).candidates


def near(found: Point | None, top: int, left: int) -> bool:
    """Whether that is the middle of a box of 8 cells."""
    return found is not None and math.dist(found, (top + 3.5, left + 3.5)) <= CELL


@pytest.mark.parametrize('place', [(4, 4), (21, 37), (32, 52)])
def test_a_target_is_found_anywhere(place: tuple[int, int]) -> None:
    features, looks = frame((1, *place, 8, 8), (2, 20, 4, 8, 8), (3, 4, 24, 6, 9))
    (found,) = candidates(features)
    assert near(found, *place)
    likeliest = resembling(features, [KNOWN], ANYWHERE).likeliest([], 0)
    assert likeliest is not None and looks[tuple(map(round, likeliest))] == 1


def test_nothing_is_found_where_there_is_no_such_thing_but_something_is_likeliest() -> None:
    found = resembling(frame((2, 20, 30, 8, 8), (3, 4, 24, 6, 9))[0], [KNOWN], ANYWHERE)
    assert found.candidates == []
    likeliest = found.likeliest([], 0)
    assert likeliest is not None
    y, x = likeliest
    assert 0 <= y < GRID[0] and 0 <= x < GRID[1]


def test_nothing_is_found_where_it_may_not_be() -> None:
    features, looks = frame((1, 21, 37, 8, 8))
    found = resembling(features, [KNOWN], looks != 1)
    assert found.candidates == [] and not near(found.likeliest([], 0), 21, 37)
    nowhere = resembling(features, [KNOWN], ~ANYWHERE)
    assert nowhere.candidates == [] and nowhere.likeliest([], 0) is None


def test_the_likeliest_place_lies_apart_from_others() -> None:
    found = resembling(frame((1, 4, 4, 8, 8), (1, 20, 40, 8, 8))[0], [KNOWN], ANYWHERE)
    for known, other in (((4, 4), (20, 40)), ((20, 40), (4, 4))):
        there = (known[0] + 3.5, known[1] + 3.5)
        likeliest = found.likeliest([there], 8)
        assert near(likeliest, *other)
        assert likeliest is not None and math.dist(likeliest, there) > 8
    assert found.likeliest([(15.5, 31.5)], 1000) is None


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
    features = torch.nn.functional.normalize(faint + around, dim=0)
    found = resembling(features, [KNOWN], ANYWHERE)
    assert found.candidates == [] and near(found.likeliest([], 0), 21, 37)


def test_a_twin_that_is_no_target_makes_the_target_no_background() -> None:
    features, _ = frame((1, 4, 4, 8, 8), (1, 4, 16, 8, 8))  # the twin is within its view
    mine = torch.zeros(GRID)
    mine[4:12, 4:12] = 1
    twin = Anchor.of(1, features, mine, mine)
    (found,) = resembling(frame((1, 21, 37, 8, 8))[0], [KNOWN, twin], ANYWHERE).candidates
    assert near(found, 21, 37)


def test_what_stood_there_when_the_target_was_elsewhere_is_not_it() -> None:
    features, _ = frame((1, 4, 4, 8, 8), (1, 20, 40, 8, 8))  # the second is a twin
    mine = torch.zeros(GRID)
    mine[4:12, 4:12] = 1
    known = [Anchor.of(0, features, mine, mine)]
    found = resembling(frame((1, 20, 40, 8, 8))[0], known, ANYWHERE)
    assert found.candidates == [] and not near(found.likeliest([], 0), 20, 40)
    (twin,) = resembling(frame((1, 20, 40, 8, 8))[0], known, ANYWHERE, unchanged=True).candidates
    assert near(twin, 20, 40)
    for place in ((21, 24), (4, 4)):  # elsewhere, or where it was
        now = frame((1, 20, 40, 8, 8), (1, *place, 8, 8))[0]
        (there,) = resembling(now, known, ANYWHERE).candidates
        assert near(there, *place)
