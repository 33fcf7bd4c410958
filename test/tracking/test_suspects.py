"""Places that may be a target, over frames: against what their sizes say in closed form."""

from __future__ import annotations

import math

import pytest
import torch

from drift_ros.tracking.anchors import Place
from drift_ros.tracking.gaps import Gaps
from drift_ros.tracking.suspects import Suspect, change, follow, identify, nearest

AREAS = [100.0, 120.0]  # that the target had
LENGTHS = [4.0, 5.0]
NO_LABEL = torch.zeros(1, 1)


def place(
    area: float, x: float = 10, similarity: float = 0.8, whole: bool = True, length: float = 4.0
) -> Place:
    return Place(NO_LABEL, similarity, area, length, (10.0, x), whole)


def seen(*frames: list[Place]) -> list[Suspect]:
    suspects: list[Suspect] = []
    for number, places in enumerate(frames):
        suspects = follow(suspects, places, number)
    return suspects


def taken(*frames: list[Place], most: float = 1.22) -> float | None:
    """Where the one is that is taken (x)."""
    found = identify(seen(*frames), len(frames) - 1, AREAS, LENGTHS, most)
    return None if found is None else found.place.middle[1]


@pytest.mark.parametrize(
    ('area', 'expected'),
    [(110, 0), (100, 0), (50, math.log(2)), (240, math.log(2))],
)
def test_a_change_of_size_counts_from_what_the_target_had(area: float, expected: float) -> None:
    assert change(area, AREAS) == pytest.approx(expected)


@pytest.mark.parametrize(
    ('area', 'found'), [(110, True), (85, True), (140, True), (80, False), (150, False)]
)
def test_its_size_must_fit(area: float, found: bool) -> None:
    assert (taken([place(area)]) is not None) == found


@pytest.mark.parametrize(
    ('length', 'found'), [(3.6, True), (4.5, True), (5.6, True), (3.5, False), (5.7, False)]
)
def test_its_length_must_fit_more_closely(length: float, found: bool) -> None:
    assert (taken([place(110, length=length)]) is not None) == found


def test_what_grows_is_still_coming_into_sight() -> None:
    growing = [[place(40)], [place(65)], [place(95)]]
    assert taken(*growing[:2]) is None and taken(*growing) is not None
    assert taken([place(95)], [place(40)], [place(40)]) is not None
    assert taken([place(95)], *[[place(40)]] * 3) is None


def test_sizes_at_the_border_of_the_frame_do_not_count() -> None:
    cut = [place(100, whole=False)]
    assert taken(cut, cut, cut, cut) is None
    assert taken(cut, [place(110)]) is not None


def test_what_moves_is_the_same_and_what_jumps_is_another() -> None:
    (near,) = seen([place(100, 10)], [place(100, 20)], [place(100, 30)])
    assert near.sizes == pytest.approx([math.log(100)] * 3)
    jumped, left = seen([place(100, 10)], [place(100, 40)])
    assert len(jumped.sizes) == 1 and left.number == 0


def test_each_place_continues_the_nearest_suspect_once() -> None:
    first, second = seen([place(100, 10), place(64, 20)], [place(64, 18), place(100, 12)])
    assert [math.exp(size) for size in first.sizes] == pytest.approx([64, 64])
    assert [math.exp(size) for size in second.sizes] == pytest.approx([100, 100])


def test_what_was_not_seen_for_long_is_forgotten_and_nothing_grows() -> None:
    frames = [[place(100, 100.0 * (number % 50))] for number in range(500)]
    suspects = seen(*frames)
    assert len(suspects) <= 6 and max(len(suspect.sizes) for suspect in suspects) <= 3
    assert seen([place(100)], *[[]] * 6) == []


def test_of_several_that_fit_the_clearly_better_one_is_taken() -> None:
    assert taken([place(110, 10, 0.9), place(110, 40, 0.7)]) == 10
    assert taken([place(110, 10, 0.9), place(110, 40, 0.85)]) is None
    assert taken([place(110, 10, 0.9), place(60, 40, 0.9)]) == 10
    assert taken([place(86, 10, 0.8), place(110, 40, 0.8)]) == 40  # log(100 / 86) = 0.15


def test_near_its_predicted_place_a_part_of_it_will_do() -> None:
    part = place(45)
    assert nearest([part], AREAS) is part
    assert nearest([place(35)], AREAS) is None and nearest([place(160)], AREAS) is None
    assert nearest([place(100, 10, 0.8), place(100, 20, 0.75)], AREAS) is None


def test_frames_of_a_gap_do_not_know_the_target_nor_all_of_the_background() -> None:
    gaps, frames = Gaps(), torch.arange(10)
    for number in range(10):
        gaps.observe(
            number, [1, 2] if number in (0, 1, 7, 8, 9) else [2], 1 if number == 7 else None
        )
    known = gaps.known(frames, [2, 1])
    expected = (frames < 2) | (frames >= 7)
    assert known[:, 1].all() and known[:, 2].equal(expected) and known[:, 0].equal(expected)
    gaps.go_back_to(7)
    assert gaps.known(frames, [2, 1]).all()
    gaps.observe(7, [1, 2], 1)
    assert gaps.known(frames, [1])[2:7, 1].sum() == 0
    gaps.keep([2])
    assert gaps.known(frames, [1, 2]).all()


def test_a_target_that_was_only_hidden_leaves_no_gap() -> None:
    gaps = Gaps()
    for number in range(6):
        gaps.observe(number, [1] if number != 3 else [], None)
    assert gaps.known(torch.arange(6), [1]).all()
