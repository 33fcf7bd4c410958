"""Frames from a bag, a video file or a folder of pictures, by one interface.

Pictures and videos have no clock: their first frame gets the stamp 1 s, and frame i comes i / fps
later. Not 0 s, since a zero stamp means 'unknown' in ROS: a prompt with it would go to the newest
image.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import islice, pairwise
from pathlib import Path
from statistics import median
from typing import Any, Literal, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from drift_ros.errors import FrameError, SourceError
from drift_ros.io.bags import BagReader, is_bag
from drift_ros.io.closing import Closing
from drift_ros.io.images import decode
from drift_ros.io.skipped import Skipped
from drift_ros.pictures import MAX_PIXELS, PictureError, check_pixels
from drift_ros.structures import Frame

FIRST_STAMP = 10**9
DEFAULT_FPS = 24.0
LOOKED_AT = 50  # images of a bag that tell its rate
FRAME_ID = 'camera'
PICTURES = ('.jpg', '.jpeg', '.png')

Kind = Literal['bag', 'video', 'folder']


class Source(Protocol):
    """Where frames come from. A context manager; it is open from the start.

    Attributes:
        name: for people: the name of the file or folder, of a bag with the topic.
        count: number of frames, also of broken ones; of a video as its header says; None if
            unknown.
        fps: frames per second; of a bag that of most of its first images, whatever else is in it.
        skipped: why frames were left out; bounded, with the number of all in `total`.
    """

    name: str
    kind: Kind
    count: int | None
    fps: float
    skipped: Skipped

    def frames(self) -> Iterator[Frame]:
        """All frames from the first. A broken one is skipped: noted, and the index jumps.

        Raises:
            SourceError: the source turns out to be damaged; raised after all frames before it.
        """

    def close(self) -> None:
        """Close files."""

    def __enter__(self) -> Source: ...

    def __exit__(self, *_: object) -> None: ...


def open_source(
    path: str | Path,
    topic: str | None = None,
    fps: float | None = None,
    max_pixels: int = MAX_PIXELS,
) -> Source:
    """Open what lies at a path.

    Args:
        path: bag (folder, .mcap, .db3), video file, or folder of jpg or png pictures, which are
            taken in natural order (2.png before 10.png).
        topic: image topic of a bag; None: the only one there is.
        fps: rate of pictures (default 24) or of a video (default: its own). A bag has stamps.
        max_pixels: largest frame that is taken; larger pictures and messages are skipped.

    Raises:
        SourceError: nothing is there, it is none of these, it has no frames, or the frames of a
            video are too large.
    """
    path = Path(path)
    if fps is not None and not (math.isfinite(fps) and fps > 0):
        raise SourceError(f'fps is {fps}: expected a positive number of frames per second')
    if not path.exists():
        raise SourceError(
            f'there is nothing at {path}: expected a bag, a video file or a folder of pictures'
        )
    if is_bag(path) or (path.is_file() and path.suffix == '.bag'):
        return BagSource(path, topic, max_pixels)
    if path.is_dir():
        return FolderSource(path, fps or DEFAULT_FPS, max_pixels)
    if path.suffix.lower() in PICTURES:
        raise SourceError(f'{path} is one picture: name the folder that holds all of them')
    return VideoSource(path, fps, max_pixels)


class BagSource(Closing):
    """An image topic of a bag."""

    kind: Kind = 'bag'

    def __init__(self, path: Path, topic: str | None = None, max_pixels: int = MAX_PIXELS) -> None:
        self.reader = BagReader(path, max_pixels)
        try:
            self.topic = self.reader.image_topic(topic)
        except SourceError:
            self.reader.close()
            raise
        self.name = f'{path.name} {self.topic}'
        self.count: int | None = self.reader.count(self.topic)
        self.fps = rate(self._first_times())
        self.skipped = self.reader.skipped

    def frames(self) -> Iterator[Frame]:
        """Frames with the stamps and frame ids of their messages."""
        return self.reader.frames(self.topic)

    def close(self) -> None:
        """Close the bag."""
        self.reader.close()

    def _first_times(self) -> list[int]:
        times: list[int] = []
        with suppress(SourceError):  # a damaged bag is read as far as it goes
            for _, _, time, _ in islice(self.reader.raw([self.topic]), LOOKED_AT):
                times.append(time)
        return times


class FolderSource(Closing):
    """A folder of pictures.

    Attributes:
        files: the picture of each frame, by its index.
    """

    kind: Kind = 'folder'

    def __init__(self, path: Path, fps: float, max_pixels: int = MAX_PIXELS) -> None:
        self._max_pixels = max_pixels
        found = (file for file in path.iterdir() if file.suffix.lower() in PICTURES)
        # hidden files (such as the `._1.jpg` that macOS leaves) would shift the numbers of frames
        shown = (file for file in found if not file.name.startswith('.') and file.is_file())
        self.files = sorted(shown, key=natural)
        if not self.files:
            raise SourceError(
                f'{path} has neither pictures ({", ".join(PICTURES)}) nor the files of a bag '
                '(metadata.yaml, .mcap, .db3)'
            )
        self.name = path.resolve().name
        self.count: int | None = len(self.files)
        self.fps = fps
        self.skipped = Skipped()

    def frames(self) -> Iterator[Frame]:
        """Frames in natural order of the files' names."""
        for index, file in enumerate(self.files):
            try:
                data = file.read_bytes()
            except OSError as error:
                self.skipped.add(f'{file.name}: {error.strerror}')
                continue
            try:
                rgb = decode(data, self._max_pixels)
            except FrameError as error:
                self.skipped.add(f'{file.name}: {error}')
                continue
            if rgb is None:
                self.skipped.add(f'{file.name}: no whole picture ({len(data)} bytes)')
                continue
            yield _frame(rgb, index, self.fps)


class VideoSource(Closing):
    """A video file, in any format that OpenCV decodes."""

    kind: Kind = 'video'

    def __init__(self, path: Path, fps: float | None = None, max_pixels: int = MAX_PIXELS) -> None:
        self._path = path
        capture = self._open()
        try:
            width = int(capture.get(cv2.CAP_PROP_FRAME_WIDTH))
            check_pixels(width, int(capture.get(cv2.CAP_PROP_FRAME_HEIGHT)), max_pixels)
            readable, _ = capture.read()
            count = capture.get(cv2.CAP_PROP_FRAME_COUNT)
            own = capture.get(cv2.CAP_PROP_FPS)
        except PictureError as error:
            raise SourceError(f'{path}: {error}') from None
        finally:
            capture.release()
        if not readable:
            raise SourceError(self._refusal())
        self.name = path.name
        self.count: int | None = int(count) if math.isfinite(count) and count >= 1 else None
        self.fps = fps or (own if math.isfinite(own) and own > 0 else DEFAULT_FPS)
        self.skipped = Skipped()

    def frames(self) -> Iterator[Frame]:
        """Frames in the order of the file."""
        capture = self._open()
        index = 0
        try:
            while capture.grab():
                decoded, image = capture.retrieve()
                if decoded and image is not None:
                    rgb: Any = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
                    yield _frame(rgb, index, self.fps)
                else:
                    self.skipped.add(f'frame {index} of {self.name}: cannot be decoded')
                index += 1
        finally:
            capture.release()
        if self.count is not None and index < self.count:
            self.skipped.add(
                f'{self.name} ends after {index} frames; its header promises {self.count}'
            )

    def _open(self) -> cv2.VideoCapture:
        capture = cv2.VideoCapture(str(self._path), cv2.CAP_FFMPEG)
        if not capture.isOpened():
            raise SourceError(self._refusal())
        return capture

    def _refusal(self) -> str:
        return (
            f'no frame of {self._path} can be decoded: expected a video that OpenCV reads (H.264 '
            'in mp4 for one), a bag, or a folder of pictures'
        )


def natural(file: Path) -> tuple[list[tuple[int, str]], str]:
    """Sorting key that orders numbers in a file's name by their value."""
    parts = re.split(r'(\d+)', file.name)
    key = [(int(part), '') if number % 2 else (0, part) for number, part in enumerate(parts)]
    return key, file.name


def rate(times: Sequence[int]) -> float:
    """Frames per second by the median of the intervals between times in ns, so that pauses do not
    count; DEFAULT_FPS where no two follow on each other.
    """
    intervals = [later - earlier for earlier, later in pairwise(times) if later > earlier]
    return 1e9 / median(intervals) if intervals else DEFAULT_FPS


def _frame(rgb: NDArray[np.uint8], index: int, fps: float) -> Frame:
    return Frame(rgb, stamp_of(index, fps), FRAME_ID, index, 'bgr8')


def stamp_of(index: int, fps: float) -> int:
    """Stamp in ns of a frame of a source without a clock."""
    return FIRST_STAMP + round(index * 10**9 / fps)
