"""What follows points through a video: our trackers, and what they have to beat."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from drift_ros.points.motion import at
from drift_ros.settings import TrackerSettings, flatten
from drift_ros.structures import FailedFrames, Frame
from drift_ros.tracking.optical_flow import one_thread

if TYPE_CHECKING:
    from drift_ros.features import FeatureExtractor

PERIOD = 40_000_000  # ns between frames
ROUND_TRIP = 1.5  # px; a flow that does not lead back this near ends in an occlusion

Video = NDArray[np.uint8]
Numbers = NDArray[np.int64]
Positions = NDArray[np.float32]
Found = tuple[Positions, NDArray[np.bool_]]


class PointMethod(Protocol):
    """Follows points through videos."""

    @property
    def name(self) -> str:
        """As tables show it."""
        ...

    @property
    def settings(self) -> Mapping[str, Any]:
        """What it was set to, fit for JSON."""
        ...

    def track(self, video: Video, frames: Numbers, positions: Positions) -> Found:
        """Follow points from their frames to the end.

        Args:
            video: (T, H, W, 3) uint8 RGB.
            frames: (N,) number of the frame of each query.
            positions: (N, 2) (x, y) in px, origin at the centre of the top left pixel.

        Returns:
            (N, T, 2) positions in px and (N, T) whether the point is visible; of frames before a
            query they mean nothing.
        """
        ...


class Still:
    """No motion: points stay where they were asked for."""

    name = 'no motion'
    settings: Mapping[str, Any] = {'features.name': 'still'}

    def track(self, video: Video, frames: Numbers, positions: Positions) -> Found:
        """See `PointMethod`."""
        found = np.repeat(positions[:, None], len(video), 1)
        return found, np.ones(found.shape[:2], bool)


class ChainedFlow:
    """DIS flow from frame to frame. A point is hidden from where flow there and back differ, or it
    leaves the image, and is visible again where they agree.
    """

    name = 'flow'
    settings: Mapping[str, Any] = {'features.name': 'flow', 'preset': 'medium'}

    def track(self, video: Video, frames: Numbers, positions: Positions) -> Found:
        """See `PointMethod`."""
        flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
        found = np.repeat(positions[:, None], len(video), 1)
        visible = np.ones(found.shape[:2], bool)
        with one_thread():
            grey = [cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in video]
            for t in range(1, len(video)):
                forth = flow.calc(grey[t - 1], grey[t], None)
                back = flow.calc(grey[t], grey[t - 1], None)
                moving = frames < t
                old = found[moving, t - 1]
                new = old + at(forth, old)
                trip = np.linalg.norm(new + at(back, new) - old, axis=1)
                height, width = grey[t].shape
                inside = ((new >= -0.5) & (new < [width - 0.5, height - 0.5])).all(1)
                found[moving, t] = new
                visible[moving, t] = inside & (trip < ROUND_TRIP)
        return found, visible


class Ours:
    """Our tracker.

    Args:
        settings: of the tracker.
        extractor: the one that the settings name, if it was made before.
    """

    def __init__(
        self, settings: TrackerSettings, extractor: FeatureExtractor | None = None
    ) -> None:
        from drift_ros import features

        # a benchmark asks for points wherever they appear; a stream must not grow without end
        points = settings.points.model_copy(update={'most': 100_000, 'most_frames': 1024})
        self._tracker = settings.model_copy(update={'points': points})
        self._extractor = extractor or features.create(settings.features)
        self.name = settings.features.name

    @property
    def settings(self) -> Mapping[str, Any]:
        """All settings."""
        return flatten(self._tracker)

    def track(self, video: Video, frames: Numbers, positions: Positions) -> Found:
        """See `PointMethod`."""
        if self._tracker.points.chunks != 'none':
            from drift_ros.points.chunks import ChunkedTracker

            return ChunkedTracker(self._extractor, self._tracker).track(video, frames, positions)
        from drift_ros.points import PointTracker
        from drift_ros.prompts import create_segmenter
        from drift_ros.tracking import Tracker

        segmenter = create_segmenter(self._tracker.prompts, self._extractor.device)
        tracker = PointTracker(Tracker(self._extractor, segmenter, self._tracker))
        found = np.repeat(positions[:, None], len(video), 1)
        visible = np.ones(found.shape[:2], bool)
        rows = np.argsort(frames, kind='stable')  # ids rise with the frame of the query
        for index, image in enumerate(video):
            here = positions[frames == index]
            frame = Frame(image, (index + 1) * PERIOD, index=index)
            outputs = tracker.step(frame, here if len(here) else None)
            if index == len(video) - 1:
                outputs += tracker.flush()
            for output in outputs:
                if isinstance(output, FailedFrames):
                    raise output.error
                if output.points is not None:
                    chosen = rows[output.points.ids - 1]
                    found[chosen, output.frame.index] = output.points.positions
                    visible[chosen, output.frame.index] = output.points.visible
        return found, visible
