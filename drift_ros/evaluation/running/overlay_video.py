"""Pictures of the result of a sequence: an overlay video and a contact sheet."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from drift_ros.errors import OutputError
from drift_ros.evaluation.protocols import AnnotatedSequence, Labels
from drift_ros.io.frames import DEFAULT_FPS
from drift_ros.io.video import VideoWriter
from drift_ros.tracking.measure import measure
from drift_ros.visualization.contact_sheet import contact_sheet
from drift_ros.visualization.overlay import Picture, overlay

OVERLAY, SHEET = 'overlay.mp4', 'sheet.png'
TILES = 12


class OverlayVideo:
    """Draws every frame of a sequence.

    Args:
        folder: place of the files.
        sequence: what is drawn.
    """

    def __init__(self, folder: Path, sequence: AnnotatedSequence) -> None:
        self._folder, self._names = folder, sequence.objects
        self._frames = sequence.frames
        self._rate = _rate(sequence)
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
        names = {id_: self._names[id_] for id_ in scores} if scores else self._names
        objects = measure(labels, names, {id_: j for id_, (j, _) in scores.items()})
        picture = overlay(image, labels, objects)
        if self._video is None:
            size = (image.shape[0], image.shape[1])
            self._video = VideoWriter(self._folder / OVERLAY, self._rate, size)
        self._video.write(picture)
        if index in self._tiled:
            self._tiles.append((overlay(image, labels), self._caption(index, scores)))

    def finish(self) -> None:
        """Write the contact sheet and end the video.

        Raises:
            OutputError: a file cannot be written.
        """
        self.close()
        if not self._tiles:
            return
        pictures, captions = zip(*self._tiles, strict=True)
        place = self._folder / SHEET
        try:
            Image.fromarray(contact_sheet(pictures, captions)).save(place)
        except OSError as error:
            raise OutputError(f'cannot write {place}: {error}') from None

    def close(self) -> None:
        """End the video as far as it is."""
        if self._video is not None:
            self._video.close()

    def _caption(self, index: int, scores: Mapping[int, tuple[float, float]]) -> str:
        if not scores:
            return self._frames[index]
        j, f = np.mean(list(scores.values()), axis=0)
        return f'{self._frames[index]}  J {100 * j:.1f}  F {100 * f:.1f}'


def _rate(sequence: AnnotatedSequence) -> float:
    """Frames per second."""
    stamps = sequence.stamps
    seconds = (stamps[-1] - stamps[0]) / 1e9
    return (len(stamps) - 1) / seconds if seconds > 0 else DEFAULT_FPS
