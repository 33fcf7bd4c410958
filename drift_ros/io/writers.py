"""Where the results of a run go. Each writer takes results in order and is closed once."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, TextIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from drift_ros.errors import OutputError
from drift_ros.io import messages
from drift_ros.io.bag_writer import BagWriter
from drift_ros.io.video import VideoWriter
from drift_ros.runs.atomic import make_folder, write_whole
from drift_ros.structures import Frame, TrackedObject, TrackingResult
from drift_ros.visualization.overlay import Picture, overlay
from drift_ros.visualization.palette import PALETTE

TRACKS_TOPIC, LABELS_TOPIC = '/tracker/tracks', '/tracker/labels'
COLUMNS = (
    'frame', 'stamp_ns', 'generation', 'id', 'name', 'score', 'visible', 'centroid_x', 'centroid_y',
    'area', 'roi_x', 'roi_y', 'roi_width', 'roi_height', 'state', 'unseen_s', 'predicted_x',
    'predicted_y',
)  # fmt: skip


class ResultWriter(Protocol):
    """Takes results.

    Both calls raise OutputError if the place cannot be written.
    """

    def write(self, result: TrackingResult) -> None:
        """Write one result."""

    def close(self) -> None:
        """Finish the files; what was written before stays readable."""


def name_by_index(frame: Frame) -> str:
    """Name of a frame's file without suffix: its index in five digits, as in DAVIS."""
    return f'{frame.index:05d}'


class LabelWriter:
    """Label maps as PNG: (H, W) palette indices, value = id, in the colours of DAVIS.

    Args:
        folder: place of the files; made if missing.
        name: name of a frame's file without suffix.
        created: called with the path of each file before it is made.
    """

    def __init__(
        self,
        folder: Path,
        name: Callable[[Frame], str] = name_by_index,
        created: Callable[[Path], object] = lambda path: None,
    ) -> None:
        self._folder, self._name, self._created = folder, name, created
        make_folder(folder)

    def write(self, result: TrackingResult) -> None:
        """Write one PNG."""
        path = self._folder / f'{self._name(result.frame)}.png'
        self._created(path)
        save_labels(path, result.labels)

    def close(self) -> None:
        """Nothing is open."""


def save_labels(path: Path, labels: NDArray[np.uint8]) -> None:
    """Write a label map as indexed PNG: (H, W) uint8, value = id = palette index.

    Raises:
        OutputError: it cannot be written there.
    """
    picture = Image.fromarray(labels).convert('L')
    picture.putpalette(PALETTE.tobytes())
    write_whole(path, lambda part: picture.save(part, 'PNG'))


def save_picture(path: Path, picture: Picture) -> None:
    """Write a picture (H, W, 3) uint8 RGB in the format that its suffix names, png or jpg.

    Raises:
        OutputError: it cannot be written there, or has another suffix.
    """
    form = {'.png': 'PNG', '.jpg': 'JPEG', '.jpeg': 'JPEG'}.get(path.suffix.lower())
    if form is None:
        raise OutputError(f'cannot write {path}: it must end in .png or .jpg')
    write_whole(path, lambda part: Image.fromarray(picture).save(part, form))


class BagResultWriter:
    """The node's own messages in a bag: `/tracker/tracks` and `/tracker/labels`, received at the
    stamps of their images.

    Args:
        path: folder of the bag; it must not exist.
    """

    def __init__(self, path: Path) -> None:
        self._bag = BagWriter(path, compress=True)

    def write(self, result: TrackingResult) -> None:
        """Write both messages."""
        stamp = result.frame.stamp
        self._bag.write(TRACKS_TOPIC, messages.TRACKS, messages.tracks(result), stamp)
        self._bag.write(LABELS_TOPIC, messages.IMAGE, messages.labels(result), stamp)

    def close(self) -> None:
        """Write index and metadata."""
        self._bag.close()


class CsvWriter:
    """One row per target and frame; centroids in px, empty where the target is not visible;
    predicted ones only where it is occluded.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._file: TextIO = path.open('w', newline='', encoding='utf-8', buffering=1)
            self._csv = csv.writer(self._file)
            self._csv.writerow(COLUMNS)
        except OSError as error:
            raise OutputError(f'cannot write {path}: {error}') from None

    def write(self, result: TrackingResult) -> None:
        """Write the rows of one frame."""
        try:
            self._csv.writerows(_row(result, obj) for obj in result.objects)
        except OSError as error:
            raise OutputError(f'cannot write {self._path}: {error}') from None

    def close(self) -> None:
        """Close the file."""
        try:
            self._file.close()
        except OSError as error:
            raise OutputError(f'cannot write {self._path}: {error}') from None


def _row(result: TrackingResult, obj: TrackedObject) -> tuple[object, ...]:
    x, y, expected_x, expected_y = (
        '' if math.isnan(c) else f'{c:.3f}' for c in (*obj.centroid, *obj.predicted_centroid)
    )
    frame, roi = result.frame, obj.roi
    return (
        frame.index, frame.stamp, result.generation, obj.id, obj.name, f'{obj.score:.4f}',
        int(obj.visible), x, y, obj.area, roi.x, roi.y, roi.width, roi.height,
        obj.state.name.lower(), f'{obj.unseen:.3f}', expected_x, expected_y,
    )  # fmt: skip


class OverlayWriter:
    """Frames with masks, names and centroids as a video. When the size of the frames changes,
    another file begins: `overlay.mp4`, `overlay_2.mp4`, ...

    Args:
        path: first file to write.
        fps: frames per second of the video.
        created: called with the path of each file before it is made.
    """

    def __init__(
        self, path: Path, fps: float, created: Callable[[Path], object] = lambda path: None
    ) -> None:
        self._path, self._fps, self._created = path, fps, created
        self._video: VideoWriter | None = None
        self._parts = 0

    def write(self, result: TrackingResult) -> None:
        """Draw one frame."""
        size = result.frame.size
        if self._video is None or self._video.size != size:
            self.close()
            self._parts += 1
            suffix = f'_{self._parts}' if self._parts > 1 else ''
            path = self._path.with_name(f'{self._path.stem}{suffix}{self._path.suffix}')
            self._created(path)
            self._video = VideoWriter(path, self._fps, size)
        self._video.write(overlay(result.frame.image, result.labels, result.objects))

    def close(self) -> None:
        """Finish the video."""
        if self._video is not None:
            self._video.close()
            self._video = None
