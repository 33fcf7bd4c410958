"""Results as vision_msgs/Detection2DArray, for tools that know nothing of this package."""

from __future__ import annotations

from typing import Any

from drift_ros.ros.messages import header
from drift_ros.structures import TrackingResult

try:
    from vision_msgs import msg as vision
except ImportError:  # there is no wheel of it
    vision = None


def available() -> bool:
    """Whether vision_msgs is installed."""
    return vision is not None


def message_type() -> Any:
    """The type of the message."""
    return vision.Detection2DArray


def detections(result: TrackingResult) -> Any:
    """One detection per visible object: its box, and its id as text."""
    frame = result.frame
    message = vision.Detection2DArray(header=header(frame.stamp, frame.frame_id))
    for obj in result.objects:
        if not obj.visible:
            continue
        detection = vision.Detection2D(header=message.header, id=str(obj.id))
        hypothesis = vision.ObjectHypothesisWithPose()
        hypothesis.hypothesis.class_id = obj.name
        hypothesis.hypothesis.score = float(obj.score)
        detection.results.append(hypothesis)
        # the box's edges lie half a pixel outside the centres of its outer pixels
        detection.bbox.center.position.x = obj.roi.x + (obj.roi.width - 1) / 2
        detection.bbox.center.position.y = obj.roi.y + (obj.roi.height - 1) / 2
        detection.bbox.size_x = float(obj.roi.width)
        detection.bbox.size_y = float(obj.roi.height)
        message.detections.append(detection)
    return message
