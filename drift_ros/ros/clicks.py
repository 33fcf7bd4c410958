"""Clicks from other people's tools become targets: those of rqt_image_view on an image, and points
published by hand (Foxglove's publish panel, `ros2 topic pub`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from geometry_msgs.msg import Point, PointStamped

from drift_ros.errors import DriftError
from drift_ros.prompts.prompt import OBJECT_POINT, Prompt
from drift_ros.ros.stamps import nanoseconds
from drift_ros.structures import Preview

if TYPE_CHECKING:
    from drift_ros.ros.camera import Camera

log = logging.getLogger(__name__)

MOUSE = '_mouse_left'  # what rqt_image_view appends to the topic that it shows
WAITING = 8  # clicks that may wait for the tracker
DEPTH = 10


class Clicks:
    """Subscriptions to clicks; each one adds a target, while the node is active.

    Args:
        node: a TrackerNode.
        camera: that is open; its images and overlays are clicked on.
    """

    def __init__(self, node: Any, camera: Camera) -> None:
        assert camera.inputs is not None
        self._node = node
        self._camera = camera
        overlay = node.resolve_topic_name(camera.private('overlay'))
        topics: list[tuple[type, str, Callable[[Any], None]]] = [
            (Point, f'{camera.inputs.image_topic}{MOUSE}', self._mouse),
            (Point, f'{overlay}{MOUSE}', self._mouse),
            (PointStamped, camera.topic('clicked_point'), self._clicked),
        ]
        self._subscriptions = [
            node.create_subscription(kind, name, callback, DEPTH) for kind, name, callback in topics
        ]

    @property
    def topics(self) -> list[str]:
        """Full names of the topics."""
        return [subscription.topic_name for subscription in self._subscriptions]

    def destroy(self) -> None:
        """Give up the subscriptions."""
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)
        self._subscriptions = []

    def _mouse(self, point: Point) -> None:
        self._add(point, 0, '')

    def _clicked(self, message: PointStamped) -> None:
        try:
            stamp = nanoseconds(message.header.stamp)
        except DriftError as error:
            log.warning('a click was refused: %s', error)
        else:
            self._add(message.point, stamp, message.header.frame_id)

    def _add(self, point: Point, stamp: int, camera: str) -> None:
        stream = self._camera.stream
        if stream is None or self._node.state != 'active' or stream.waiting >= WAITING:
            log.warning('a click was ignored: the node is not active, or too many wait already')
            return
        prompt = Prompt(
            points=np.array([(point.x, point.y)]), point_labels=np.array([OBJECT_POINT], np.uint8)
        )
        answer: Future[Preview] = stream.submit(
            lambda tracker: tracker.set_targets([prompt], stamp or None, True, camera)
        )
        answer.add_done_callback(partial(_report, (point.x, point.y)))


def _report(place: tuple[float, float], answer: Future[Preview]) -> None:
    x, y = place
    if answer.cancelled():
        return
    if error := answer.exception():
        log.warning('the click on (%g, %g) was refused: %s', x, y, error)
    else:
        log.info('the click on (%g, %g) is target %d', x, y, answer.result().ids[0])
