"""What every feature extractor offers: a window of frames in, a map of descriptors out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Window:
    """Consecutive frames that an extractor sees together.

    Attributes:
        images: (d, 3, H, W) uint8 RGB on the extractor's device; H and W are multiples of its
            `size_multiple`.
        stamps: stamp of each frame in ns; it names the frame, so an extractor may cache per stamp.
        new: number of newest frames that are asked for; the ones before are temporal context only.
    """

    images: Tensor
    stamps: tuple[int, ...]
    new: int


@dataclass(frozen=True, slots=True)
class FeatureMap:
    """Descriptors on a regular grid.

    Attributes:
        features: (n, C, h, w) in the extractor's dtype, not normalised, one map for each new frame
            of the window.
        stride: image px per cell, H = h * stride and W = w * stride.
    """

    features: Tensor
    stride: int


class FeatureExtractor(ABC):
    """Turns windows of frames into descriptors.

    Invariants: the descriptors depend only on the window (and the seed), never on earlier calls;
    caches may only save work. Between two calls of `reset` a stamp names one image. `extract` runs
    without gradients on `device`.

    Attributes:
        name: name in the registry.
        window_length: frames per pass that the model was made for; 1 for single-image extractors.
        size_multiple: H and W must be multiples of this.
        device: where it runs.
        dtype: its number format.
    """

    name: str
    window_length: int
    size_multiple: int
    device: torch.device
    dtype: torch.dtype

    @abstractmethod
    def extract(self, window: Window) -> FeatureMap:
        """Descriptors of the newest `window.new` frames."""

    def reset(self) -> None:  # noqa: B027 - most extractors keep nothing
        """Forget cached frames; a new stream begins."""
