"""Stamps for people, and which messages of two topics belong together by them."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

from drift_ros.errors import SourceError

SAME_TIME = 1.0  # s; stamps that are further apart are not of the same moment of a recording


def in_seconds(stamp: int) -> str:
    """A stamp in ns, as seconds with all digits."""
    return f'{stamp // 10**9}.{stamp % 10**9:09d} s'


def pair(wanted: Sequence[int], available: Sequence[int], tolerance: float = 0.0) -> dict[int, int]:
    """Pair each stamp with the nearest of another topic.

    Args:
        wanted, available: stamps in ns, increasing.
        tolerance: largest difference in s.

    Returns:
        Wanted -> available; each is used once, by the nearest, and those without one are missing.
    """
    slop = round(tolerance * 1e9)
    taken: dict[int, int] = {}
    for stamp in wanted:
        near = _nearest(stamp, available)
        if near is None or abs(near - stamp) > slop:
            continue
        if near not in taken or abs(near - stamp) < abs(near - taken[near]):
            taken[near] = stamp
    return dict(sorted((stamp, near) for near, stamp in taken.items()))


def no_pairs(
    one: str, stamps: Sequence[int], other: str, others: Sequence[int], tolerance: float
) -> SourceError:
    """What to say where two topics have no stamps in common.

    Args:
        stamps, others: their stamps in ns, increasing.
        tolerance: with which they were paired, in s.
    """
    if not stamps or not others:
        empty = one if not stamps else other
        return SourceError(f'{empty} has no message that can be used')
    gap = min(abs((_nearest(stamp, others) or 0) - stamp) for stamp in stamps) / 1e9
    spans = f'{_span(stamps)} and {_span(others)}'
    if gap <= SAME_TIME:
        return SourceError(
            f'no stamp of {one} is within {tolerance:g} s of one of {other}: the nearest differ by '
            f'{gap:.6f} s ({spans}); --tolerance {gap * 1.05:.2g} would pair these'
        )
    return SourceError(
        f'{one} and {other} have no stamps in common: the nearest differ by {gap:.3f} s ({spans}). '
        'They are not of the same images, or one of them was stamped anew'
    )


def _nearest(stamp: int, available: Sequence[int]) -> int | None:
    place = bisect_left(available, stamp)
    around = available[max(0, place - 1) : place + 1]
    return min(around, key=lambda other: abs(other - stamp), default=None)


def _span(stamps: Sequence[int]) -> str:
    return f'{stamps[0] / 1e9:.3f} to {stamps[-1] / 1e9:.3f} s'
