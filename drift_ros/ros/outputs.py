"""What the node publishes about a frame."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rclpy.lifecycle import LifecycleNode
from rclpy.qos import QoSProfile
from rclpy.qos_overriding_options import InvalidQosOverridesError
from sensor_msgs.msg import CompressedImage, Image, PointCloud2

from drift_ros.errors import OutputError
from drift_ros.msg import TrackedObjectArray
from drift_ros.ros import detections, messages
from drift_ros.ros.clouds import cloud
from drift_ros.ros.points import PointOutputs
from drift_ros.ros.positions import Measured
from drift_ros.ros.qos import overrides
from drift_ros.structures import TrackingResult
from drift_ros.tracking.spatial_motion import Measurement, SpatialMotion
from drift_ros.visualization.overlay import overlay

if TYPE_CHECKING:
    from drift_ros.ros.camera import Camera

DEPTH = 10


class Outputs:
    """Publishers of what is known of a frame; each works only while it is heard.

    Args:
        node: publishes, while it is active.
        camera: whose results they are; it knows the topics, and where objects are.
    """

    def __init__(self, node: LifecycleNode, camera: Camera) -> None:
        assert camera.positions is not None
        self._node = node
        self._positions = camera.positions
        self._camera = camera
        self._motion = SpatialMotion(camera.positions.settings.acceleration)
        self._tracks = self._advertise(TrackedObjectArray, 'tracks')
        self._labels = self._advertise(Image, 'labels')
        self._compressed = self._advertise(CompressedImage, 'labels/compressed')
        self._cloud = self._advertise(PointCloud2, 'cloud')
        self._overlay = self._advertise(Image, 'overlay')
        self._points = PointOutputs(self._advertise)
        self._detections: Any = None
        self._detections_3d: Any = None
        if detections.available():
            self._detections = self._advertise(detections.message_type(), 'detections')
            self._detections_3d = self._advertise(detections.message_type(3), 'detections_3d')

    @property
    def topics(self) -> list[str]:
        """Full names of the topics."""
        return [publisher.topic_name for publisher in self._publishers()]

    def publish(self, result: TrackingResult) -> None:
        """Publish one result to those who listen; called in the worker's thread."""
        frame = result.frame
        spatial = (self._tracks, self._cloud, self._detections_3d, self._points.publisher)
        measured = self._positions.measure(result) if any(map(_heard, spatial)) else None
        if _heard(self._tracks):
            self._tracks.publish(self._located(result, measured))
        # without depth it is not known where things are, which is not the same as nothing
        if measured or not any(obj.visible for obj in result.objects):
            if _heard(self._cloud):
                self._cloud.publish(cloud(result, measured))
            if _heard(self._detections_3d):
                self._detections_3d.publish(detections.detections_3d(result, measured))
        if _heard(self._points.publisher):
            self._points.publish(result, measured)
        if _heard(self._labels):
            self._labels.publish(messages.labels(result))
        if _heard(self._compressed):
            self._compressed.publish(messages.compressed_labels(result))
        if _heard(self._detections):
            self._detections.publish(detections.detections(result))
        if _heard(self._overlay):
            picture = overlay(frame.image, result.labels, result.objects)
            self._points.draw(picture, result)
            self._overlay.publish(messages.image(picture, 'rgb8', frame.stamp, frame.frame_id))

    def _located(self, result: TrackingResult, measured: Measured | None) -> TrackedObjectArray:
        """The targets with what depth says of them."""
        self._motion.acceleration = self._positions.settings.acceleration
        places: dict[int, Measurement] = {}
        for obj in result.objects if measured else ():
            if measured and obj.visible and (place := measured.measurement(obj)):
                places[obj.id] = place
        positions = {id_: place.position for id_, place in places.items()}
        motions = self._motion.observe(result, places)
        return messages.tracks(result, lambda obj: positions.get(obj.id), motions)

    def destroy(self) -> None:
        """Give up the publishers."""
        for publisher in self._publishers():
            self._node.destroy_lifecycle_publisher(publisher)

    def _publishers(self) -> list[Any]:
        every = (
            self._tracks,
            self._labels,
            self._compressed,
            self._cloud,
            self._points.publisher,
            self._overlay,
            self._detections,
            self._detections_3d,
        )
        return [publisher for publisher in every if publisher is not None]

    def _advertise(self, kind: type, topic: str) -> Any:
        name = self._node.resolve_topic_name(self._camera.private(topic))
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
