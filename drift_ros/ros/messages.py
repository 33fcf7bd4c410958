"""Between the tracker's types and ROS messages. Pure functions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from geometry_msgs.msg import Point
from numpy.typing import NDArray
from sensor_msgs.msg import Image, RegionOfInterest

from drift_ros.errors import PromptError
from drift_ros.msg import Point2D, TrackedObjectArray
from drift_ros.msg import Prompt as PromptMessage
from drift_ros.msg import TrackedObject as ObjectMessage
from drift_ros.prompts.types import OBJECT_POINT, Prompt
from drift_ros.ros.stamps import header
from drift_ros.tracking.types import Frame, Roi, TrackedObject, TrackingResult

Position = tuple[float, float, float]
MASK_ENCODINGS = ('mono8', '8UC1')


def image(pixels: NDArray[np.uint8], encoding: str, stamp: int, frame_id: str) -> Image:
    """Image message from (H, W) or (H, W, C) uint8."""
    pixels = np.ascontiguousarray(pixels)
    message = Image(
        header=header(stamp, frame_id),
        height=pixels.shape[0],
        width=pixels.shape[1],
        encoding=encoding,
        step=pixels.nbytes // max(1, pixels.shape[0]),
    )
    fill(message.data, pixels)
    return message


def fill(data: Any, pixels: NDArray[np.uint8]) -> None:
    """Put bytes into the `data` of a message.

    Assigning to the field would check or convert every byte by itself: a thousand times slower.
    """
    if pixels.nbytes:
        data.frombytes(pixels.data)


def labels(result: TrackingResult) -> Image:
    """Label map of a result: 8UC1, value = id."""
    return label_map(result.labels, result.frame)


def label_map(pixels: NDArray[np.uint8], frame: Frame) -> Image:
    """Label map with the frame's header: 8UC1 and not mono8, since it is no grey image."""
    return image(pixels, '8UC1', frame.stamp, frame.frame_id)


def tracks(
    result: TrackingResult, locate: Callable[[TrackedObject], Position | None]
) -> TrackedObjectArray:
    """All targets of a result; `locate` gives the position in m of a visible one, or None."""
    frame = result.frame
    return TrackedObjectArray(
        header=header(frame.stamp, frame.frame_id),
        generation=result.generation,
        objects=[_object(result, obj, locate) for obj in result.objects],
    )


def _object(
    result: TrackingResult,
    obj: TrackedObject,
    locate: Callable[[TrackedObject], Position | None],
) -> ObjectMessage:
    message = ObjectMessage(
        id=obj.id, name=obj.name, score=float(obj.score), visible=obj.visible, area=obj.area
    )
    message.mask.header = header(result.frame.stamp, result.frame.frame_id)
    if not obj.visible:
        return message
    message.roi = region(obj.roi)
    message.centroid = Point2D(x=float(obj.centroid[0]), y=float(obj.centroid[1]))
    message.mask = image(
        result.mask(obj).view(np.uint8) * np.uint8(255),
        '8UC1',
        result.frame.stamp,
        result.frame.frame_id,
    )
    where = locate(obj)
    if where is not None:
        message.has_position = True
        message.position = Point(x=where[0], y=where[1], z=where[2])
    return message


def region(roi: Roi) -> RegionOfInterest:
    """Message of a box."""
    return RegionOfInterest(x_offset=roi.x, y_offset=roi.y, width=roi.width, height=roi.height)


def prompts(messages: Sequence[PromptMessage]) -> list[Prompt]:
    """The tracker's prompts.

    Raises:
        PromptError: a mask's encoding or size does not fit its data.
    """
    return [_prompt(message, place) for place, message in enumerate(messages)]


def _prompt(message: PromptMessage, place: int) -> Prompt:
    points = np.array([(p.x, p.y) for p in message.points], float).reshape(-1, 2)
    given = list(message.point_labels) or [OBJECT_POINT] * len(points)
    if len(given) != len(points):
        raise PromptError(
            f'prompts[{place}].point_labels has {len(given)} values for {len(points)} points: give '
            'one per point (1 on the object, 0 beside it), or none'
        )
    boxes = [(b.x_offset, b.y_offset, b.width, b.height) for b in message.boxes]
    return Prompt(
        id=message.id,
        name=message.name,
        points=points,
        point_labels=np.array(given, np.uint8),
        boxes=np.array(boxes, float).reshape(-1, 4),
        mask=_mask(message.mask, f'prompts[{place}].mask'),
    )


def _mask(message: Image, field: str) -> NDArray[np.bool_] | None:
    height, width, step = message.height, message.width, message.step
    if not height and not width and not len(message.data):
        return None
    if message.encoding not in MASK_ENCODINGS:
        raise PromptError(
            f'{field}.encoding is {message.encoding!r}: a mask must be mono8 or 8UC1, with '
            'non-zero values on the object'
        )
    if step < width or not height * step == len(message.data) or not height or not width:
        raise PromptError(
            f'{field} has {len(message.data)} bytes for height {height}, width {width} and step '
            f'{step}: it needs height * step bytes, and step at least the width'
        )
    rows = np.frombuffer(message.data, np.uint8).reshape(height, step)
    return rows[:, :width] != 0
