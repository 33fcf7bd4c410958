"""Holds a player until the tracker has answered, so that a bag is tracked frame by frame."""

from __future__ import annotations

import time

from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node

from drift_ros.errors import DriftError
from drift_ros.io.messages import raw_stamp
from drift_ros.msg import TrackedObjectArray

ANSWER = 30.0  # s
TICK = 0.05  # s
DEPTH = 100


class NoAnswerError(DriftError):
    """The tracker does not answer."""


class InStep:
    """Counts the images that are not answered yet.

    Args:
        node: that publishes them; nobody else may spin it.
        answers: topic of a tracker's tracks.
        ahead: images that may be unanswered, at least 1: the stride of the tracker's windows.
    """

    def __init__(self, node: Node, answers: str, ahead: int = 1) -> None:
        self._answers = answers
        self._ahead = ahead
        self._open: dict[int, None] = {}  # stamps, the oldest one first
        self._executor = SingleThreadedExecutor(context=node.context)
        self._executor.add_node(node)
        node.create_subscription(TrackedObjectArray, answers, self._answered, DEPTH, raw=True)

    def sent(self, image: bytes) -> None:
        """Wait, after an image was published, until so few are unanswered that the next may go.

        Args:
            image: serialised, with a header first.

        Raises:
            NoAnswerError: the tracker answers none for half a minute.
        """
        self._open[raw_stamp(image)] = None
        left, end = len(self._open), time.monotonic() + ANSWER
        while len(self._open) >= self._ahead:
            self._executor.spin_once(timeout_sec=TICK)
            if len(self._open) < left:
                left, end = len(self._open), time.monotonic() + ANSWER
            elif time.monotonic() > end:
                raise NoAnswerError(
                    f'no image was answered on {self._answers} for {ANSWER:g} s: is the tracker '
                    'active, is this the topic of its tracks, and are its windows no longer than '
                    f'{self._ahead} frames?'
                )

    def _answered(self, message: bytes) -> None:
        self._open.pop(raw_stamp(message), None)
