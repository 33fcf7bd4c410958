"""Image messages to RGB arrays.

Works on anything that has the fields of sensor_msgs/Image or CompressedImage, whoever made it
(rclpy, rosbags). The library rosbags-image does not serve here: it ignores `step`, so a padded
image comes out sheared.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from drift_ros.errors import FrameError
from drift_ros.pictures import MAX_PIXELS, PictureError, TooLargeError, check_pixels, check_size

Rgb = NDArray[np.uint8]
JPEG, JPEG_SCAN, JPEG_END = b'\xff\xd8', b'\xff\xda', b'\xff\xd9'  # markers


@dataclass(frozen=True, slots=True)
class Encoding:
    """How pixels lie in memory.

    Attributes:
        channels: values per pixel.
        to_rgb: OpenCV's conversion code; None if the values are RGB already.
    """

    dtype: type[np.uint8] | type[np.uint16]
    channels: int
    to_rgb: int | None


# ROS names a pattern by its first two rows, OpenCV by the second row's second and third pixel.
BAYER = {
    'rggb': cv2.COLOR_BayerBG2RGB,
    'bggr': cv2.COLOR_BayerRG2RGB,
    'gbrg': cv2.COLOR_BayerGR2RGB,
    'grbg': cv2.COLOR_BayerGB2RGB,
}
ENCODINGS: dict[str, Encoding] = {
    'mono8': Encoding(np.uint8, 1, cv2.COLOR_GRAY2RGB),
    'mono16': Encoding(np.uint16, 1, cv2.COLOR_GRAY2RGB),
    '8UC1': Encoding(np.uint8, 1, cv2.COLOR_GRAY2RGB),
    '8UC3': Encoding(np.uint8, 3, cv2.COLOR_BGR2RGB),  # OpenCV's order, as cv_bridge has it
    'yuv422': Encoding(np.uint8, 2, cv2.COLOR_YUV2RGB_UYVY),
    'uyvy': Encoding(np.uint8, 2, cv2.COLOR_YUV2RGB_UYVY),
    'yuv422_yuy2': Encoding(np.uint8, 2, cv2.COLOR_YUV2RGB_YUY2),
    'yuyv': Encoding(np.uint8, 2, cv2.COLOR_YUV2RGB_YUY2),
}
for _bits, _dtype in ((8, np.uint8), (16, np.uint16)):
    ENCODINGS[f'rgb{_bits}'] = Encoding(_dtype, 3, None)
    ENCODINGS[f'bgr{_bits}'] = Encoding(_dtype, 3, cv2.COLOR_BGR2RGB)
    ENCODINGS[f'rgba{_bits}'] = Encoding(_dtype, 4, cv2.COLOR_RGBA2RGB)
    ENCODINGS[f'bgra{_bits}'] = Encoding(_dtype, 4, cv2.COLOR_BGRA2RGB)
    for _pattern, _code in BAYER.items():
        ENCODINGS[f'bayer_{_pattern}{_bits}'] = Encoding(_dtype, 1, _code)


def to_rgb(message: Any, max_pixels: int = MAX_PIXELS) -> Rgb:
    """Convert a raw image message.

    16 bit values keep their high byte. `rgb8` without padding is a view of the message's data.

    Args:
        message: has height, width, encoding, is_bigendian, step and data (sensor_msgs/Image).
        max_pixels: most that are taken.

    Returns:
        (H, W, 3) uint8 RGB.

    Raises:
        FrameError: the encoding is unknown, the size is zero or too large, or the data does not fit
            the size.
    """
    encoding = ENCODINGS.get(message.encoding)
    if encoding is None:
        raise FrameError(
            f'unknown encoding: {message.encoding!r}; supported are {", ".join(sorted(ENCODINGS))}'
        )
    try:
        check_pixels(message.width, message.height, max_pixels)
    except TooLargeError as error:
        raise FrameError(str(error)) from None
    pixels = plane(message, encoding.dtype, encoding.channels)
    if encoding.to_rgb is None:
        image = pixels
    elif encoding.channels == 2 and message.width % 2:
        raise FrameError(
            f'odd width: {message.width} px in {message.encoding}, which stores pixels in pairs; '
            'publish an even width'
        )
    else:
        image = cv2.cvtColor(pixels, encoding.to_rgb)
    if encoding.dtype == np.uint16:
        return (image >> 8).astype(np.uint8)
    rgb: Rgb = image.astype(np.uint8, copy=False)
    return rgb


def plane(message: Any, dtype: Any, channels: int) -> NDArray[Any]:
    """The values of a raw image message without row padding, in the machine's byte order.

    Args:
        message: has height, width, is_bigendian, step and data.
        channels: values per pixel.

    Returns:
        (H, W) for one channel, else (H, W, channels); a view of the data where that is possible.

    Raises:
        FrameError: the size is zero, or the data does not fit it.
    """
    height, width, step = int(message.height), int(message.width), int(message.step)
    kind = np.dtype(dtype)
    row = width * channels * kind.itemsize
    if not height or not width:
        raise FrameError(f'zero size: the image is {width}x{height} px; publish whole images')
    if step < row:
        raise FrameError(
            f'step too small: {step} bytes for rows of {row} ({width} px in {message.encoding}); '
            'the publisher must set step to the bytes of a row, padding included'
        )
    data = np.frombuffer(message.data, np.uint8)
    if len(data) < height * step:
        raise FrameError(
            f'too little data: {len(data)} bytes for {height} rows of step {step}; expected '
            f'{height * step}'
        )
    rows = data[: height * step].reshape(height, step)[:, :row]
    if kind.itemsize > 1:
        order = kind.newbyteorder('>' if message.is_bigendian else '<')
        rows = np.ascontiguousarray(rows).view(order).astype(kind, copy=False)
    values: NDArray[Any] = rows.reshape(height, width, channels) if channels > 1 else rows
    return values


def decode_compressed(message: Any, max_pixels: int = MAX_PIXELS) -> Rgb:
    """Decode a compressed image message (JPEG, PNG and what else OpenCV reads).

    Args:
        message: has format and data (sensor_msgs/CompressedImage).
        max_pixels: most that are taken.

    Returns:
        (H, W, 3) uint8 RGB.

    Raises:
        FrameError: the data is no picture or too large a one, or it is compressed depth.
    """
    form = str(message.format)
    if 'compressedDepth' in form:
        raise FrameError(
            f'unsupported format: {form!r} is a depth image; subscribe to a colour image'
        )
    data = bytes(message.data)
    rgb = decode(data, max_pixels)
    if rgb is None:
        raise FrameError(
            f'undecodable data: {len(data)} bytes said to be {form!r}; expected a whole JPEG or PNG'
        )
    return rgb


def decode(data: bytes, max_pixels: int = MAX_PIXELS) -> Rgb | None:
    """Decode a picture (JPEG, PNG and what else OpenCV reads), with its pixels where they are
    stored: calibrations, prompts and label maps know nothing of a viewer's EXIF rotation.

    Args:
        max_pixels: most that are taken.

    Returns:
        (H, W, 3) uint8 RGB, or None if it is no whole picture.

    Raises:
        FrameError: its header promises more than `max_pixels`.
    """
    if not data or (data.startswith(JPEG) and not _has_end(data)):
        return None
    try:
        check_size(data, max_pixels)
    except TooLargeError as error:
        raise FrameError(str(error)) from None
    except PictureError:
        return None
    try:
        image = cv2.imdecode(
            np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
        )
    except cv2.error:  # a header that promises more pixels than OpenCV takes
        return None
    return None if image is None else cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def _has_end(data: bytes) -> bool:
    """Whether the last scan of a JPEG is ended. OpenCV 4 fills up a JPEG that is cut off with grey
    and says nothing; the frame would then be tracked.
    """
    end = data.rfind(JPEG_END)
    return end >= 0 and JPEG_SCAN not in data[end:]
