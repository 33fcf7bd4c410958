"""What the node publishes about a frame."""

from __future__ import annotations

from typing import Any

from rclpy.lifecycle import LifecycleNode
from rclpy.qos import QoSProfile
from rclpy.qos_overriding_options import InvalidQosOverridesError
from sensor_msgs.msg import Image

from drift_ros.errors import OutputError
from drift_ros.msg import TrackedObjectArray
from drift_ros.ros import detections, messages
from drift_ros.ros.positions import Positions
from drift_ros.ros.qos import overrides
from drift_ros.structures import TrackingResult
from drift_ros.visualization.overlay import overlay

DEPTH = 10


class Outputs:
    """Publishers of tracks, labels, overlay, detections; each works only while it is heard.

    Args:
        node: publishes, while it is active.
        positions: tells where objects are.
    """

    def __init__(self, node: LifecycleNode, positions: Positions) -> None:
        self._node = node
        self._positions = positions
        self._tracks = self._advertise(TrackedObjectArray, '~/tracks')
        self._labels = self._advertise(Image, '~/labels')
        self._overlay = self._advertise(Image, '~/overlay')
        self._detections: Any = None
        if detections.available():
            self._detections = self._advertise(detections.message_type(), '~/detections')

    @property
    def topics(self) -> list[str]:
        """Full names of the topics."""
        return [publisher.topic_name for publisher in self._publishers()]

    def publish(self, result: TrackingResult) -> None:
        """Publish one result to those who listen; called in the worker's thread."""
        frame = result.frame
        if _heard(self._tracks):
            self._tracks.publish(messages.tracks(result, self._positions.locator(result)))
        if _heard(self._labels):
            self._labels.publish(messages.labels(result))
        if _heard(self._detections):
            self._detections.publish(detections.detections(result))
        if _heard(self._overlay):
            picture = overlay(frame.image, result.labels, result.objects)
            self._overlay.publish(messages.image(picture, 'rgb8', frame.stamp, frame.frame_id))

    def destroy(self) -> None:
        """Give up the publishers."""
        for publisher in self._publishers():
            self._node.destroy_lifecycle_publisher(publisher)

    def _publishers(self) -> list[Any]:
        every = (self._tracks, self._labels, self._overlay, self._detections)
        return [publisher for publisher in every if publisher is not None]

    def _advertise(self, kind: type, topic: str) -> Any:
        name = self._node.resolve_topic_name(topic)
        try:
            return self._node.create_lifecycle_publisher(
                kind,
                name,
                QoSProfile(depth=DEPTH),
                qos_overriding_options=overrides(self._node, name, 'publisher'),
            )
        except (RuntimeError, InvalidQosOverridesError) as error:
            raise OutputError(f'cannot publish on {name}: {error}') from None


def _heard(publisher: Any) -> bool:
    return publisher is not None and publisher.get_subscription_count() > 0
