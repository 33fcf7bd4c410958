"""A baseline without features: the last label map is warped by optical flow.

The flow is DIS (Kroeger et al., Fast Optical Flow using Dense Inverse Search, ECCV 2016) as OpenCV
has it, from the current frame back to the previous one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from drift_ros.evaluation.protocols import Labels
from drift_ros.settings import Settings, flatten
from drift_ros.tracking.optical_flow import one_thread

NAME = 'flow'
PRESETS = {
    'ultrafast': cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST,
    'fast': cv2.DISOPTICAL_FLOW_PRESET_FAST,
    'medium': cv2.DISOPTICAL_FLOW_PRESET_MEDIUM,
}


class FlowSettings(Settings):
    """How the flow is computed."""

    preset: Literal['ultrafast', 'fast', 'medium'] = Field(
        'medium', description="OpenCV's preset of DIS; `medium` is the most exact."
    )


@dataclass(frozen=True)
class Flow:
    """Warping by optical flow, not made yet."""

    flow: FlowSettings = field(default_factory=FlowSettings)
    name: str = NAME

    @property
    def settings(self) -> Mapping[str, Any]:
        """Settings of the flow, and the name."""
        return {'features.name': NAME} | {f'flow.{k}': v for k, v in flatten(self.flow).items()}

    def make(self, device: str | None = None) -> FlowMethod:
        """It runs on the CPU, whatever the device."""
        return FlowMethod(self)


class FlowMethod:
    """Warps label maps from frame to frame."""

    def __init__(self, spec: Flow) -> None:
        self.name, self.settings = spec.name, spec.settings
        self._flow = cv2.DISOpticalFlow.create(PRESETS[spec.flow.preset])
        self.begin()

    def begin(self) -> None:
        """Forget the last frame."""
        self._grey: NDArray[np.uint8] | None = None
        self._labels: Labels | None = None

    def step(
        self,
        index: int,
        stamp: int,
        image: NDArray[np.uint8],
        given: Mapping[int, NDArray[np.bool_]],
    ) -> Sequence[tuple[int, Labels]]:
        """Warp the last label map, and put what is given into it."""
        grey = np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.uint8)
        if self._grey is None or self._labels is None:
            labels = np.zeros(grey.shape, np.uint8)
        else:
            with one_thread():
                motion = self._flow.calc(grey, self._grey, None)
            labels = warp(self._labels, motion)
        for id_, mask in given.items():
            labels[labels == id_] = 0
            labels[mask] = id_
        self._grey, self._labels = grey, labels
        return [(index, labels.copy())]

    def end(self) -> Sequence[tuple[int, Labels]]:
        """Nothing waits."""
        return []


def warp(labels: Labels, motion: NDArray[np.float32]) -> Labels:
    """Fetch every pixel's label from where the pixel was.

    Masks are fetched one by one with bilinear weights, and the strongest one wins: nearest pixels
    alone would fray the outlines after a few frames.

    Args:
        labels: (H, W) uint8 of the previous frame.
        motion: (H, W, 2) float32, from pixels of this frame to the previous one, (x, y) in px.

    Returns:
        (H, W) uint8; what comes from outside the image is background.
    """
    height, width = labels.shape
    x = motion[..., 0] + np.arange(width, dtype=np.float32)
    y = motion[..., 1] + np.arange(height, dtype=np.float32)[:, None]
    ids = [int(id_) for id_ in np.flatnonzero(np.bincount(labels.ravel())) if id_]
    warped = np.zeros_like(labels)
    strongest = np.zeros(labels.shape, np.float32)
    covered = np.zeros(labels.shape, np.float32)
    for id_ in ids:
        weight = cv2.remap((labels == id_).astype(np.float32), x, y, cv2.INTER_LINEAR)
        warped[weight > strongest] = id_
        np.maximum(strongest, weight, out=strongest)
        covered += weight
    warped[1 - covered >= strongest] = 0
    return warped
