"""Targets that may be something else are looked at for some time, and given up by their size."""

from __future__ import annotations

import math

import torch

from drift_ros.tracking.recognition import Place
from drift_ros.tracking.verification import APART, LOOKS, Verification

LIMIT = math.log(1.22) / 2
TARGET = 3


def place(scale: float, deviation: float = 0.01) -> Place:
    return Place(torch.zeros(1, 1), 100.0, (10.0, 10.0), scale, deviation, 1.0)


def looked(
    *scales: float | None, deviation: float = 0.01
) -> tuple[Verification, list[int], int | None]:
    """What becomes of a target that has these scales when it is looked at, and when that was."""
    verification = Verification()
    verification.begin(TARGET, 0)
    numbers, number = [], 0
    for scale in scales:
        number += 1
        while not verification.is_due(TARGET, number):
            number += 1
            assert number < 100
        numbers.append(number)
        seen = None if scale is None else place(scale, deviation)
        since = verification.look(TARGET, number, seen, LIMIT)
        if since is not None:
            return verification, numbers, since
    return verification, numbers, None


def test_a_target_is_believed_once_its_size_is_surely_right() -> None:
    verification, numbers, since = looked(0.05, -0.05, 0.05)
    assert since is None and numbers == [2, 4, 6]
    assert not verification.is_open(TARGET) and not verification.is_due(TARGET, 1000)
    assert looked(0.05, -0.05)[0].is_open(TARGET)


def test_one_whose_size_is_unsure_is_believed_in_the_end() -> None:
    verification, numbers, since = looked(*[0.09] * LOOKS, deviation=0.05)
    assert since is None
    assert numbers == [APART * (index + 1) for index in range(LOOKS)]
    assert not verification.is_open(TARGET) and not verification.is_due(TARGET, 1000)


def test_one_that_has_another_size_never_was_it() -> None:
    verification, numbers, since = looked(0.0, 0.2, 0.2)
    assert since == 0
    assert numbers == [2, 4, 5]  # at once, where it is doubted
    assert not verification.is_open(TARGET)


def test_an_unsure_size_or_none_is_no_reason() -> None:
    assert looked(*[0.15] * LOOKS, deviation=0.08)[2] is None
    assert looked(*[None] * LOOKS)[2] is None
    assert looked(0.2)[2] is None  # a single look


def test_the_targets_are_apart() -> None:
    verification = Verification()
    verification.begin(1, 0)
    verification.begin(2, 0)
    verification.forget(1)
    assert not verification.is_due(1, 100) and verification.is_due(2, 100)
    verification.keep([1])
    assert not verification.is_due(2, 100)
    verification.begin(1, 0)
    verification.reset()
    assert not verification.is_open(1)
