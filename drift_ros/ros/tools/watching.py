"""Follows a tracker from another process: its images with its results, and what it says of itself.

It asks for nothing again that was lost, so that nobody waits for it, and reads an image only when
somebody wants to see it.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict, deque
from dataclasses import dataclass
from typing import Any

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from numpy.typing import NDArray
from rclpy.node import Node, NodeNameNonExistentError
from rclpy.qos import QoSProfile, QoSReliabilityPolicy
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import CompressedImage, Image

from drift_ros.io.images import decode_compressed, to_rgb
from drift_ros.io.messages import raw_stamp
from drift_ros.msg import TrackedObjectArray
from drift_ros.pictures import MAX_PIXELS
from drift_ros.structures import NOWHERE, Frame, Roi, TargetState, TrackedObject

RESET = '/reset_targets'
RESET_TYPE = 'drift_ros/srv/ResetTargets'
KINDS = {'sensor_msgs/msg/Image': Image, 'sensor_msgs/msg/CompressedImage': CompressedImage}
KEPT, KEPT_BYTES = 128, 128 << 20  # images that wait for their results
RECENT = 32  # results that rate and latency are taken over
DEPTH = 2


def trackers(node: Node) -> list[str]:
    """Full names of the trackers in the graph: what comes before `/reset_targets`."""
    found = node.get_service_names_and_types()
    named = [name for name, types in found if RESET_TYPE in types and name.endswith(RESET)]
    return sorted(name.removesuffix(RESET) for name in named if _is_served(node, name))


def _is_served(node: Node, service: str) -> bool:
    """Whether somebody serves it: it is in the graph, too, where somebody only calls it."""
    names = node_of(node, service.removesuffix(RESET))
    if names is None:
        return False
    try:
        return service in dict(node.get_service_names_and_types_by_node(*names))
    except NodeNameNonExistentError:  # gone since
        return False


def node_of(node: Node, tracker: str) -> tuple[str, str] | None:
    """Name and namespace of the node that a tracker runs in; None if it is gone."""
    found = [
        (name, space)
        for name, space in node.get_node_names_and_namespaces()
        if f'{tracker}/'.startswith(f'{space.rstrip("/")}/{name}/')
    ]
    return max(found, key=lambda names: len(''.join(names)), default=None)


def image_topics(node: Node, tracker: str) -> dict[str, str]:
    """Topics of images that a tracker listens to, and their types; the likeliest one first: that
    of the camera, not of its depth. Where one node has several cameras, only those of this one, if
    their names tell.
    """
    found: dict[str, str] = {}
    if (names := node_of(node, tracker)) is not None:
        for topic, kinds in node.get_subscriber_names_and_types_by_node(*names):
            if kind := next((kind for kind in kinds if kind in KINDS), ''):
                found[topic] = kind
    camera = tracker.rpartition('/')[2]
    own = {topic: kind for topic, kind in found.items() if f'/{camera}/' in topic} or found
    return {topic: own[topic] for topic in sorted(own, key=lambda name: ('depth' in name, name))}


@dataclass(frozen=True)
class Seen:
    """One result, or an image without one.

    Attributes:
        frame: the image.
        labels: (H, W) uint8 ids; None without a result.
        objects: what is known about the targets.
        generation: of the result.
    """

    frame: Frame
    labels: NDArray[np.uint8] | None = None
    objects: tuple[TrackedObject, ...] = ()
    generation: int = 0


class Watcher:
    """Keeps the newest result of a tracker and the image that it belongs to.

    Args:
        node: a node that someone else spins.
        tracker: full name of the tracker.
        topic: of its images.
        kind: full name of their type.
        max_pixels: larger images are not shown.

    Attributes:
        status: the last values of the tracker on /diagnostics.
    """

    def __init__(
        self, node: Node, tracker: str, topic: str, kind: str, max_pixels: int = MAX_PIXELS
    ) -> None:
        self.tracker, self.topic = tracker, topic
        self.status: dict[str, str] = {}
        self._node, self._kind, self._max_pixels = node, KINDS[kind], max_pixels
        self._lock = threading.Lock()
        self._images: OrderedDict[int, tuple[bytes, float]] = OrderedDict()
        self._bytes = 0
        self._result: tuple[bytes, bytes] | None = None
        self._recent: deque[tuple[float, float]] = deque(maxlen=RECENT)  # arrival, latency
        quick = QoSProfile(depth=DEPTH, reliability=QoSReliabilityPolicy.BEST_EFFORT)
        listen = node.create_subscription
        self._subscriptions = [
            listen(self._kind, topic, self._image, quick, raw=True),
            listen(TrackedObjectArray, f'{tracker}/tracks', self._tracks, quick, raw=True),
            listen(DiagnosticArray, '/diagnostics', self._diagnostics, 10),
        ]

    def close(self) -> None:
        """Stop listening."""
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)
        self._subscriptions = []

    @property
    def rate(self) -> float:
        """Results per second lately; 0 if none came for 2 s."""
        recent = list(self._recent)
        if len(recent) < 2 or time.monotonic() - recent[-1][0] > 2:
            return 0.0
        return (len(recent) - 1) / max(1e-6, recent[-1][0] - recent[0][0])

    @property
    def latency(self) -> float:
        """Median time in s from the arrival of an image here to that of its result; NaN if there
        is none.
        """
        recent = [latency for _, latency in self._recent]
        return float(np.median(recent)) if recent else float('nan')

    @property
    def newest(self) -> tuple[bytes, bytes] | None:
        """What came last; another object with every result."""
        return self._result

    def read(self, item: tuple[bytes, bytes]) -> Seen:
        """The image and the targets of a result.

        Raises:
            FrameError: the image cannot be read.
        """
        message = deserialize_message(item[1], TrackedObjectArray)
        frame = self._frame(item[0])
        labels = np.zeros(frame.size, np.uint8)
        for obj in message.objects:
            if obj.visible:
                _paint(labels, obj)
        objects = tuple(_object(obj) for obj in message.objects)
        return Seen(frame, labels, objects, int(message.generation))

    def camera(self) -> Seen | None:
        """The newest image as the camera sent it; None if there is none.

        Raises:
            FrameError: it cannot be read.
        """
        with self._lock:
            data = next(reversed(self._images.values()))[0] if self._images else None
        return None if data is None else Seen(self._frame(data))

    # --------------------------------------------------------------- in the thread that spins

    def _image(self, data: bytes) -> None:
        with self._lock:
            stamp = raw_stamp(data)
            if (earlier := self._images.pop(stamp, None)) is not None:  # a bag that loops
                self._bytes -= len(earlier[0])
            self._images[stamp] = data, time.monotonic()
            self._bytes += len(data)
            while len(self._images) > KEPT or self._bytes > KEPT_BYTES:
                self._bytes -= len(self._images.popitem(last=False)[1][0])

    def _tracks(self, data: bytes) -> None:
        now = time.monotonic()
        with self._lock:
            image = self._images.get(raw_stamp(data))
            if image is not None:
                self._result = image[0], data
                self._recent.append((now, now - image[1]))

    def _diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            name, _, camera = status.name.partition(': tracking')
            if '/'.join(filter(None, (name, camera.strip()))) == self.tracker:
                values = {pair.key: pair.value for pair in status.values}
                self.status = values | {'message': status.message}

    def _frame(self, data: bytes) -> Frame:
        message: Any = deserialize_message(data, self._kind)
        read = to_rgb if self._kind is Image else decode_compressed
        rgb = read(message, self._max_pixels)
        return Frame(rgb, raw_stamp(data), str(message.header.frame_id))


def _paint(labels: NDArray[np.uint8], obj: Any) -> None:
    """Put an object's cropped mask into a label map; one that does not fit is left out."""
    roi, mask = obj.roi, obj.mask
    shape = (mask.height, mask.width)
    if (roi.height, roi.width) != shape or len(mask.data) != mask.height * mask.width:
        return
    part = labels[roi.y_offset : roi.y_offset + roi.height, roi.x_offset : roi.x_offset + roi.width]
    if part.shape == shape:
        part[np.frombuffer(mask.data, np.uint8).reshape(shape) > 0] = obj.id


def _object(obj: Any) -> TrackedObject:
    def roi(region: Any) -> Roi:
        return Roi(region.x_offset, region.y_offset, region.width, region.height)

    state = TargetState(obj.state) if obj.state in tuple(TargetState) else TargetState.LOST
    occluded = state == TargetState.OCCLUDED
    return TrackedObject(
        id=int(obj.id),
        name=str(obj.name),
        score=float(obj.score),
        visible=bool(obj.visible),
        roi=roi(obj.roi),
        centroid=(obj.centroid.x, obj.centroid.y) if obj.visible else NOWHERE,
        area=int(obj.area),
        state=state,
        unseen=float(obj.unseen),
        predicted_roi=roi(obj.predicted_roi) if occluded else Roi(),
        predicted_centroid=(
            (obj.predicted_centroid.x, obj.predicted_centroid.y) if occluded else NOWHERE
        ),
    )
