"""Points through a recording, into a folder."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from drift_ros.errors import PromptError
from drift_ros.io.writers import ResultWriter
from drift_ros.offline.point_writers import (
    PointArrayWriter,
    PointBagWriter,
    PointCsvWriter,
    TrailWriter,
)
from drift_ros.offline.run import OfflineRun, Request
from drift_ros.points import PointTracker
from drift_ros.points.queries import PointQueries, grid, parse_grid, read_queries
from drift_ros.structures import Frame, TrackerOutput, TrackingResult
from drift_ros.tracking import Tracker, Upcoming

POINTS, ARRAYS, VIDEO = 'points.csv', 'points.npz', 'points.mp4'


@dataclass(frozen=True, kw_only=True)
class PointRequest(Request):
    """What is to be followed, and what is to be written.

    Attributes:
        queries: a CSV file, `grid`, or `grid:N`.
    """

    queries: str


class PointRun(OfflineRun):
    """Follows points: a table, arrays as of TAP-Vid, a video and a bag with the node's messages.

    Raises:
        SourceError: the source or the file of queries cannot be read.
        PromptError: the queries are wrong.
        OutputError: the output folder cannot be used.
    """

    command, video = 'points', VIDEO
    _files = (POINTS, ARRAYS)

    def __init__(self, request: PointRequest) -> None:
        self.request = request
        self.points = 0
        self.visible = 0  # sum over the frames
        self.listed = 0  # likewise
        self._longer = parse_grid(request.queries)
        self._queries: PointQueries | None = None
        if self._longer is None:
            self._queries = read_queries(Path(request.queries).expanduser())
        super().__init__(request)

    def _asked(self) -> dict[str, Any]:
        queries = self._queries
        given = None if queries is None else np.c_[queries.frames, queries.positions].tolist()
        return {'queries': self.request.queries, 'points': given}

    def _make_tracker(self) -> Tracker:
        self._tracker = PointTracker.from_settings(self.request.settings)
        return self._tracker.tracker

    def _step(self, frame: Frame, upcoming: Upcoming) -> list[TrackerOutput]:
        queries = self._queries or self._make_grid(frame.size)
        here = queries.on(frame.index)
        self.points += len(here)
        return self._tracker.step(frame, here if len(here) else None, upcoming=upcoming)

    def _make_grid(self, size: tuple[int, int]) -> PointQueries:
        assert self._longer is not None
        queries = grid(size, self._longer)
        count, most = len(queries.frames), self.request.settings.points.most
        if count > most:
            raise PromptError(
                f'{self.request.queries} makes {count} points, {self._longer} of them along the '
                f'longer side of the image, and points.most is {most}: give a smaller number, or '
                f'--set points.most={count}'
            )
        self._queries = queries
        return queries

    def _check_frames(self, count: int) -> None:
        late = 0 if self._queries is None else int((self._queries.frames >= count).sum())
        if late:
            raise PromptError(
                f'{self.request.queries}: {late} points are on frames that {self.request.source} '
                f'does not have: it has {count} frames, 0 to {count - 1}'
            )

    def _check_end(self) -> None:
        super()._check_end()
        if self._queries is not None and self.points < len(self._queries.frames):
            raise PromptError(
                f'{len(self._queries.frames) - self.points} points are on frames that '
                f'{self.request.source} does not have, or that were skipped'
            )

    def _writers(self) -> Iterator[ResultWriter]:
        yield PointCsvWriter(self._created(POINTS))
        yield PointArrayWriter(self._created(ARRAYS))
        if self.request.video:
            yield TrailWriter(self.request.out / VIDEO, self.source.fps, self.folder.created)
        if self.request.bag:
            yield PointBagWriter(self._created_bag())

    def _count(self, result: TrackingResult) -> None:
        if result.points is not None:
            self.listed += len(result.points)
            self.visible += int(result.points.visible.sum())

    def _found(self) -> dict[str, Any]:
        share = round(self.visible / self.listed, 4) if self.listed else None
        return {'points': self.points, 'visible_share': share}
