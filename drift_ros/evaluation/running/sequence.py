"""One sequence through a method: labels, scores, pictures, time and memory."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from drift_ros.errors import DriftError, OutputError, SourceError
from drift_ros.evaluation.metrics import Scorer
from drift_ros.evaluation.protocols import AnnotatedSequence, Found, Labels, Method
from drift_ros.evaluation.running.memory import peak_device_memory, peak_memory, restart_peaks
from drift_ros.evaluation.running.overlay_video import OverlayVideo
from drift_ros.evaluation.scores import SequenceScore
from drift_ros.io.writers import save_labels

LABELS = 'labels'

OnFrame = Callable[[int, int], None]  # frames that were put in, and all


class MethodError(DriftError):
    """A method broke its contract, or failed."""


def nothing(done: int, count: int) -> None:
    """For those who need not know how far it is."""


def run_sequence(
    sequence: AnnotatedSequence,
    method: Method,
    folder: Path,
    pictures: bool = True,
    on_frame: OnFrame = nothing,
) -> SequenceScore:
    """Track a sequence and score it.

    Args:
        folder: gets labels/*.png as they come, overlay.mp4 and sheet.png; emptied before.
        pictures: whether to draw the overlay and the contact sheet.
        on_frame: called with how many frames were put in, and how many there are.

    Raises:
        DriftError: the data cannot be used, the method failed, or the folder cannot be written.
    """
    return _Run(sequence, method, folder, pictures).execute(on_frame)


class _Run:
    def __init__(
        self, sequence: AnnotatedSequence, method: Method, folder: Path, pictures: bool
    ) -> None:
        self.sequence, self.method, self.folder = sequence, method, folder
        make_empty(folder, LABELS)
        self.scorer = Scorer(sequence.name, sequence.objects, sequence.given)
        self.scored = frozenset(sequence.scored)
        self.names = list(sequence.frames)
        self.pictures = OverlayVideo(folder, sequence) if pictures else None
        self.size: tuple[int, ...] = ()
        self.next = 0  # number of the frame whose labels come next
        self.waiting: dict[int, NDArray[np.uint8]] = {}  # images of frames without labels
        self.seconds = 0.0

    def execute(self, on_frame: OnFrame) -> SequenceScore:
        sequence, method = self.sequence, self.method
        restart_peaks()
        try:
            method.begin()
            for index, stamp in enumerate(sequence.stamps):
                image = self._image(index)
                given = self._given(index)
                if self.pictures:
                    self.waiting[index] = image
                started = time.perf_counter()
                found = method.step(index, stamp, image, given)
                self.seconds += time.perf_counter() - started
                self._take(found)
                on_frame(index + 1, len(self.names))
            started = time.perf_counter()
            found = method.end()
            self.seconds += time.perf_counter() - started
            self._take(found)
            if self.next != len(self.names):
                raise MethodError(
                    f'{method.name} gave labels of {self.next} of {len(self.names)} frames'
                )
            if self.pictures:
                self.pictures.finish()
        finally:
            if self.pictures:
                self.pictures.close()
        return self.scorer.score(
            frames=len(self.names),
            seconds=self.seconds,
            memory=peak_memory(),
            device_memory=peak_device_memory(),
            skipped=tuple(sequence.skipped),
        )

    def _image(self, index: int) -> NDArray[np.uint8]:
        image = self.sequence.image(index)
        self.size = self.size or image.shape[:2]
        self._check_size('image', index, image.shape)
        return image

    def _given(self, index: int) -> dict[int, NDArray[np.bool_]]:
        ids = self.sequence.given.get(index, ())
        if not ids:
            return {}
        truth = self._truth(index)
        return {id_: truth == id_ for id_ in ids}

    def _truth(self, index: int) -> Labels:
        truth = self.sequence.truth(index)
        self._check_size('annotation', index, truth.shape)
        return truth

    def _check_size(self, what: str, index: int, shape: Sequence[int]) -> None:
        if tuple(shape[:2]) != self.size:
            raise SourceError(
                f'the {what} of frame {self.names[index]} is {shape[1]}x{shape[0]} px, '
                f'but the first image {self.size[1]}x{self.size[0]}: all must have one size'
            )

    def _take(self, found: Sequence[Found]) -> None:
        for index, labels, *said in found:
            if index != self.next:
                raise MethodError(
                    f'{self.method.name} gave the labels of frame {index} where those of frame '
                    f'{self.next} were due'
                )
            self.next += 1
            save_labels(self.folder / LABELS / f'{self.names[index]}.png', labels)
            scores = {}
            if index in self.scored:
                scores = self.scorer.add(index, self._truth(index), labels, *said)
            if self.pictures:
                self.pictures.add(index, self.waiting.pop(index), labels, scores)


def make_empty(folder: Path, inside: str = '') -> None:
    """Delete the results of a sequence, and make its folder, with another one inside.

    Raises:
        OutputError: that is not possible.
    """
    try:
        delete_results(folder)
        (folder / inside).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f'cannot write to {folder}: {error}') from None


def delete_results(folder: Path) -> None:
    """Delete the files and label maps in a folder, but not the folders of other sequences: the
    results of `a/b` lie in the folder of `a`.
    """
    for place in [*folder.iterdir()] if folder.is_dir() else []:
        if place.is_symlink() or not place.is_dir():
            place.unlink()
        elif place.name == LABELS:
            shutil.rmtree(place)
