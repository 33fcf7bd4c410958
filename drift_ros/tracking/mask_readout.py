"""Masks of the targets in a frame, read from soft labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from drift_ros.propagation import confidences, read_labels, resize_nearest
from drift_ros.settings import TargetSettings
from drift_ros.structures import TrackedObject
from drift_ros.tracking.measure import drop_small, measure
from drift_ros.tracking.stray import drop_stray
from drift_ros.tracking.targets import Targets
from drift_ros.tracking.upsampling import joint_bilateral_labels

Labels = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class Masks:
    """What was found in a frame.

    Attributes:
        labels: (H, W) uint8 ids, 0 = background.
        objects: every target, ordered by id.
        doubtful: ids of those whose masks are not believed.
        mistaken: id -> number of the frame from which on a target was taken for something else.
    """

    labels: Labels
    objects: tuple[TrackedObject, ...] = ()
    doubtful: tuple[int, ...] = ()
    mistaken: Mapping[int, int] = field(default_factory=dict)


class MaskReadout:
    """Reads the masks of targets from soft labels, and measures them.

    Args:
        targets: the live targets, whose slots are the channels of soft labels.
        settings: when a target counts as seen.
        upsampling: of soft labels, as the setting says.
    """

    def __init__(self, targets: Targets, settings: TargetSettings, upsampling: str) -> None:
        self._targets = targets
        self._settings = settings
        self._upsampling = upsampling

    def update(self, settings: TargetSettings) -> None:
        """Take over changed settings."""
        self._settings = settings

    def __call__(self, soft: Tensor, stride: int, image: NDArray[np.uint8]) -> Masks:
        """Masks in an image (H, W, 3) from (K, h, w) soft labels."""
        return self.measure(*self.read(soft, stride, image))

    def read(
        self, soft: Tensor, stride: int, image: NDArray[np.uint8]
    ) -> tuple[Labels, dict[int, float]]:
        """Label map of ids and id -> confidence from (K, h, w) soft labels."""
        visible = soft.clone()
        visible[1:][soft[1:].amax((1, 2)) < self._settings.visibility_threshold] = 0
        if self._upsampling == 'joint_bilateral':
            slots = joint_bilateral_labels(visible, stride, image)
        else:
            slots = read_labels(visible, stride, (image.shape[0], image.shape[1]))
        if self._settings.drop_stray:
            drop_stray(slots)
        cells = resize_nearest(torch.from_numpy(slots), (soft.shape[1], soft.shape[2]))
        scores = confidences(soft, cells.to(soft.device).long()).tolist()
        return self._targets.to_ids(slots), {
            target.id: scores[slot] for slot, target in enumerate(self._targets, 1)
        }

    def measure(self, labels: Labels, scores: Mapping[int, float]) -> Masks:
        """Measure a label map of ids; targets that are too small for a mask become background in
        place.
        """
        drop_small(labels, self._settings.min_area)
        return Masks(labels, measure(labels, {t.id: t.name for t in self._targets}, scores))
