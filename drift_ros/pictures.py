"""Picture files whose size is known before they are decoded.

A file of 250 kB can hold 16000x16000 px of one colour, which take 1.5 GB to decode.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from drift_ros.errors import DriftError

MAX_PIXELS = 50_000_000  # more than 8K video has
MOST_PIXELS = 150_000_000  # PIL refuses somewhat larger ones by itself
FORMATS = ('JPEG', 'PNG', 'WEBP', 'BMP', 'TIFF', 'PPM', 'JPEG2000', 'GIF')


class PictureError(DriftError):
    """A file is no picture, or cannot be taken."""


class TooLargeError(PictureError):
    """A picture has more pixels than are taken."""


class Values(NamedTuple):
    """What a picture file holds.

    Attributes:
        pixels: (H, W) palette indices or grey values, or (H, W, channels).
        mode: of PIL, such as `P` or `L`.
        format: of PIL, such as `PNG`.
    """

    pixels: NDArray[Any]
    mode: str
    format: str


def read_values(source: Path | bytes, max_pixels: int = MAX_PIXELS) -> Values:
    """The values of a picture as they are stored: of a palette the indices, not the colours.

    Raises:
        FileNotFoundError: there is no such file.
        PictureError: it cannot be read as a whole, or has more than `max_pixels`.
    """
    with _opened(source, max_pixels) as picture:
        return Values(np.array(picture), picture.mode, str(picture.format))


def check_size(data: bytes, max_pixels: int = MAX_PIXELS) -> None:
    """Look at the size in the header of a picture, without decoding it.

    Raises:
        PictureError: it is no picture, or has more than `max_pixels`.
    """
    with _opened(data, max_pixels):
        pass


def check_pixels(width: int, height: int, max_pixels: int = MAX_PIXELS) -> None:
    """Refuse a size in px.

    Raises:
        TooLargeError: it has more than `max_pixels`.
    """
    if width * height > max_pixels:
        raise TooLargeError(
            f'too many pixels: {width}x{height}, more than {max_pixels}; stream.max_pixels is the '
            'limit of images to track'
        )


@contextmanager
def _opened(source: Path | bytes, max_pixels: int) -> Iterator[Image.Image]:
    file: Any = io.BytesIO(source) if isinstance(source, bytes) else source
    try:
        with Image.open(file, formats=FORMATS) as picture:
            check_pixels(*picture.size, max_pixels)
            yield picture
    except (FileNotFoundError, PictureError):
        raise
    except Image.DecompressionBombError as error:
        raise TooLargeError(f'too many pixels: {error}') from None
    except Exception as error:  # broken bytes can make a decoder fail anyhow
        raise PictureError(f'no whole picture: {error}') from None
