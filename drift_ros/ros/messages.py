"""Between the tracker's types and ROS messages."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from functools import cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from sensor_msgs.msg import CompressedImage, Image

from drift_ros.errors import PromptError
from drift_ros.io.message_fields import MessageBuilder
from drift_ros.msg import Prompt as PromptMessage
from drift_ros.prompts.prompt import OBJECT_POINT, Prompt
from drift_ros.prompts.validate import check_counts
from drift_ros.structures import TrackingResult

MASK_ENCODINGS = ('mono8', '8UC1')


@cache
def message_type(name: str) -> Any:
    """Class of a message such as `sensor_msgs/msg/Image`.

    Raises:
        ImportError, AttributeError: it is not installed.
    """
    package, _, kind = name.split('/')
    return getattr(importlib.import_module(f'{package}.msg'), kind)


def make(typename: str, *, data: NDArray[np.uint8] | None = None, **fields: Any) -> Any:
    """A message of a type by its full name.

    Bytes are put into `data`: assigning to the field would check or convert every byte by itself,
    a thousand times slower.
    """
    message = message_type(typename)(**fields)
    if data is not None:
        fill(message.data, data)
    return message


def fill(data: Any, pixels: NDArray[np.uint8]) -> None:
    """Put bytes into the `data` of a message."""
    if pixels.nbytes:
        data.frombytes(pixels.data)


_builder = MessageBuilder(make)
image, label_map, labels = _builder.image, _builder.label_map, _builder.labels
tracks, header, point_tracks = _builder.tracks, _builder.header, _builder.point_tracks


def compressed_labels(result: TrackingResult) -> CompressedImage:
    """Label map of a result as PNG, which loses nothing."""
    message = CompressedImage(format='8UC1; png compressed ')
    message.header = header(result.frame.stamp, result.frame.frame_id)
    fast = [cv2.IMWRITE_PNG_COMPRESSION, 1]
    fill(message.data, cv2.imencode('.png', result.labels, fast)[1])
    return message


def prompts(messages: Sequence[PromptMessage]) -> list[Prompt]:
    """The tracker's prompts.

    Raises:
        PromptError: too many boxes or points, or a mask's encoding or size does not fit its data.
    """
    check_counts(sum(len(m.boxes) for m in messages), sum(len(m.points) for m in messages))
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
