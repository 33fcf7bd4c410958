"""Which frames belong to one stream, and what is said about changes of it."""

from __future__ import annotations

import logging

from drift_ros.structures import Frame

QUICK = 10  # frames; changes of the stream that follow closer come from a mistake
SAID = 3  # such changes that are logged one by one


def restart_reason(last: Frame, frame: Frame, backward_jump: float) -> str:
    """Why a frame begins another stream than the frame before it; empty if it does not.

    Args:
        last: the newest frame of the stream.
        frame: the frame that came in.
        backward_jump: step back of the stamps in s from which on the stream restarts.
    """
    back = last.stamp - frame.stamp
    if frame.size != last.size:
        return f'the image size changed from {_px(last)} to {_px(frame)}'
    if frame.frame_id != last.frame_id:
        return f'the frame_id changed from {last.frame_id!r} to {frame.frame_id!r}'
    if back > 0 and back >= backward_jump * 1e9:
        return f'time went back by {back / 1e9:.3f} s'
    return ''


def follows_on(last: Frame, frame: Frame) -> bool:
    """Whether a frame belongs to the same window or stream of features as the one before it."""
    return (
        frame.stamp > last.stamp
        and frame.size == last.size
        and frame.frame_id == last.frame_id
        and frame.encoding == last.encoding
    )


class ChangeLog:
    """Warns of changes of the stream, but not again and again if it changes all the time.

    Args:
        log: takes the warnings.
    """

    def __init__(self, log: logging.Logger) -> None:
        self._log = log
        self._last = -QUICK
        self._quick = 0

    def warn(self, message: str, frames: int) -> None:
        """Tell of a change.

        Args:
            message: what changed.
            frames: number of frames that came before it.
        """
        since, self._last = frames - self._last, frames
        self._quick = self._quick + 1 if since < QUICK else 0
        if self._quick < SAID:
            self._log.warning('%s', message)
        elif self._quick == SAID:
            self._log.warning(
                '%s; this happens all the time and is not logged again until it stops: do two '
                'cameras publish on one topic?',
                message,
            )


def _px(frame: Frame) -> str:
    return f'{frame.size[1]}x{frame.size[0]}'
