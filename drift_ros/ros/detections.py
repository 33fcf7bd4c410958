"""Results as vision_msgs/Detection2DArray and Detection3DArray, for tools that know nothing of this
package.
"""

from __future__ import annotations

import logging
from typing import Any

from rclpy.type_support import check_for_type_support

from drift_ros.ros import geometry
from drift_ros.ros.messages import header
from drift_ros.ros.positions import Measured
from drift_ros.structures import TrackedObject, TrackingResult

try:
    from vision_msgs import msg as vision
except ImportError:  # there is no wheel of it
    vision = None


log = logging.getLogger(__name__)


def available() -> bool:
    """Whether vision_msgs is installed and its libraries can be loaded."""
    if vision is None:
        return False
    try:
        for dimensions in (2, 3):
            check_for_type_support(message_type(dimensions))
    except Exception as error:  # of several types, by what is wrong with the installation
        log.warning('no detections: vision_msgs is there and cannot be used: %s', error)
        return False
    return True


def message_type(dimensions: int = 2) -> Any:
    """The type of the message with boxes in that many dimensions."""
    return vision.Detection3DArray if dimensions == 3 else vision.Detection2DArray


def detections(result: TrackingResult) -> Any:
    """One detection per visible object: its box, and its id as text."""
    frame = result.frame
    message = vision.Detection2DArray(header=header(frame.stamp, frame.frame_id))
    for obj in result.objects:
        if not obj.visible:
            continue
        detection = vision.Detection2D(header=message.header, id=str(obj.id))
        detection.results.append(_hypothesis(obj))
        # the box's edges lie half a pixel outside the centres of its outer pixels
        detection.bbox.center.position.x = obj.roi.x + (obj.roi.width - 1) / 2
        detection.bbox.center.position.y = obj.roi.y + (obj.roi.height - 1) / 2
        detection.bbox.size_x = float(obj.roi.width)
        detection.bbox.size_y = float(obj.roi.height)
        message.detections.append(detection)
    return message


def detections_3d(result: TrackingResult, measured: Measured | None) -> Any:
    """One detection per visible object with a depth: its box along the axes of the optical frame,
    and its id as text.
    """
    frame = result.frame
    message = vision.Detection3DArray(header=header(frame.stamp, frame.frame_id))
    for obj in result.objects:
        if measured is None or measured.position(obj) is None:
            continue
        centre, size = geometry.box(measured.points(obj))
        detection = vision.Detection3D(header=message.header, id=str(obj.id))
        box, hypothesis = detection.bbox, _hypothesis(obj)
        position = box.center.position
        position.x, position.y, position.z = (float(value) for value in centre)
        box.size.x, box.size.y, box.size.z = (float(value) for value in size)
        hypothesis.pose.pose = box.center
        detection.results.append(hypothesis)
        message.detections.append(detection)
    return message


def _hypothesis(obj: TrackedObject) -> Any:
    hypothesis = vision.ObjectHypothesisWithPose()
    hypothesis.hypothesis.class_id = obj.name
    hypothesis.hypothesis.score = float(obj.score)
    return hypothesis
