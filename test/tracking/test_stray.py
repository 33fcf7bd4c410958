from __future__ import annotations

import itertools
import math

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from drift_ros.tracking.stray import FAR, SHARE, drop_stray


def test_only_what_is_both_small_and_far_goes() -> None:
    labels = np.zeros((40, 100), np.uint8)
    labels[10:30, 10:30] = 1  # 20 px square: far is beyond 20 px
    labels[15:18, 45:48] = 1  # small, 16 px away
    labels[10:30, 60:63] = 1  # 15 % of it, far
    labels[15:18, 80:83] = 1  # small, far
    labels[30:33, 90:93] = 2  # as small, of another target
    kept = labels.copy()
    kept[15:18, 80:83] = 0
    drop_stray(labels)
    assert np.array_equal(labels, kept)


def test_masks_of_one_part_stay() -> None:
    labels = np.zeros((8, 12), np.uint8)
    drop_stray(labels)
    assert not labels.any()
    labels[2:4, 2:4], labels[5:8, 9] = 1, 7
    kept = labels.copy()
    drop_stray(labels)
    assert np.array_equal(labels, kept)


@given(seed=st.integers(0, 10**6), height=st.integers(1, 14), width=st.integers(1, 40))
def test_equals_comparing_all_pixels(seed: int, height: int, width: int) -> None:
    rng = np.random.default_rng(seed)
    labels = (rng.random((height, width)) < 0.12).astype(np.uint8)
    top, left = rng.integers(0, height), rng.integers(0, width)
    labels[top : top + 7, left : left + 7] = 1
    labels[rng.random((height, width)) < 0.05] = 2
    expected = by_brute_force(labels)
    drop_stray(labels)
    assert np.array_equal(labels, expected)


def by_brute_force(labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    kept = labels.copy()
    for label in {*labels.ravel().tolist()} - {0}:
        parts = parts_of(
            {(int(y), int(x)) for y, x in zip(*np.nonzero(labels == label), strict=True)}
        )
        largest = max(parts, key=len)
        assume(sum(len(part) == len(largest) for part in parts) == 1)
        for part in parts:
            nearest = min(math.dist(p, q) for p, q in itertools.product(part, largest))
            if len(part) < SHARE * len(largest) and nearest > FAR * math.sqrt(len(largest)):
                for pixel in part:
                    kept[pixel] = 0
    return kept


def parts_of(pixels: set[tuple[int, int]]) -> list[list[tuple[int, int]]]:
    parts = []
    while pixels:
        part, new = [], [pixels.pop()]
        while new:
            y, x = new.pop()
            part.append((y, x))
            near = {(y + i, x + j) for i in (-1, 0, 1) for j in (-1, 0, 1)} & pixels
            pixels -= near
            new += near
        parts.append(part)
    return parts
