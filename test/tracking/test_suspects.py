"""Places that may be a target, over frames: against what their scales say in closed form."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from drift_ros.tracking.gaps import Gaps
from drift_ros.tracking.recognition import Place
from drift_ros.tracking.suspects import Suspect, change, follow, identify, only_one

AREAS = [100.0, 120.0]  # that the target had
NO_LABEL = torch.zeros(1, 1)


def place(
    scale: float = 0.0,
    x: float = 10,
    deviation: float = 0.004,
    area: float = 100,
) -> Place:
    return Place(NO_LABEL, area, (10.0, x), scale, deviation, 1.0)


def seen(*frames: list[Place]) -> list[Suspect]:
    suspects: list[Suspect] = []
    for number, places in enumerate(frames):
        suspects = follow(suspects, places, number)
    return suspects


def taken(*frames: list[Place], most: float = 1.22) -> float | None:
    """Where the one is that is taken (x)."""
    found = identify(seen(*frames), len(frames) - 1, most)
    return None if found is None else found.place.middle[1]


@pytest.mark.parametrize(
    ('area', 'expected'),
    [(110, 0), (100, 0), (50, math.log(2)), (240, math.log(2))],
)
def test_a_change_of_size_counts_from_what_the_target_had(area: float, expected: float) -> None:
    assert change(area, AREAS) == pytest.approx(expected)


@pytest.mark.parametrize('scale', [0.0, 0.095, -0.095, 0.105, -0.105])
def test_its_size_must_fit(scale: float) -> None:
    fits = abs(scale) < 0.1  # log(1.22) / 2 = 0.0994
    assert (taken([place(scale)]) is not None) == fits
    assert (taken(*[[place(scale)]] * 24) is not None) == fits


def test_what_is_unsure_is_seen_many_times() -> None:
    sure, unsure = [place(0.02, deviation=0.06)], [place(0.02, deviation=0.08)]
    assert taken(sure) == 10
    assert taken(unsure) is None and taken(*[unsure] * 23) is None
    assert taken(*[unsure] * 24) == 10  # 0.08 / sqrt(24) = 0.016


def test_what_was_seen_for_long_must_fit_by_all_of_that() -> None:
    far, near = [place(0.13)], [place(0.08)]
    assert taken(*[far] * 24, *[near] * 6) is None  # 0.1175 by the newest 24
    assert taken(*[far] * 24, *[near] * 15) == 10  # 0.099


def test_a_scale_is_the_mean_of_the_newest_by_how_sure_they_are() -> None:
    last = [[place(0.2, deviation=0.1)], [place(0.08, deviation=0.05)], [place(0)]]
    (suspect,) = seen(*[[place(9.0)]] * 3, *[[place(0)]] * 21, *last)
    weights = [100, 400, *[1 / 0.004**2] * 22]
    expected = (0.2 * weights[0] + 0.08 * weights[1]) / sum(weights)
    assert suspect.scale == pytest.approx(expected)
    assert suspect.scales.deviation == pytest.approx(sum(weights) ** -0.5)


def test_what_moves_is_the_same_and_what_jumps_is_another() -> None:
    (near,) = seen([place(0.1, 10)], [place(0.2, 20)], [place(0.3, 30)])
    assert [scale for scale, _ in near.scales.each] == [0.1, 0.2, 0.3] and near.lasting
    jumped, left = seen([place(x=10)], [place(x=40)])
    assert jumped.scales.count == 1 and left.number == 0


def test_each_place_continues_the_nearest_suspect_once() -> None:
    first, second = seen([place(0.1, 10), place(0.2, 20)], [place(0.2, 18), place(0.1, 12)])
    assert [scale for scale, _ in first.scales.each] == [0.2, 0.2]
    assert [scale for scale, _ in second.scales.each] == [0.1, 0.1]


def test_what_was_not_seen_for_long_is_forgotten_and_nothing_grows() -> None:
    frames = [[place(x=100.0 * (number % 50))] for number in range(500)]
    suspects = seen(*frames)
    assert len(suspects) <= 6 and max(suspect.scales.count for suspect in suspects) <= 24
    assert seen([place()], *[[]] * 6) == []


def test_of_several_that_fit_the_clearly_better_one_is_taken() -> None:
    assert taken([place(-0.01, 10), place(0.07, 40)]) == 10
    assert taken([place(0.01, 10), place(0.04, 40)]) is None
    assert taken(*[[place(0.01, 10), place(0.07, 40)]] * 30) == 10
    assert taken([place(0.01, 10), place(-0.2, 40)]) == 10


def test_what_is_mistaken_for_a_target_is_a_gap_from_then_on() -> None:
    gaps, frames = Gaps(), torch.arange(12)
    for number in range(12):
        there = number in (0, 1, 5, 6, 7, 10, 11)
        found = 1 if number in (5, 10) else None
        gaps.observe(number, [1] if there else [], found, {1: 5} if number == 8 else {})
    assert torch.equal(gaps.known(frames, [1])[:, 1], (frames < 2) | (frames >= 10))
    beside = Gaps()
    for number in range(6):
        beside.observe(number, [1] if number < 5 else [], None, {1: 3} if number == 5 else {})
    assert torch.equal(beside.known(frames, [1])[:, 1], (frames < 3) | (frames >= 6))


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


@pytest.mark.parametrize(('away', 'begin'), [(2, 6), (5, 6)])
def test_what_was_taken_instead_of_a_target_is_a_gap_until_that_is_found(
    away: int, begin: int
) -> None:
    gaps, frames = Gaps(), torch.arange(12)
    for number in range(12):
        there = number <= away or number >= begin
        found = 1 if number in (begin, 9) else None
        gaps.observe(number, [1] if there else [], found, instead={1: begin} if number == 9 else {})
    unknown = (frames > away) & (frames < 9)
    assert torch.equal(gaps.known(frames, [1])[:, 1], ~unknown)


def often(scale: float, count: int = 36, **of: float) -> list[list[Place]]:
    return [[replace(place(scale), **of)]] * count


@pytest.mark.parametrize('scale', [0.3, -0.3, 0.69, -0.69])
def test_what_alone_looks_like_it_for_long_is_taken_at_another_distance(scale: float) -> None:
    frames = often(scale, probability=0.95)
    assert taken(*frames) is None
    suspects = seen(*frames)
    assert only_one(suspects, 35, 36) is suspects[0]
    assert only_one(suspects, 36, 36) is None  # it was not seen in this one
    assert only_one(suspects, 35, 37) is None
    assert only_one(suspects, 35, 0) is None


@pytest.mark.parametrize(
    'frames',
    [
        often(0.3, probability=0.85),
        often(0.75),
        often(0.3, deviation=0.43),  # 0.43 / sqrt(24) = 0.088
        [[place(0.3), place(0.3, x=60)]] * 36,
    ],
    ids=['unlike', 'far', 'unsure', 'two'],
)
def test_at_another_distance_it_must_be_sure_and_alone(frames: list[list[Place]]) -> None:
    assert only_one(seen(*frames), 35, 36) is None
    assert only_one(seen(*often(0.3, deviation=0.3)), 35, 36) is not None
