"""Pairing by stamps."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drift_ros.io.stamps import in_seconds, no_pairs, pair

STAMPS = st.lists(st.integers(0, 200), unique=True, max_size=12).map(sorted)


@given(STAMPS, STAMPS)
def test_without_tolerance_only_equal_stamps_are_paired(wanted, available):
    assert pair(wanted, available) == {s: s for s in wanted if s in available}


@given(STAMPS, STAMPS, st.integers(0, 50))
def test_each_is_used_once_and_is_the_nearest(wanted, available, slop):
    pairs = pair(wanted, available, slop / 1e9)
    assert len(set(pairs.values())) == len(pairs)
    for stamp, near in pairs.items():
        assert abs(stamp - near) == min(abs(stamp - other) for other in available) <= slop
    assert list(pairs) == sorted(pairs)


def test_what_is_too_far_stays_alone():
    assert pair([0, 10, 20], [12, 29], 2e-9) == {10: 12}
    assert pair([10, 11, 14], [12], 5e-9) == {11: 12}
    assert pair([0, 10, 20], [], 1.0) == pair([], [1], 1.0) == {}


def test_all_digits_of_a_stamp_are_told():
    assert in_seconds(1_700_000_000_050_000_001) == '1700000000.050000001 s'


@pytest.mark.parametrize(
    ('stamps', 'others', 'expected'),
    [
        ([10**9], [], 'B has no message that can be used'),
        ([], [1], 'A has no message that can be used'),
        ([10**9], [10**9 + 10**6], r'differ by 0\.001000 s .*--tolerance 0\.001'),
        ([10**9], [10**11], r'no stamps in common: the nearest differ by 99\.000 s'),
    ],
)
def test_why_nothing_is_paired(stamps, others, expected):
    with pytest.raises(Exception, match=expected):
        raise no_pairs('A', stamps, 'B', others, 0.0)
