"""Follows a pose through a video by features: the propagation of masks with joints for labels."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from drift_ros.descriptors import Descriptors
from drift_ros.evaluation.poses.labels import draw_joints, read_joints
from drift_ros.evaluation.poses.pose_sequence import Joints
from drift_ros.features.base import FeatureExtractor
from drift_ros.features.colour import colour_weight
from drift_ros.propagation import Propagator, create_affinity
from drift_ros.settings import TrackerSettings
from drift_ros.structures import Frame
from drift_ros.tracking.feature_pipeline import FeaturePipeline
from drift_ros.tracking.window_buffer import FrameWindow, WindowBuffer, window_size


class PoseTracker:
    """Takes the frames of one video.

    Args:
        extractor: describes frames.
        side: of the square in px that images are brought to.
        joints: (J, 2) places in the first frame in px.
    """

    def __init__(
        self, extractor: FeatureExtractor, settings: TrackerSettings, side: int, joints: Joints
    ) -> None:
        self._side, self._given = side, joints
        length, stride = window_size(extractor, settings.window)
        self._buffer = WindowBuffer(length, stride, length)
        self._features = FeaturePipeline(
            extractor, length, side, length, colour_weight(settings, extractor)
        )
        propagation = settings.propagation
        affinity = create_affinity(propagation, len(extractor.heads))
        self._propagator = Propagator(affinity, propagation.memory, every=propagation.memory_every)
        self._size = (0, 0)

    def step(self, index: int, stamp: int, image: NDArray[np.uint8]) -> list[tuple[int, Joints]]:
        """Take the next frame.

        Args:
            index: of the frame.
            stamp: of the frame in ns.
            image: (H, W, 3) uint8 RGB.

        Returns:
            Numbers of the frames that are ready now, and where their joints are.
        """
        self._size = image.shape[0], image.shape[1]
        square = cv2.resize(image, (self._side, self._side), interpolation=cv2.INTER_LINEAR)
        self._buffer.push(Frame(np.asarray(square, np.uint8), stamp, index=index))
        found: list[tuple[int, Joints]] = []
        while self._buffer.waiting >= self._buffer.stride:
            found += self._label(self._buffer.take())
        return found

    def end(self) -> list[tuple[int, Joints]]:
        """The frames that still wait."""
        found: list[tuple[int, Joints]] = []
        while self._buffer.waiting:
            found += self._label(self._buffer.take())
        return found

    def _label(self, window: FrameWindow) -> list[tuple[int, Joints]]:
        described = self._propagator.prepare(self._features.describe(window))
        return [
            (entry.frame.index, self._find(entry.number, descriptors))
            for entry, descriptors in zip(window.new_frames, described.frames(), strict=True)
        ]

    def _find(self, number: int, descriptors: Descriptors) -> Joints:
        if len(self._propagator.memory):
            return self._propagator.step(number, descriptors, self._read)
        given = draw_joints(self._given, self._size, descriptors.grid)
        self._propagator.add_reference(number, descriptors, given)
        return self._read(given)

    def _read(self, soft: Tensor, _: int = 0) -> Joints:
        return read_joints(soft, self._size)
