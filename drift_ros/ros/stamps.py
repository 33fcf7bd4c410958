"""Stamps: integers of nanoseconds inside, builtin_interfaces/Time outside, converted exactly."""

from __future__ import annotations

from builtin_interfaces.msg import Time


def nanoseconds(stamp: Time) -> int:
    """Nanoseconds of a message's time."""
    return int(stamp.sec) * 10**9 + int(stamp.nanosec)


def time(stamp: int) -> Time:
    """Message of a time in nanoseconds."""
    sec, nanosec = divmod(stamp, 10**9)
    return Time(sec=sec, nanosec=nanosec)
