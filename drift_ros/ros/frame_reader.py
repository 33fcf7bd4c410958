"""From image messages to frames."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sensor_msgs.msg import Image

from drift_ros.errors import FrameError
from drift_ros.io.images import decode_compressed, to_rgb
from drift_ros.ros.stamps import nanoseconds
from drift_ros.ros.stream import Incoming
from drift_ros.structures import Frame


class FrameReader:
    """Makes frames of images; belongs to the worker's thread.

    Args:
        topic: that they come from, for messages.
        max_pixels: larger images are refused.

    Attributes:
        max_pixels: as given.
    """

    def __init__(self, topic: str, max_pixels: int) -> None:
        self._topic = topic
        self.max_pixels = max_pixels

    def __call__(self, item: Incoming[Any]) -> Frame:
        """Convert an image.

        Raises:
            FrameError: the image cannot be used; the message names the topic.
        """
        message = item.message
        try:
            stamp = nanoseconds(message.header.stamp)
            rgb, encoding = self._to_rgb(message)
        except FrameError as error:
            raise FrameError(f'{error} (topic {self._topic})') from None
        return Frame(rgb, stamp, message.header.frame_id, item.index, encoding)

    def _to_rgb(self, message: Any) -> tuple[NDArray[np.uint8], str]:
        if isinstance(message, Image):
            return to_rgb(message, self.max_pixels), str(message.encoding)
        return decode_compressed(message, self.max_pixels), f'compressed {message.format}'
