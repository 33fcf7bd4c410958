"""Holds a player until the tracker has answered, so that a bag is tracked frame by frame."""

from __future__ import annotations

import logging
import time
from typing import Any

from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node

from drift_ros.errors import DriftError
from drift_ros.io.messages import raw_stamp
from drift_ros.msg import TrackedObjectArray

log = logging.getLogger(__name__)

ANSWER = 30.0  # s
PATIENCE = 3  # waits in a row without any answer
TICK = 0.05  # s
DEPTH = 100
UNKNOWN = '_NODE_NAME_UNKNOWN_'  # until the graph has heard of the node


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
        self._node = node
        self._answers = answers
        self._ahead = ahead
        self._open: dict[int, None] = {}  # stamps, the oldest one first
        self._silent = 0  # waits since the last answer
        self._executor = SingleThreadedExecutor(context=node.context)
        self._executor.add_node(node)
        node.create_subscription(TrackedObjectArray, answers, self._answered, DEPTH, raw=True)

    def met(self, images: Any) -> bool:
        """Whether a publisher is matched with the tracker: with all readers that the graph knows,
        and one of them is of a node that answers. Others, a page for example, may come earlier.
        """
        answering = self._node.get_publishers_info_by_topic(self._answers)
        reading = self._node.get_subscriptions_info_by_topic(images.topic_name)
        matched: bool = images.get_subscription_count() >= len(reading)
        return matched and bool({*map(_node, answering)} & {*map(_node, reading)} - {UNKNOWN})

    def sent(self, image: bytes) -> None:
        """Wait, after an image was published, until so few are unanswered that the next may go.
        An image that stays unanswered for half a minute was skipped: what is open is given up.

        Args:
            image: serialised, with a header first.

        Raises:
            NoAnswerError: nothing was answered in three such waits.
        """
        self._open[raw_stamp(image)] = None
        left, end = len(self._open), time.monotonic() + ANSWER
        while len(self._open) >= self._ahead:
            self._executor.spin_once(timeout_sec=TICK)
            if len(self._open) < left:
                left, end = len(self._open), time.monotonic() + ANSWER
            elif time.monotonic() > end:
                self._give_up()

    def _give_up(self) -> None:
        self._silent += 1
        said = (
            f'no image was answered on {self._answers} for {ANSWER:g} s: is the tracker active, is '
            'this the topic of its tracks, and are its windows no longer than '
            f'{self._ahead} frames?'
        )
        if self._silent == PATIENCE:
            raise NoAnswerError(said)
        log.warning('%s Playing on: the tracker may have skipped the image', said)
        self._open.clear()

    def _answered(self, message: bytes) -> None:
        self._silent = 0
        stamp = raw_stamp(message)
        if stamp in self._open:  # what was sent before it and is still open was skipped
            while next(iter(self._open)) != stamp:
                del self._open[next(iter(self._open))]
            del self._open[stamp]


def _node(endpoint: Any) -> str:
    if UNKNOWN in (name := str(endpoint.node_name)):
        return UNKNOWN
    return f'{endpoint.node_namespace.rstrip("/")}/{name}'
