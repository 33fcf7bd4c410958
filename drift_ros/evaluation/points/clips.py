"""A video with known tracks, and which of their points are queries."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drift_ros.errors import SourceError
from drift_ros.evaluation.points.metrics import SIDE, Mode

STRIDE = 5  # frames between those of strided queries


@dataclass(frozen=True, slots=True, eq=False)
class PointClip:
    """A video with the tracks of N points.

    Attributes:
        name: of the video.
        video: (T, H, W, 3) uint8 RGB.
        tracks: (N, T, 2) float32 (x, y), 0 to 1 from edge to edge of the image, as TAP-Vid stores
            them.
        occluded: (N, T) bool.

    Raises:
        SourceError: the arrays do not fit together.
    """

    name: str
    video: NDArray[np.uint8]
    tracks: NDArray[np.float32]
    occluded: NDArray[np.bool_]

    def __post_init__(self) -> None:
        video, tracks, occluded = self.video, self.tracks, self.occluded
        fits = video.ndim == 4 and video.shape[3] == 3 and video.dtype == np.uint8
        fits = fits and tracks.shape == (*occluded.shape, 2) and occluded.ndim == 2
        if not fits or occluded.shape[1] != len(video) or 0 in video.shape:
            raise SourceError(
                f'{self.name}: expected a video (T, H, W, 3) uint8 with points (N, T, 2) and '
                f'occluded (N, T), got {video.shape} {video.dtype}, {tracks.shape} and '
                f'{occluded.shape}'
            )

    @property
    def size(self) -> tuple[int, int]:
        """(H, W) of the video in px."""
        return self.video.shape[1], self.video.shape[2]

    def queries(self, mode: Mode) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Which points are asked for: (Q,) number of the track, and (Q,) number of the frame.

        `first`: each point where it is visible first; `strided`: every fifth frame, all that are
        visible there.
        """
        visible = ~self.occluded
        if mode == 'first':
            rows = np.flatnonzero(visible.any(1))
            return rows, visible[rows].argmax(1)
        times, rows = np.nonzero(visible.T[::STRIDE])
        return rows, times * STRIDE

    def in_pixels(self) -> NDArray[np.float32]:
        """(N, T, 2) tracks in px of the video, origin at the centre of the top left pixel."""
        height, width = self.size
        scaled = self.tracks * np.array([width, height], np.float32) - np.float32(0.5)
        return np.asarray(scaled, np.float32)


def to_raster(positions: NDArray[np.floating], size: tuple[int, int]) -> NDArray[np.float64]:
    """Positions in px of images (H, W) on the raster that TAP-Vid measures on."""
    height, width = size
    return (positions.astype(np.float64) + 0.5) * SIDE / np.array([width, height])


def normalised(positions: NDArray[np.floating], size: tuple[int, int]) -> NDArray[np.float32]:
    """Positions in px of images (H, W) from 0 to 1, as TAP-Vid stores them."""
    return np.asarray(to_raster(positions, size) / SIDE, np.float32)
