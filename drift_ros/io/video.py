"""Videos that browsers and players open: H.264 in mp4."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drift_ros.errors import OutputError
from drift_ros.io.closing import Closing

# libx264 (GPL) is in the wheels of PyAV; builds without it mostly have Cisco's encoder (BSD).
# Its macroblock tree reads memory that it never wrote: with it, equal pictures give other files now
# and then.
ENCODERS: dict[str, dict[str, str]] = {
    'libx264': {'preset': 'veryfast', 'crf': '20', 'x264-params': 'mbtree=0'},
    'libopenh264': {'b': '4000000'},
}


class VideoWriter(Closing):
    """Writes pictures into an mp4 file. A context manager; the file is whole once it is closed.

    Args:
        path: file to write; an existing one is replaced.
        fps: pictures per second, > 0.
        size: (H, W) of the pictures in px. H.264 stores colours of 2x2 px, so an odd last row or
            column is left out of the video.

    Raises:
        OutputError: the file cannot be made, or PyAV or an encoder is missing.
    """

    def __init__(self, path: str | Path, fps: float, size: tuple[int, int]) -> None:
        self.path = Path(path)
        self.size = size
        self._height, self._width = size[0] // 2 * 2, size[1] // 2 * 2
        if not fps > 0 or not self._height or not self._width:
            raise OutputError(
                f'cannot make the video {path} of {size[1]}x{size[0]} px at {fps} frames/s: '
                'expected at least 2x2 px and a positive rate'
            )
        try:
            import av
        except ImportError as error:
            raise OutputError(
                f'videos are written with PyAV, which is missing ({error}): pip install av'
            ) from None
        self._av = av
        name = _encoder(av)
        self._stream: Any
        rate = Fraction(fps).limit_denominator(1000)
        try:
            self._file: Any = av.open(str(path), 'w', format='mp4', options=_STREAMABLE)
            self._stream = self._file.add_stream(name, rate=rate, options=ENCODERS[name])
            self._stream.width, self._stream.height = self._width, self._height
            self._stream.pix_fmt = 'yuv420p'
            self._stream.thread_type = 'AUTO'
            self._file.start_encoding()  # makes the file now, not with the first picture
        except OSError as error:
            raise OutputError(f'cannot write the video {path}: {error}') from None
        self._closed = False

    def write(self, picture: NDArray[np.uint8]) -> None:
        """Add one picture: (H, W, 3) uint8 RGB of the given size.

        Raises:
            OutputError: the picture has another size, or the disk is full.
        """
        if picture.shape != (*self.size, 3):
            raise OutputError(
                f'the video {self.path} has pictures of {self.size[1]}x{self.size[0]} px, got an '
                f'array of {picture.shape}; begin another video for another size'
            )
        even = np.ascontiguousarray(picture[: self._height, : self._width])
        self._put(self._av.VideoFrame.from_ndarray(even, format='rgb24'))

    def close(self) -> None:
        """Write what the encoder still holds and finish the file.

        Raises:
            OutputError: it cannot be written.
        """
        if self._closed:
            return
        self._closed = True
        try:
            self._put(None)
        finally:
            with self._errors_named():
                self._file.close()

    def _put(self, frame: Any) -> None:
        with self._errors_named():
            for packet in self._stream.encode(frame):
                self._file.mux(packet)

    @contextmanager
    def _errors_named(self) -> Iterator[None]:
        try:
            yield
        except (OSError, self._av.FFmpegError) as error:
            raise OutputError(f'cannot write the video {self.path}: {error}') from None


_STREAMABLE = {'movflags': 'faststart'}  # the index first, so that it plays while it loads


def _encoder(av: Any) -> str:
    for name in ENCODERS:
        if name in av.codecs_available:
            return name
    raise OutputError(
        f'this build of PyAV has no H.264 encoder (looked for {", ".join(ENCODERS)}): install '
        'its wheel with pip install av'
    )
