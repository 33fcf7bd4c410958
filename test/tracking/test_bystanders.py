"""Places that looked like a target beside it are followed, and are not it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drift_ros.tracking.bystanders import PATIENCE, Bystanders
from drift_ros.tracking.search import Point

SIZE = 4.0  # of the target, in cells
TARGET = 3


def at(*places: float) -> list[Point]:
    return [(10.0, x) for x in places]


def left(bystanders: Bystanders, number: int, *places: float) -> list[float]:
    """Which of the places may be the target."""
    found = bystanders.others(TARGET, number, at(*places), SIZE)
    return [x for _, x in found]


def beside(*sightings: float) -> Bystanders:
    """One that was seen every 5 frames while the target was in sight."""
    bystanders = Bystanders()
    for index, x in enumerate(sightings):
        bystanders.watch(TARGET, 5 * index, at(x), SIZE)
    return bystanders


def test_what_was_seen_beside_the_target_is_not_it() -> None:
    bystanders = beside(10, 14)
    assert left(bystanders, 6, 15, 30) == [30]
    assert bystanders.others(TARGET + 1, 7, at(15), SIZE) == at(15)  # it may be another one


def test_what_is_seen_first_while_the_target_is_away_may_be_it() -> None:
    assert left(Bystanders(), 6, 10) == [10]
    bystanders = beside(10)
    assert left(bystanders, 6, 10, 40) == [40] and left(bystanders, 7, 10, 40) == [40]


def test_it_moves_and_does_not_jump() -> None:
    bystanders = beside(10, 10)
    for number in range(6, 20):
        assert left(bystanders, number, number + 5.0, 50) == [50]
    assert left(bystanders, 20, 40) == [40]


def test_it_moves_farther_while_nobody_looks() -> None:
    assert left(beside(10, 10), 6, 17) == [17]  # more than 1.5 sizes from one frame to the next
    assert left(beside(10, 10), 10, 21) == []  # 3 sizes at most, in however many
    assert left(beside(10, 10), 10, 23) == [23]


def test_of_two_beside_each_other_one_is_the_bystander() -> None:
    assert left(beside(10, 10), 6, 14, 11) == [14]


def test_the_places_of_those_that_were_seen_lately_are_known() -> None:
    bystanders = beside(10, 12)
    assert bystanders.places(TARGET, 6) == at(12) and bystanders.places(TARGET + 1, 6) == []
    assert bystanders.places(TARGET, 5 + PATIENCE) == at(12)
    assert bystanders.places(TARGET, 6 + PATIENCE) == []


def test_what_stood_beside_one_that_was_taken_for_the_target_may_be_it() -> None:
    bystanders = beside(10, 10)
    bystanders.confuse(TARGET, 6, (10.0, 50.0))
    assert left(bystanders, 7, 10, 50) == [10]


def test_what_is_out_of_sight_for_long_is_forgotten() -> None:
    assert left(beside(10, 10), 5 + PATIENCE, 10) == []
    assert left(beside(10, 10), 6 + PATIENCE, 10) == [10]


@pytest.mark.parametrize('way', ['reset', 'keep'])
def test_it_is_forgotten_with_its_target(way: str) -> None:
    bystanders = beside(10, 10)
    bystanders.keep([TARGET])
    assert left(bystanders, 6, 10) == []
    if way == 'reset':
        bystanders.reset()
    else:
        bystanders.keep([])
    assert left(bystanders, 7, 10) == [10]


@settings(deadline=None)
@given(st.lists(st.lists(st.floats(0, 100), max_size=4), max_size=40), st.booleans())
def test_nothing_grows_and_no_place_is_made(frames: list[list[float]], searched: bool) -> None:
    bystanders = beside(10, 10)
    for number, places in enumerate(frames, 6):
        if searched and number % 3 == 0:
            assert set(left(bystanders, number, *places)) <= set(places)
        else:
            bystanders.watch(TARGET, number, at(*places), SIZE)
        assert len(bystanders._known[TARGET]) <= 1 + 4 * (PATIENCE + 1)
