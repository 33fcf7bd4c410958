"""Follows a pose through a video by features: the propagation of masks with joints for labels."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from drift_ros.evaluation.poses.labels import draw_joints, read_joints
from drift_ros.evaluation.poses.pose_sequence import Joints
from drift_ros.features.base import FeatureExtractor
from drift_ros.propagation import Memory
from drift_ros.settings import TrackerSettings
from drift_ros.structures import Frame
from drift_ros.tracking.feature_pipeline import FeaturePipeline
from drift_ros.tracking.labeller import propagate_from
from drift_ros.tracking.windows import Cut, WindowBuffer, window_size


class PoseTracker:
    """Takes the frames of one video.

    Args:
        extractor: describes frames.
        settings: of windows and propagation.
        side: of the square in px that images are brought to.
        joints: (J, 2) places in the first frame in px.
    """

    def __init__(
        self, extractor: FeatureExtractor, settings: TrackerSettings, side: int, joints: Joints
    ) -> None:
        self._settings, self._side, self._given = settings.propagation, side, joints
        length, stride = window_size(extractor, settings.window)
        self._buffer = WindowBuffer(length, stride, length)
        self._features = FeaturePipeline(extractor, length, side, settings.propagation, length)
        self._memory = Memory(settings.propagation.memory, references=1)
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

    def _label(self, cut: Cut) -> Sequence[tuple[int, Joints]]:
        found = []
        for held, features in zip(
            cut.frames[-cut.new :],
            self._features.describe(cut.frames, cut.new).features,
            strict=True,
        ):
            soft = self._propagate(held.number, features)
            found.append((held.frame.index, read_joints(soft, self._size)))
        return found

    def _propagate(self, number: int, features: Tensor) -> Tensor:
        """Soft labels of a frame, which is remembered."""
        if not len(self._memory):
            grid = (features.shape[1], features.shape[2])
            soft = draw_joints(self._given, self._size, grid).to(features.device)
            self._memory.add_reference(number, features, soft)
            return soft
        soft = propagate_from(self._memory, features, self._settings)
        self._memory.add_recent(number, features, soft)
        return soft
