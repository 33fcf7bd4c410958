"""Where points of a run go: CSV, arrays in the layout of TAP-Vid, bag, video with trails."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

import numpy as np

from drift_ros.errors import OutputError
from drift_ros.io import messages
from drift_ros.io.bag_writer import BagWriter
from drift_ros.io.video import VideoWriter
from drift_ros.structures import TrackedPoints, TrackingResult
from drift_ros.visualization.overlay import overlay
from drift_ros.visualization.trails import Trails

POINTS_TOPIC = '/tracker/point_tracks'
COLUMNS = ('frame', 'stamp_ns', 'generation', 'id', 'x', 'y', 'visible', 'confidence')


class PointCsvWriter:
    """One row per point and frame; positions in px, origin at the centre of the top left pixel.

    Args:
        path: file to write.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._file: TextIO = path.open('w', newline='', encoding='utf-8', buffering=2**16)
            self._csv = csv.writer(self._file)
            self._csv.writerow(COLUMNS)
        except OSError as error:
            raise OutputError(f'cannot write {path}: {error}') from None

    def write(self, result: TrackingResult) -> None:
        """Write the rows of one frame."""
        points = result.points
        if points is None:
            return
        frame = (result.frame.index, result.frame.stamp, points.generation)
        each = zip(
            points.ids.tolist(),
            points.positions.tolist(),
            points.visible.tolist(),
            points.confidence.tolist(),
            strict=True,
        )
        try:
            self._csv.writerows(
                (*frame, id_, f'{x:.3f}', f'{y:.3f}', int(seen), f'{confidence:.4f}')
                for id_, (x, y), seen, confidence in each
            )
        except OSError as error:
            raise OutputError(f'cannot write {self._path}: {error}') from None

    def close(self) -> None:
        """Close the file."""
        try:
            self._file.close()
        except OSError as error:
            raise OutputError(f'cannot write {self._path}: {error}') from None


class PointArrayWriter:
    """Arrays as TAP-Vid has them, in one .npz.

    `points` (N, T, 2) float32, (x, y) from 0 to 1 from edge to edge of the image, NaN before the
    frame of the query; `occluded` (N, T) bool, true there too; beside them `confidence` (N, T)
    float32, `query_points` (N, 3) float32 (t, y, x) with y and x from 0 to 1, `ids` (N,), and
    `frames` (T,) and `stamps` (T,) in ns.

    Args:
        path: file to write, when it is closed.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._frames: list[tuple[int, int]] = []
        self._points: list[TrackedPoints | None] = []
        self._size = (1, 1)

    def write(self, result: TrackingResult) -> None:
        """Take one frame."""
        self._frames.append((result.frame.index, result.frame.stamp))
        self._points.append(result.points)
        self._size = result.frame.size

    def close(self) -> None:
        """Write the file."""
        ids = np.unique(np.concatenate([np.zeros(0, int)] + [p.ids for p in self._points if p]))
        shape = (len(ids), len(self._frames))
        places = np.full((*shape, 2), np.nan, np.float32)
        occluded, confidence = np.ones(shape, bool), np.zeros(shape, np.float32)
        height, width = self._size
        for t, points in enumerate(self._points):
            if points is not None:
                rows = np.searchsorted(ids, points.ids)
                places[rows, t] = (points.positions + 0.5) / np.array([width, height], np.float32)
                occluded[rows, t] = ~points.visible
                confidence[rows, t] = points.confidence
        first = np.isfinite(places[..., 0]).argmax(1) if shape[1] else np.zeros(len(ids), int)
        starts = places[np.arange(len(ids)), first] if shape[1] else places[:, :0].sum(1)
        numbers = np.array(self._frames, np.int64).reshape(-1, 2)
        try:
            np.savez_compressed(
                self._path,
                points=places,
                occluded=occluded,
                confidence=confidence,
                query_points=np.concatenate([first[:, None], starts[:, ::-1]], 1).astype(
                    np.float32
                ),
                ids=ids,
                frames=numbers[:, 0],
                stamps=numbers[:, 1],
            )
        except OSError as error:
            raise OutputError(f'cannot write {self._path}: {error}') from None


class PointBagWriter:
    """The node's own messages in a bag: `/tracker/point_tracks`, received at the stamps of their
    images.

    Args:
        path: folder of the bag; it must not exist.
    """

    def __init__(self, path: Path) -> None:
        self._bag = BagWriter(path, compress=True)

    def write(self, result: TrackingResult) -> None:
        """Write the message of one frame."""
        if result.points is not None:
            message = messages.point_tracks(result)
            self._bag.write(POINTS_TOPIC, messages.POINTS, message, result.frame.stamp)

    def close(self) -> None:
        """Write index and metadata."""
        self._bag.close()


class TrailWriter:
    """Frames with points and their trails, and masks if there are any, as a video.

    Args:
        path: file to write.
        fps: frames per second.
        created: called with the path before the file is made.
    """

    def __init__(
        self, path: Path, fps: float, created: Callable[[Path], object] = lambda path: None
    ) -> None:
        self._path, self._fps, self._created = path, fps, created
        self._video: VideoWriter | None = None
        self._trails = Trails()

    def write(self, result: TrackingResult) -> None:
        """Draw one frame; one of another size than the first is left out."""
        if self._video is None:
            self._created(self._path)
            self._video = VideoWriter(self._path, self._fps, result.frame.size)
        if self._video.size != result.frame.size:
            return
        picture = overlay(result.frame.image, result.labels, result.objects)
        self._trails.draw(picture, result.points)
        self._video.write(picture)

    def close(self) -> None:
        """Finish the video."""
        if self._video is not None:
            self._video.close()
            self._video = None
