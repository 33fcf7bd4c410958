"""One run over a recording: checks, the loop over the frames, and its record."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.metadata
import platform
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

import drift_ros
from drift_ros.errors import DeviceError, OutputError, PromptError, SourceError
from drift_ros.io.bags import SUFFIXES as BAG_SUFFIXES
from drift_ros.io.frames import FolderSource, open_source
from drift_ros.io.writers import (
    BagResultWriter,
    CsvWriter,
    LabelWriter,
    OverlayWriter,
    ResultWriter,
    name_by_index,
)
from drift_ros.paths import is_name
from drift_ros.prompts import TimedPrompt, read_prompts
from drift_ros.runs.interrupts import interrupts_held
from drift_ros.runs.locks import writing_alone
from drift_ros.runs.run_folder import FAILED, FILES, FINISHED, INTERRUPTED, RunFolder
from drift_ros.settings import TrackerSettings, flatten
from drift_ros.structures import FailedFrames, Frame, TrackerOutput, TrackingResult
from drift_ros.tracking import Tracker
from drift_ros.tracking.upcoming import Peekable

LABELS, TRACKS, OVERLAY, BAG = 'labels', 'tracks.csv', 'overlay.mp4', 'bag'
VERSIONS = ('torch', 'numpy', 'diffusers', 'transformers')


@dataclass(frozen=True)
class Request:
    """What is to be tracked, and what is to be written."""

    source: Path
    prompts: Path
    out: Path
    settings: TrackerSettings
    topic: str | None = None
    fps: float | None = None
    overlay: bool = True
    bag: bool = True
    overwrite: bool = False


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


@dataclass
class Counts:
    """How far a run came."""

    results: int = 0
    seconds: float = 0.0
    objects: dict[int, TargetCounts] = field(default_factory=dict)

    def add(self, result: TrackingResult) -> None:
        """Count one result."""
        self.results += 1
        for obj in result.objects:
            seen = self.objects.setdefault(obj.id, TargetCounts(obj.name))
            seen.frames += 1
            seen.visible += obj.visible
            seen.score += obj.score if obj.visible else 0.0

    @property
    def rate(self) -> float:
        """Results per second."""
        return self.results / self.seconds if self.seconds else 0.0


class PromptPlan:
    """Hands out prompts with their frames and remembers which were never asked for."""

    def __init__(self, prompts: Sequence[TimedPrompt]) -> None:
        self.left = list(prompts)

    def take(self, frame: Frame) -> list[TimedPrompt]:
        """The prompts of a frame."""
        here = [p for p in self.left if p.is_on(frame.index, frame.stamp)]
        self.left = [p for p in self.left if not p.is_on(frame.index, frame.stamp)]
        return here


class TrackingRun:
    """A run over one source. A context manager.

    Raises:
        SourceError: the source or the prompts cannot be read.
        PromptError: the prompts are wrong, or one is on a frame behind the end of the source.
        OutputError: the output folder cannot be used.
    """

    def __init__(self, request: Request) -> None:
        self.request = request
        self.counts = Counts()
        self.prompts = read_prompts(request.prompts)
        pixels = request.settings.stream.max_pixels
        self.source = open_source(request.source, request.topic, request.fps, pixels)
        self.plan = PromptPlan(self.prompts)
        self.stats: dict[str, Any] = {}
        try:
            self._check_frames()
            self.folder = RunFolder(request.out, self.identity)
        except BaseException:
            self.source.close()
            raise

    def __enter__(self) -> TrackingRun:
        return self

    def __exit__(self, *_: object) -> None:
        self.source.close()

    @cached_property
    def identity(self) -> dict[str, Any]:
        """What has to be equal for two runs to give the same results."""
        request = self.request
        return {
            'command': 'track',
            'version': drift_ros.__version__,
            'input': str(request.source.resolve()),
            'input_digest': self._digest_source(),
            'topic': getattr(self.source, 'topic', None),
            'fps': self.source.fps,
            'prompts': str(request.prompts.resolve()),
            'prompts_digest': _digest_prompts(self.prompts),
            'overlay': request.overlay,
            'bag': request.bag,
            'settings': flatten(request.settings),
        }

    def _digest_source(self) -> str:
        """Of names, sizes and times of change: reading hours of video would take too long."""
        path = self.request.source
        files = [path]
        if isinstance(self.source, FolderSource):
            files = self.source.files
        elif path.is_dir():
            files = sorted(file for file in path.iterdir() if file.suffix in BAG_SUFFIXES)
        stats = [(f.name, f.stat().st_size, f.stat().st_mtime_ns) for f in files]
        return hashlib.sha256(repr(stats).encode()).hexdigest()[:16]

    def execute(
        self,
        on_frame: Callable[[int], None] = lambda done: None,
        on_result: Callable[[TrackingResult], None] = lambda result: None,
    ) -> None:
        """Track all frames and write all results.

        Args:
            on_frame: called after every frame with the number of frames that are done; a
                KeyboardInterrupt from it ends the run in order.
            on_result: called with every result that was written.

        Raises:
            DriftError: something was wrong; what was written before stays.
        """
        # Before the folder is touched: missing weights must not cost an earlier run.
        tracker = Tracker.from_settings(self.request.settings)
        with writing_alone(self.request.out):
            self._execute(tracker, on_frame, on_result)

    def _execute(
        self,
        tracker: Tracker,
        on_frame: Callable[[int], None],
        on_result: Callable[[TrackingResult], None],
    ) -> None:
        names = [LABELS, TRACKS, FILES]
        names += [OVERLAY] * self.request.overlay + [BAG] * self.request.bag
        self.folder.begin(self.request.overwrite, names)
        started = time.monotonic()
        state, problem = FAILED, ''
        try:
            with ExitStack() as stack:
                self._loop(tracker, self._open_writers(stack), on_frame, on_result)
            self._check_prompts()
            state = FINISHED
        except KeyboardInterrupt:
            state = INTERRUPTED
            raise
        except torch.OutOfMemoryError as error:
            problem = (
                f'{tracker.extractor.device} ran out of memory: {error}; lower features.resolution '
                'or window.length, or set features.dtype to float16'
            )
            raise DeviceError(problem) from error
        except BaseException as error:
            problem = str(error) or type(error).__name__
            raise
        finally:
            self.counts.seconds = time.monotonic() - started
            self.folder.save(state, error=problem, **self._facts(tracker))
            self.folder.close()

    def _check_frames(self) -> None:
        count = self.source.count
        # The header of a video may promise too little, so only the end of the run decides there.
        if count is None or self.source.kind == 'video':
            return
        late = [p for p in self.prompts if p.frame is not None and p.frame >= count]
        if late:
            raise PromptError(
                f'{self.request.prompts}: {_names(late)}, but {self.request.source} has {count} '
                f'frames, 0 to {count - 1}'
            )

    def _check_prompts(self) -> None:
        if not self.counts.results:
            raise SourceError(
                f'no frame of {self.request.source} could be used: '
                f'{"; ".join(self.source.skipped[:3]) or "it is empty"}'
            )
        if self.plan.left:
            raise PromptError(
                f'{self.request.prompts}: {_names(self.plan.left)}, which never came or was '
                f'skipped; the frames of {self.request.source} end before, or their stamps differ'
            )

    def _open_writers(self, stack: ExitStack) -> list[ResultWriter]:
        out, created = self.request.out, self.folder.created

        def opened(writer: ResultWriter) -> ResultWriter:
            stack.push(lambda kind, *_: close_writer(writer, broken=kind is not None))
            return writer

        created(out / TRACKS)
        writers = [
            opened(CsvWriter(out / TRACKS)),
            opened(LabelWriter(out / LABELS, self._name(), created)),
        ]
        if self.request.overlay:
            writers.append(opened(OverlayWriter(out / OVERLAY, self.source.fps, created)))
        if self.request.bag:
            for name in (f'{BAG}.mcap', 'metadata.yaml'):
                created(out / BAG / name)
            writers.append(opened(BagResultWriter(out / BAG)))
        return writers

    def _name(self) -> Callable[[Frame], str]:
        """How label files are called: as their frames where these are files."""
        if not isinstance(self.source, FolderSource):
            return name_by_index
        stems = [file.stem for file in self.source.files]
        fit = len(set(stems)) == len(stems) and all(map(is_name, stems))
        return (lambda f: stems[f.index]) if fit else name_by_index

    def _loop(
        self,
        tracker: Tracker,
        writers: Sequence[ResultWriter],
        on_frame: Callable[[int], None],
        on_result: Callable[[TrackingResult], None],
    ) -> None:
        def put(outputs: Sequence[TrackerOutput]) -> None:
            for output in outputs:
                if isinstance(output, FailedFrames):
                    raise output.error
                with interrupts_held():  # so that a frame is in all files or in none
                    for writer in writers:
                        writer.write(output)
                    self.counts.add(output)
                on_result(output)

        frames = Peekable(self.source.frames())
        for frame in frames:
            here = self.plan.take(frame)
            late = tracker.stats.late
            put(tracker.step(frame, [p.prompt for p in here], upcoming=frames.peek))
            if tracker.stats.late > late:
                self.plan.left += here
            on_frame(frame.index + 1)
        put(tracker.flush())

    def _facts(self, tracker: Tracker) -> dict[str, Any]:
        counts = self.counts
        return {
            'device': str(tracker.extractor.device),
            'dtype': str(tracker.extractor.dtype).removeprefix('torch.'),
            'extractor': tracker.extractor.name,
            'segmenter': tracker.segmenter.name,
            'window': dict(zip(('length', 'stride'), tracker.window, strict=True)),
            'versions': {
                'drift_ros': drift_ros.__version__,
                'python': platform.python_version(),
                **{name: importlib.metadata.version(name) for name in VERSIONS},
            },
            'counts': {
                **dataclasses.asdict(tracker.stats),
                'results': counts.results,
                'skipped': self.source.skipped.total,
                'skipped_reasons': list(self.source.skipped),
            },
            'objects': {
                str(id_): {
                    'name': seen.name,
                    'frames': seen.frames,
                    'visible': seen.visible,
                    'mean_score': seen.mean_score,
                }
                for id_, seen in sorted(counts.objects.items())
            },
            'seconds': round(counts.seconds, 3),
            'frames_per_second': round(counts.rate, 3),
        }


def close_writer(writer: ResultWriter, broken: bool) -> None:
    """Close a writer; where something has gone wrong already, that is what is said."""
    try:
        writer.close()
    except OutputError:
        if not broken:
            raise


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
