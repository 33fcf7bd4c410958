"""Label maps in messages: value = id of an object, 0 = background."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drift_ros.errors import FrameError, SourceError
from drift_ros.io.bags import BagReader
from drift_ros.io.images import plane
from drift_ros.io.messages import COMPRESSED_IMAGE
from drift_ros.pictures import PictureError, read_values

MAX_LABEL = 254
BINARY_VALUE = 255  # of a map that only says object or not
PNG_MODES = ('P', 'L', '1', 'I', 'I;16')
DTYPES: Mapping[str, type[np.generic]] = {
    'mono8': np.uint8,
    '8UC1': np.uint8,
    'mono16': np.uint16,
    '16UC1': np.uint16,
    '32SC1': np.int32,
}
# An 8UC1 image is a label map whatever its topic is called; a camera or depth may have the others.
WORDS = ('label', 'mask', 'segment', 'annotation', 'truth', 'instance')


def to_ids(values: NDArray[Any]) -> NDArray[np.uint8]:
    """Label map from whole numbers of any width.

    Args:
        values: (H, W), any integer or bool.

    Returns:
        (H, W) uint8; 1 where there are only 0 and 255.

    Raises:
        FrameError: a value is below 0 or above 254.
    """
    low, high = int(values.min()), int(values.max())
    if high == BINARY_VALUE and np.all((values == 0) | (values == BINARY_VALUE)):
        return (values > 0).astype(np.uint8)
    if low < 0 or high > MAX_LABEL:
        raise FrameError(
            f'has the value {low if low < 0 else high}: expected ids up to {MAX_LABEL}, and 0 for '
            'the background'
        )
    return values.astype(np.uint8)


def label_map(message: Any) -> NDArray[np.uint8]:
    """Label map of a message.

    Args:
        message: sensor_msgs/Image of one of `DTYPES`, or sensor_msgs/CompressedImage with a PNG
            (grey or with a palette).

    Returns:
        (H, W) uint8, value = id.

    Raises:
        FrameError: it is something else, its data does not fit, or a value is no id.
    """
    if hasattr(message, 'format'):
        return to_ids(_png(bytes(message.data), str(message.format)))
    dtype = DTYPES.get(message.encoding)
    if dtype is None:
        raise FrameError(
            f'the encoding {message.encoding!r} is none of a label map: expected '
            f'{", ".join(DTYPES)} with value = id'
        )
    return to_ids(plane(message, dtype, 1))


def label_topic(
    reader: BagReader,
    topic: str | None,
    option: str,
    exclude: Collection[str] = (),
    prefer: Callable[[str], bool] = lambda topic: True,
) -> str:
    """The topic of label maps: the one given, or the only one there is.

    Args:
        topic: as the user named it, or None.
        option: that names it, for the error.
        exclude: topics that are known to be something else.

    Raises:
        SourceError: it is not in the bag or holds no images; or none was given and there is not
            exactly one.
    """
    if topic is not None:
        return reader.image_topic(topic)
    found = label_topics(reader, exclude)
    found = [name for name in found if prefer(name)] or found
    if len(found) == 1:
        return found[0]
    if found:
        raise SourceError(
            f'{reader.path} has several topics of label maps: name one of {", ".join(found)} with '
            f'{option}'
        )
    raise SourceError(
        f'{reader.path} has no topic that is plainly of label maps: name it with {option}; '
        f'{reader.contents()}'
    )


def label_topics(reader: BagReader, exclude: Collection[str] = ()) -> list[str]:
    """Topics that are plainly of label maps, but for those that are known to be something else."""
    return [name for name in reader.topics if name not in exclude and _is_label(reader, name)]


def _is_label(reader: BagReader, topic: str) -> bool:
    kind = reader.topics[topic]
    encoding = reader.encoding(topic)
    if encoding is None:
        return False
    named = any(word in topic.lower() for word in WORDS)
    if kind == COMPRESSED_IMAGE:
        return encoding.startswith('8UC1') or (named and 'png' in encoding)
    return encoding == '8UC1' or (named and encoding in DTYPES)


def _png(data: bytes, form: str) -> NDArray[Any]:
    try:
        values, mode, kind = read_values(data)
    except PictureError as error:
        raise FrameError(f'{len(data)} bytes said to be {form!r}: {error}') from None
    if kind != 'PNG':
        raise FrameError(
            f'a label map compressed as {kind} ({form!r}) has lost its ids: publish it as PNG'
        )
    if mode not in PNG_MODES:
        raise FrameError(
            f'a PNG of the mode {mode} is no label map: expected grey values or a palette, '
            'value = id'
        )
    return values
