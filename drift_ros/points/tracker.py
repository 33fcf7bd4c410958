"""The streaming tracker of points: frames and points in, positions out."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from drift_ros.errors import PromptError
from drift_ros.points.follower import PointFollower
from drift_ros.prompts.prompt import Prompt
from drift_ros.settings import TrackerSettings
from drift_ros.structures import Frame, TrackedPoints, TrackerOutput
from drift_ros.tracking import Tracker, Upcoming


class PointTracker:
    """Follows points through the frames of a tracker, which may track targets at the same time.

    Frames, windows, descriptors and results are those of the tracker: a network runs once for
    both. It belongs to the tracker's thread.

    Args:
        tracker: takes the frames; `results[i].points` are the points. Its `settings.points` say how
            points are followed.

    Raises:
        SettingsError: `points.heads` names a head that the extractor does not read.
        CheckpointError: `points.checkpoint` cannot be used.
    """

    def __init__(self, tracker: Tracker) -> None:
        self.tracker = tracker
        self._follower = PointFollower(
            tracker.settings.points, tracker.extractor.heads, tracker.history
        )
        tracker.follower = self._follower

    @classmethod
    def beside(cls, tracker: Tracker) -> PointTracker:
        """The tracker of points that a tracker has, or else a new one."""
        if not isinstance(tracker.follower, PointFollower):
            return cls(tracker)
        found = cls.__new__(cls)
        found.tracker, found._follower = tracker, tracker.follower
        return found

    @classmethod
    def from_settings(cls, settings: TrackerSettings) -> PointTracker:
        """Make the extractor that the settings name, and a tracker of points alone over it.

        Raises:
            DriftError: something that the settings name is missing or unusable.
        """
        return cls(Tracker.from_settings(settings))

    @property
    def generation(self) -> int:
        """Of the points: another one whenever all are given anew or the stream restarts."""
        return self._follower.generation

    @property
    def ids(self) -> NDArray[np.int64]:
        """Of all points, rising."""
        return self._follower.ids

    def step(
        self,
        frame: Frame,
        queries: ArrayLike | None = None,
        prompts: Sequence[Prompt] = (),
        upcoming: Upcoming | None = None,
    ) -> list[TrackerOutput]:
        """Take one frame and find the points in what became complete with it.

        Args:
            frame: the next frame of the stream, as `Tracker.step` takes it.
            queries: (N, 2) (x, y) in px of further points on this very frame; None for none.
            prompts: further targets on it.
            upcoming: the frame of the next step, as `Tracker.step` takes it.

        Returns:
            Zero or more results in order. `points` of each are None while there are none.

        Raises:
            PromptError: a query cannot be used. The frame is in the stream all the same; its result
                comes with the next step.
        """
        if queries is None:
            return self.tracker.step(frame, prompts, upcoming=upcoming)
        given = queries

        def add() -> None:
            self.set_points(given, frame.stamp, keep_existing=True)

        return self.tracker.step(frame, prompts, add, upcoming)

    def flush(self) -> list[TrackerOutput]:
        """Find the points in every frame that still waits. Call it at the end of a stream."""
        return self.tracker.flush()

    def set_points(
        self,
        positions: ArrayLike,
        stamp: int | None = None,
        keep_existing: bool = False,
        frame_id: str = '',
    ) -> NDArray[np.int64]:
        """Name points on one of the kept frames; tracking goes back to that frame.

        Points appear in the results of frames that were not yet released.

        Args:
            positions: (N, 2) (x, y) in px, origin at the centre of the top left pixel.
            stamp: of their frame in ns; None for the newest.
            keep_existing: keep the present points; else forget them, and begin a new generation.
            frame_id: camera that they are given for; empty for whichever there is.

        Returns:
            (N,) their ids.

        Raises:
            PromptError: no such frame is kept, a point is not inside it or not a number, or there
                are too many. Nothing changes then.
        """
        entry = self.tracker.find(stamp, frame_id)
        most = self.tracker.settings.points.most
        points = checked(positions, entry.frame.size, most)
        if not keep_existing:
            self._follower.reset()
        ids = self._follower.add(entry.number, points)
        self.tracker.go_back_to(entry)
        return ids

    def remove_points(self, ids: Collection[int]) -> None:
        """Follow some points no longer.

        Raises:
            PromptError: an id is not followed; nothing changes then.
        """
        self._follower.remove(ids)

    def clear(self) -> None:
        """Forget all points; a new generation begins."""
        self._follower.reset()


def checked(positions: ArrayLike, size: tuple[int, int], most: int) -> NDArray[np.float32]:
    """Positions of points as (N, 2) float32.

    Args:
        positions: (N, 2) (x, y) in px.
        size: (H, W) of their image in px.
        most: how many there may be.

    Raises:
        PromptError: they are of another shape, none or too many, no numbers, or outside the image.
    """
    try:
        points = np.asarray(positions, np.float64)
    except (TypeError, ValueError) as error:
        raise PromptError(f'points must be numbers, an (x, y) for each: {error}') from None
    if points.ndim != 2 or points.shape[1] != 2 or not len(points):
        raise PromptError(
            f'points have the shape {points.shape}: give at least one, as (N, 2) with x and y in px'
        )
    if len(points) > most:
        raise PromptError(
            f'{len(points)} points were given, and points.most is {most}: give fewer, or raise it'
        )
    height, width = size
    low, high = np.array([-0.5, -0.5]), np.array([width - 0.5, height - 0.5])
    outside = ~((points >= low) & (points <= high)).all(1)  # NaN too
    if outside.any():
        x, y = points[outside][0].tolist()
        raise PromptError(
            f'{outside.sum()} of {len(points)} points are not in the image of {width}x{height} px, '
            f'the first of them is ({x:g}, {y:g}): give x from -0.5 to {width - 0.5:g} and y from '
            f'-0.5 to {height - 0.5:g}'
        )
    return points.astype(np.float32)


def points_of(outputs: Collection[TrackerOutput]) -> list[TrackedPoints]:
    """Points of the results that have any."""
    found = (getattr(output, 'points', None) for output in outputs)
    return [points for points in found if points is not None]
