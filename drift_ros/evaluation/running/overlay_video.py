"""Pictures of the result of a sequence: an overlay video and a contact sheet."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from drift_ros.evaluation.protocols import AnnotatedSequence, Labels
from drift_ros.io.closing import Closing
from drift_ros.io.frames import rate
from drift_ros.io.video import VideoWriter
from drift_ros.io.writers import save_picture
from drift_ros.tracking.measure import measure
from drift_ros.visualization.contact_sheet import contact_sheet
from drift_ros.visualization.overlay import Picture, overlay

OVERLAY, SHEET = 'overlay.mp4', 'sheet.png'
TILES = 12


class OverlayVideo(Closing):
    """Draws the frames of a sequence into overlay.mp4, and some of them into sheet.png.

    A context manager; the files are whole once `finish` was called.
    """

    def __init__(self, folder: Path, sequence: AnnotatedSequence) -> None:
        self._folder, self._objects, self._frames = folder, sequence.objects, sequence.frames
        self._rate = rate(sequence.stamps)
        count = len(self._frames)
        self._tiled = set(np.linspace(0, count - 1, min(TILES, count)).round().astype(int).tolist())
        self._tiles: list[tuple[Picture, str]] = []
        self._video: VideoWriter | None = None

    def add(
        self,
        index: int,
        image: NDArray[np.uint8],
        labels: Labels,
        scores: Mapping[int, tuple[float, float]],
    ) -> None:
        """Draw a frame: tags show J where it is scored.

        Args:
            index: number of the frame.
            image: (H, W, 3) uint8 RGB.
            labels: (H, W) uint8, the result.
            scores: id -> (J, F) of the scored objects.

        Raises:
            OutputError: a file cannot be written.
        """
        known = self._objects
        names = {id_: known[id_] for id_ in scores} if scores else known
        objects = measure(labels, names, {id_: j for id_, (j, _) in scores.items()})
        caption = ''
        if scores:
            j, f = np.mean(list(scores.values()), axis=0)
            caption = f'  J {100 * j:.1f}  F {100 * f:.1f}'
        tile = overlay(image, labels) if index in self._tiled else None
        self.draw(index, overlay(image, labels, objects), tile, caption)

    def draw(
        self, index: int, picture: Picture, tile: Picture | None = None, caption: str = ''
    ) -> None:
        """Add a picture (H, W, 3) uint8 RGB; it, or `tile`, may stand in the contact sheet.

        Raises:
            OutputError: a file cannot be written.
        """
        if self._video is None:
            size = (picture.shape[0], picture.shape[1])
            self._video = VideoWriter(self._folder / OVERLAY, self._rate, size)
        self._video.write(picture)
        if index in self._tiled:
            shown = picture if tile is None else tile
            self._tiles.append((shown, f'{self._frames[index]}{caption}'))

    def finish(self) -> None:
        """Write the contact sheet and end the video.

        Raises:
            OutputError: a file cannot be written.
        """
        self.close()
        if self._tiles:
            pictures, captions = zip(*self._tiles, strict=True)
            save_picture(self._folder / SHEET, contact_sheet(pictures, captions))

    def close(self) -> None:
        """End the video as far as it is."""
        if self._video is not None:
            self._video.close()
