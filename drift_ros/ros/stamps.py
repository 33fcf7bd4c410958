"""Stamps: integers of nanoseconds inside, builtin_interfaces/Time outside, converted exactly."""

from __future__ import annotations

from builtin_interfaces.msg import Time

from drift_ros.errors import FrameError


def nanoseconds(stamp: Time) -> int:
    """Nanoseconds of a message's time.

    Raises:
        FrameError: it is no time: its fraction is a second or more.
    """
    if stamp.nanosec >= 10**9:
        raise FrameError(
            f'stamp names no time: header.stamp.nanosec is {stamp.nanosec}, it must be below 10^9; '
            'mend the publisher'
        )
    return int(stamp.sec) * 10**9 + int(stamp.nanosec)


def time(stamp: int) -> Time:
    """Message of a time in nanoseconds."""
    sec, nanosec = divmod(stamp, 10**9)
    return Time(sec=sec, nanosec=nanosec)
