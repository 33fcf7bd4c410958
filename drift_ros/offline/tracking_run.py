"""Targets through a recording, into a folder."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from drift_ros.errors import PromptError
from drift_ros.io.frames import FolderSource
from drift_ros.io.writers import (
    BagResultWriter,
    CsvWriter,
    LabelWriter,
    OverlayWriter,
    ResultWriter,
    name_by_index,
)
from drift_ros.offline.run import OfflineRun, Request
from drift_ros.paths import is_name
from drift_ros.prompts import TimedPrompt, read_prompts
from drift_ros.structures import Frame, TrackerOutput, TrackingResult
from drift_ros.tracking import Tracker, Upcoming

LABELS, TRACKS, OVERLAY = 'labels', 'tracks.csv', 'overlay.mp4'


@dataclass(frozen=True, kw_only=True)
class TrackingRequest(Request):
    """What is to be tracked, and what is to be written.

    Attributes:
        prompts: a file of them.
    """

    prompts: Path


@dataclass
class TargetCounts:
    """In how many frames one target was listed and visible, and its scores there."""

    name: str
    frames: int = 0
    visible: int = 0
    score: float = 0.0  # sum over the visible frames

    @property
    def mean_score(self) -> float | None:
        """Over the visible frames; None if there are none."""
        return self.score / self.visible if self.visible else None


class PromptPlan:
    """Hands out prompts with their frames and remembers which were never asked for."""

    def __init__(self, prompts: Sequence[TimedPrompt]) -> None:
        self.left = list(prompts)

    def take(self, frame: Frame) -> list[TimedPrompt]:
        """The prompts of a frame."""
        here = [p for p in self.left if p.is_on(frame.index, frame.stamp)]
        self.left = [p for p in self.left if not p.is_on(frame.index, frame.stamp)]
        return here


class TrackingRun(OfflineRun):
    """Tracks targets: label PNGs, a table, a video and a bag with the node's messages.

    Raises:
        SourceError: the source or the prompts cannot be read.
        PromptError: the prompts are wrong, or one is on a frame behind the end of the source.
        OutputError: the output folder cannot be used.
    """

    command, video = 'track', OVERLAY
    _files = (f'{LABELS}/', TRACKS)

    def __init__(self, request: TrackingRequest) -> None:
        self.request = request
        self.objects: dict[int, TargetCounts] = {}
        self._prompts = read_prompts(request.prompts)
        self._plan = PromptPlan(self._prompts)
        super().__init__(request)

    def _asked(self) -> dict[str, Any]:
        return {
            'prompts': str(self.request.prompts.resolve()),
            'prompts_digest': _digest_prompts(self._prompts),
        }

    def _make_tracker(self) -> Tracker:
        self._tracker = Tracker.from_settings(self.request.settings)
        return self._tracker

    def _step(self, frame: Frame, upcoming: Upcoming) -> list[TrackerOutput]:
        here = self._plan.take(frame)
        late = self._tracker.stats.late
        outputs = self._tracker.step(frame, [p.prompt for p in here], upcoming=upcoming)
        if self._tracker.stats.late > late:
            self._plan.left += here
        return outputs

    def _check_frames(self, count: int) -> None:
        late = [p for p in self._prompts if p.frame is not None and p.frame >= count]
        if late:
            raise PromptError(
                f'{self.request.prompts}: {_names(late)}, but {self.request.source} has {count} '
                f'frames, 0 to {count - 1}'
            )

    def _check_end(self) -> None:
        super()._check_end()
        if self._plan.left:
            raise PromptError(
                f'{self.request.prompts}: {_names(self._plan.left)}, which never came or was '
                f'skipped; the frames of {self.request.source} end before, or their stamps differ'
            )

    def _writers(self) -> Iterator[ResultWriter]:
        created = self.folder.created
        yield CsvWriter(self._created(TRACKS))
        yield LabelWriter(self.request.out / LABELS, self._name(), created)
        if self.request.video:
            yield OverlayWriter(self.request.out / OVERLAY, self.source.fps, created)
        if self.request.bag:
            yield BagResultWriter(self._created_bag())

    def _name(self) -> Callable[[Frame], str]:
        """How label files are called: as their frames where these are files."""
        if not isinstance(self.source, FolderSource):
            return name_by_index
        stems = [file.stem for file in self.source.files]
        fit = len(set(stems)) == len(stems) and all(map(is_name, stems))
        return (lambda f: stems[f.index]) if fit else name_by_index

    def _count(self, result: TrackingResult) -> None:
        for obj in result.objects:
            seen = self.objects.setdefault(obj.id, TargetCounts(obj.name))
            seen.frames += 1
            seen.visible += obj.visible
            seen.score += obj.score if obj.visible else 0.0

    def _found(self) -> dict[str, Any]:
        return {
            'objects': {
                str(id_): {
                    'name': seen.name,
                    'frames': seen.frames,
                    'visible': seen.visible,
                    'mean_score': seen.mean_score,
                }
                for id_, seen in sorted(self.objects.items())
            }
        }


def _names(prompts: Sequence[TimedPrompt]) -> str:
    return ', '.join(map(str, prompts))


def _digest_prompts(prompts: Sequence[TimedPrompt]) -> str:
    digest = hashlib.sha256()
    for timed in prompts:
        prompt = timed.prompt
        digest.update(repr((timed.frame, timed.stamp, prompt.id, prompt.name)).encode())
        for array in (prompt.points, prompt.point_labels, prompt.boxes, prompt.mask):
            if array is not None:
                digest.update(repr(array.shape).encode() + np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()[:16]
