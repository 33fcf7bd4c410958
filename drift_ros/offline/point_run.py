"""Points through a recording, into a folder."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

import drift_ros
from drift_ros.errors import PromptError, SourceError
from drift_ros.io.frames import open_source
from drift_ros.offline.point_writers import (
    PointArrayWriter,
    PointBagWriter,
    PointCsvWriter,
    TrailWriter,
)
from drift_ros.offline.tracking_run import close_writer
from drift_ros.points import PointTracker
from drift_ros.points.queries import PointQueries, grid, parse_grid, read_queries
from drift_ros.runs.interrupts import interrupts_held
from drift_ros.runs.locks import writing_alone
from drift_ros.runs.run_folder import FAILED, FILES, FINISHED, INTERRUPTED, RunFolder
from drift_ros.settings import TrackerSettings, flatten
from drift_ros.structures import FailedFrames, TrackerOutput
from drift_ros.tracking.upcoming import Peekable

POINTS, ARRAYS, VIDEO, BAG = 'points.csv', 'points.npz', 'points.mp4', 'bag'


@dataclass(frozen=True)
class PointRequest:
    """What is to be followed, and what is to be written.

    Attributes:
        queries: a CSV file, `grid`, or `grid:N`.
    """

    source: Path
    queries: str
    out: Path
    settings: TrackerSettings
    topic: str | None = None
    fps: float | None = None
    video: bool = True
    bag: bool = True
    overwrite: bool = False


class PointRun:
    """A run over one source. A context manager.

    Raises:
        SourceError: the source or the file of queries cannot be read.
        PromptError: the queries are wrong.
        OutputError: the output folder cannot be used.
    """

    def __init__(self, request: PointRequest) -> None:
        self.request = request
        self.frames = 0
        self.points = 0
        self.visible = 0  # sum over the frames
        self.listed = 0  # likewise
        self.seconds = 0.0
        self._longer = parse_grid(request.queries)
        self._queries: PointQueries | None = None
        if self._longer is None:
            self._queries = read_queries(Path(request.queries).expanduser())
        pixels = request.settings.stream.max_pixels
        self.source = open_source(request.source, request.topic, request.fps, pixels)
        try:
            self.folder = RunFolder(request.out, self.identity)
        except BaseException:
            self.source.close()
            raise

    def __enter__(self) -> PointRun:
        return self

    def __exit__(self, *_: object) -> None:
        self.source.close()

    @cached_property
    def identity(self) -> dict[str, Any]:
        """What has to be equal for two runs to give the same results."""
        request, queries = self.request, self._queries
        given = None if queries is None else np.c_[queries.frames, queries.positions].tolist()
        return {
            'command': 'points',
            'version': drift_ros.__version__,
            'input': str(request.source.resolve()),
            'topic': getattr(self.source, 'topic', None),
            'fps': self.source.fps,
            'queries': request.queries,
            'points': given,
            'video': request.video,
            'bag': request.bag,
            'settings': flatten(request.settings),
        }

    def execute(self, on_frame: Callable[[int], None] = lambda done: None) -> None:
        """Follow the points through all frames and write where they are.

        Args:
            on_frame: called after every frame with the number of frames that are done.

        Raises:
            DriftError: something was wrong; what was written before stays.
        """
        tracker = PointTracker.from_settings(self.request.settings)
        with writing_alone(self.request.out):
            names = [POINTS, ARRAYS, FILES] + [VIDEO] * self.request.video
            names += [BAG] * self.request.bag
            self.folder.begin(self.request.overwrite, names)
            started, state, problem = time.monotonic(), FAILED, ''
            try:
                with ExitStack() as stack:
                    self._loop(tracker, self._open_writers(stack), on_frame)
                state = FINISHED
            except KeyboardInterrupt:
                state = INTERRUPTED
                raise
            except BaseException as error:
                problem = str(error) or type(error).__name__
                raise
            finally:
                self.seconds = time.monotonic() - started
                self.folder.save(state, error=problem, **self._facts(tracker))
                self.folder.close()

    def _open_writers(self, stack: ExitStack) -> list[Any]:
        out, created = self.request.out, self.folder.created
        created(out / POINTS)
        created(out / ARRAYS)
        writers: list[Any] = [PointCsvWriter(out / POINTS), PointArrayWriter(out / ARRAYS)]
        if self.request.video:
            writers.append(TrailWriter(out / VIDEO, self.source.fps, created))
        if self.request.bag:
            for name in (f'{BAG}.mcap', 'metadata.yaml'):
                created(out / BAG / name)
            writers.append(PointBagWriter(out / BAG))
        for writer in writers:
            stack.push(
                lambda kind, *_, writer=writer: close_writer(writer, broken=kind is not None)
            )
        return writers

    def _loop(
        self, tracker: PointTracker, writers: Sequence[Any], on_frame: Callable[[int], None]
    ) -> None:
        def put(outputs: Sequence[TrackerOutput]) -> None:
            for output in outputs:
                if isinstance(output, FailedFrames):
                    raise output.error
                with interrupts_held():  # so that a frame is in all files or in none
                    for writer in writers:
                        writer.write(output)
                    self.frames += 1
                    if output.points is not None:
                        self.listed += len(output.points)
                        self.visible += int(output.points.visible.sum())

        frames = Peekable(self.source.frames())
        for frame in frames:
            queries = self._queries or self._make_grid(frame.size)
            here = queries.on(frame.index)
            self.points += len(here)
            put(tracker.step(frame, here if len(here) else None, upcoming=frames.peek))
            on_frame(frame.index + 1)
        put(tracker.flush())
        if not self.frames:
            raise SourceError(
                f'no frame of {self.request.source} could be used: '
                f'{"; ".join(self.source.skipped[:3]) or "it is empty"}'
            )
        if self._queries is not None and self.points < len(self._queries.frames):
            raise PromptError(
                f'{len(self._queries.frames) - self.points} points are on frames that '
                f'{self.request.source} does not have, or that were skipped'
            )

    def _make_grid(self, size: tuple[int, int]) -> PointQueries:
        assert self._longer is not None
        self._queries = grid(size, self._longer)
        return self._queries

    def _facts(self, tracker: PointTracker) -> dict[str, Any]:
        extractor = tracker.tracker.extractor
        return {
            'device': str(extractor.device),
            'dtype': str(extractor.dtype).removeprefix('torch.'),
            'extractor': extractor.name,
            'frames': self.frames,
            'points': self.points,
            'visible_share': round(self.visible / self.listed, 4) if self.listed else None,
            'skipped': self.source.skipped.total,
            'seconds': round(self.seconds, 3),
        }
