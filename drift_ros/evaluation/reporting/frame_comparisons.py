"""Pictures of the report: frame, truth, result and errors side by side; features as colours."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from pathlib import Path

import cv2
import numpy as np

from drift_ros.errors import DriftError
from drift_ros.evaluation.places import sequence_folder
from drift_ros.evaluation.protocols import AnnotatedSequence, Labels
from drift_ros.evaluation.reporting.features import PICTURE
from drift_ros.evaluation.reporting.worst import Frame
from drift_ros.pictures import read_values
from drift_ros.visualization.contact_sheet import side_by_side
from drift_ros.visualization.pages import jpeg

TILE = 320  # px
QUALITY = 80
BUDGET = 12 * 2**20  # characters of pictures in one page; beyond, sequences come without


class FrameComparisons:
    """Makes the pictures of one report, as long as they do not make it too large.

    Args:
        folder: of the evaluation, with label maps under sequences/<name>/labels.
        sequences: with frames and truth; those that are not given get no pictures.
    """

    def __init__(self, folder: Path, sequences: Iterable[AnnotatedSequence]) -> None:
        self._folder = folder
        self._sequences: Mapping[str, AnnotatedSequence] = {s.name: s for s in sequences}
        self._taken = 0
        self._made: dict[tuple[str, int], dict[str, str] | None] = {}

    def prepare(self, first: Sequence[Frame], rest: Sequence[Frame]) -> None:
        """Make the pictures of frames, one sequence after the other: some are slow to open, and
        keep much while they are.

        Args:
            rest: get theirs as long as there is room.
        """
        must = {(frame.sequence, frame.index) for frame in first}
        wanted = {(frame.sequence, frame.index): frame for frame in (*rest, *first)}
        for name, places in groupby(sorted(wanted), key=lambda place: place[0]):
            sequence = copy.copy(self._sequences.get(name))  # what it keeps goes with it
            for place in places:
                if sequence is not None and (place in must or self._taken <= BUDGET):
                    self._made[place] = self._make(wanted[place], sequence)

    def comparison(self, frame: Frame) -> dict[str, str] | None:
        """Side by side, with what was scored above; None where something is not there."""
        return self._made.get((frame.sequence, frame.index))

    def _make(self, frame: Frame, sequence: AnnotatedSequence) -> dict[str, str] | None:
        try:
            result = self._result(sequence, frame.index)
            image, truth = sequence.image(frame.index), sequence.truth(frame.index)
        except (DriftError, OSError):
            return None
        if result.shape != truth.shape or image.shape[:2] != truth.shape:
            return None
        source = jpeg(side_by_side(image, truth, result, TILE), QUALITY)
        self._taken += len(source)
        return {'caption': _caption(frame, sequence), 'src': source}

    def features(self, name: str) -> dict[str, str] | None:
        """The principal directions of a sequence's features, if they were drawn."""
        place = sequence_folder(self._folder, name) / PICTURE
        picture = cv2.imread(str(place)) if place.is_file() else None
        if picture is None or self._taken > BUDGET:
            return None
        width = min(picture.shape[1], 4 * TILE)
        height = round(picture.shape[0] * width / picture.shape[1])
        small = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
        source = jpeg(np.asarray(small[..., ::-1], np.uint8), QUALITY)
        self._taken += len(source)
        caption = 'Features as colours: like colours are like descriptors (frames above).'
        return {'caption': caption, 'src': source}

    def _result(self, sequence: AnnotatedSequence, index: int) -> Labels:
        place = sequence_folder(self._folder, sequence.name) / 'labels'
        return read_values(place / f'{sequence.frames[index]}.png').pixels.astype(np.uint8)


def _caption(frame: Frame, sequence: AnnotatedSequence) -> str:
    text = f'{frame.sequence}, frame {sequence.frames[frame.index]}: J&F {100 * frame.value:.1f}'
    if 1 < len(frame.j) <= 4:
        names = sequence.objects
        each = (
            f'{names.get(id_) or f"object {id_}"} {50 * (j + frame.f[id_]):.1f}'
            for id_, j in frame.j.items()
        )
        text += f' ({", ".join(each)})'
    return text
