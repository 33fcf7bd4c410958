"""Positions of tracked objects from the depth images that come beside the colour images."""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sensor_msgs.msg import CameraInfo, Image

from drift_ros.errors import FrameError
from drift_ros.io.depth import to_metres
from drift_ros.node_settings import DepthSettings, NodeSettings
from drift_ros.ros import geometry
from drift_ros.ros.pairing import DepthPairing, Stamped
from drift_ros.ros.stamps import nanoseconds
from drift_ros.structures import Position, TrackedObject, TrackingResult
from drift_ros.tracking.spatial_motion import Measurement

Warn = Callable[[str, str], None]  # kind for throttling, message
CALIBRATE = 'calibrate the camera and let its driver publish camera_info'


@dataclass(frozen=True, slots=True)
class Measured:
    """The depth of one image, registered to it.

    Attributes:
        result: of the image.
        metres: (H, W) float32 depth in m.
        camera: of the image.
        settings: how depth is used.
    """

    result: TrackingResult
    metres: NDArray[np.float32]
    camera: geometry.Intrinsics
    settings: DepthSettings

    def points(self, obj: TrackedObject) -> NDArray[np.float64]:
        """(n, 3) points of a visible object in m in the optical frame, without what its mask spills
        over.
        """
        depth = self.metres[obj.roi.slices]
        corner = (obj.roi.x, obj.roi.y)
        found = geometry.points(self.result.mask(obj), depth, self.camera, corner)
        return geometry.nearby(found, self.settings.gap)

    def position(self, obj: TrackedObject) -> Position | None:
        """Where a visible object is; None if it is not known."""
        return geometry.position(self.points(obj), self.settings.min_pixels)

    def measurement(self, obj: TrackedObject) -> Measurement | None:
        """The same with what is known of its ends, for its motion."""
        points = self.points(obj)
        position = geometry.position(points, self.settings.min_pixels)
        if position is None:
            return None
        low, high = np.percentile(points[:, :2], (2, 98), axis=0)
        roi, edge, size = obj.roi, geometry.EDGE, self.result.frame.size
        left, top = max(0, roi.x - edge), max(0, roi.y - edge)
        around = slice(top, roi.y + roi.height + edge), slice(left, roi.x + roi.width + edge)
        depth = self.metres[around]
        nearest, farthest = points[:, 2].min(), points[:, 2].max()
        own = (self.result.labels[around] == obj.id) & (depth >= nearest) & (depth <= farthest)
        hidden = geometry.hidden_sides(own, depth, (left, top), size)
        return Measurement(position, np.stack([low, high], 1), hidden)


class Positions:
    """Pairs images with depth and measures objects. Masks never wait for it.

    Two threads meet here: messages are taken in the executor's, results are served in the worker's.
    Depth cannot wait for the worker's turn, since that of a window's last frames comes while the
    window is computed. What both use is guarded by a lock.

    Args:
        settings: the node's.
        warn: takes what keeps positions from being known.
    """

    def __init__(self, settings: NodeSettings, warn: Warn) -> None:
        self._pairing = DepthPairing(settings.depth.slop, settings.stream.backward_jump)
        self._info: CameraInfo | None = None
        self._lock = threading.Lock()  # of the pairing and the outcomes
        self._warn = warn
        self.settings = settings.depth
        self._outcomes: Counter[str] = Counter()
        self.depth_seen = False

    @property
    def outcomes(self) -> Counter[str]:
        """How often depth was used, or why not."""
        with self._lock:
            return Counter(self._outcomes)

    @property
    def info_seen(self) -> bool:
        """Whether a camera_info has come."""
        return self._info is not None

    def update(self, settings: NodeSettings) -> None:
        """Take over changed settings."""
        if settings.depth.slop != self.settings.slop:
            with self._lock:
                self._pairing.reset(settings.depth.slop)
        self._pairing.jump = settings.stream.backward_jump
        self.settings = settings.depth

    def keep(self, images: int) -> None:
        """Keep the depth of so many images: those that wait or may be published again."""
        with self._lock:
            self._pairing.keep = images

    def add_image(self, message: Stamped) -> None:
        """An image came in."""
        with self._lock:
            self._pairing.add_image(message)

    def forget(self, message: Stamped) -> None:
        """An image that came in will not be tracked."""
        with suppress(FrameError), self._lock:
            self._pairing.forget(nanoseconds(message.header.stamp))

    def add_depth(self, message: Image) -> None:
        """A depth image came in."""
        self.depth_seen = True
        try:
            with self._lock:
                self._pairing.add_depth(message)
        except FrameError as error:
            self._unusable(FrameError(f'topic depth: {error}'))

    def set_info(self, message: CameraInfo) -> None:
        """A camera_info came in."""
        self._info = message

    def measure(self, result: TrackingResult) -> Measured | None:
        """What the depth of a result's image tells; None without usable depth, or if nothing is
        visible and there are no points.
        """
        seen = any(obj.visible for obj in result.objects)
        if not self.depth_seen or not (seen or result.points is not None):
            return None
        try:
            measured = self._measure(result)
        except FrameError as error:
            self._unusable(error)
            return None
        self._count('none with this stamp' if measured is None else 'used')
        return measured

    def _unusable(self, error: FrameError) -> None:
        self._warn('depth: ' + re.split('[:,]', str(error))[0], str(error))
        self._count('unusable')

    def _count(self, outcome: str) -> None:
        with self._lock:
            self._outcomes[outcome] += 1

    def _measure(self, result: TrackingResult) -> Measured | None:
        with self._lock:
            message = self._pairing.find(result.frame.stamp)
        if message is None:
            return None
        camera = self._camera(result)
        height, width = result.frame.size
        if (message.height, message.width) != (height, width):
            raise FrameError(
                f'topic depth: the image has {width}x{height} px, its depth '
                f'{message.width}x{message.height}: publish depth that is registered to the image '
                '(for example aligned_depth_to_color)'
            )
        if message.header.frame_id != result.frame.frame_id:
            raise FrameError(
                f'topic depth: header.frame_id is {message.header.frame_id!r}, that of the image '
                f'is {result.frame.frame_id!r}: publish depth that is registered to the image'
            )
        try:
            metres = to_metres(message)
        except FrameError as error:
            raise FrameError(f'topic depth: {error}') from None

        return Measured(result, metres, camera, self.settings)

    def _camera(self, result: TrackingResult) -> geometry.Intrinsics:
        info = self._info
        if info is None:
            raise FrameError(
                'topic camera_info: nothing has come, so depth gives no positions: remap '
                'camera_info to the topic of the camera'
            )
        if info.header.frame_id != result.frame.frame_id:
            raise FrameError(
                f'topic camera_info: header.frame_id is {info.header.frame_id!r}, that of the '
                'image '
                f'is {result.frame.frame_id!r}: remap camera_info to that of the same camera'
            )
        name = 'p' if self.settings.rectified else 'k'
        roi = info.roi
        camera = geometry.intrinsics(
            [float(value) for value in getattr(info, name)],
            (info.height, info.width),
            (roi.x_offset, roi.y_offset),
            (info.binning_x, info.binning_y),
            (roi.height, roi.width),
        )
        if camera is None:
            raise FrameError(
                f'topic camera_info: {name.upper()} is no calibration (a focal length of 0, or '
                'values '
                f'that are not finite), so depth gives no positions: {CALIBRATE}'
            )
        if camera.size != result.frame.size:
            raise FrameError(
                f'topic camera_info: it describes images of {camera.size[1]}x{camera.size[0]} px, '
                f'they have {result.frame.size[1]}x{result.frame.size[0]}: {CALIBRATE} for this '
                'resolution'
            )
        return camera
