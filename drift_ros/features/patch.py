"""A baseline without a network: colours and gradients of small patches. Every learned extractor has
to beat it.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from drift_ros.descriptors import Descriptors
from drift_ros.features.base import FeatureExtractor, Window

CELL = 8  # px
ORIENTATIONS = 8


class PatchExtractor(FeatureExtractor):
    """Colour and gradient patches on a grid of 8 px cells.

    A descriptor holds the mean colours of a cell and its eight neighbours (27 values) and, for each
    of the cell's four quarters, a histogram of gradient orientations weighted by magnitude (32
    values). The mean over the frame is subtracted, which makes the cosine more discriminative.

    Args:
        device: where to compute.
        dtype: number format of the descriptors; they are computed in float32.
    """

    name = 'patch'
    window_length = 1
    size_multiple = CELL

    def __init__(self, device: torch.device, dtype: torch.dtype) -> None:
        self.device = device
        self.dtype = dtype

    @torch.no_grad()
    def extract(self, window: Window) -> Descriptors:
        """Descriptors of the newest frames: (n, 59, H / 8, W / 8)."""
        images = window.images[-window.new :].float() / 255
        features = describe(images)
        features -= features.mean((2, 3), keepdim=True)
        return Descriptors.of(features.to(self.dtype), CELL)


def describe(images: Tensor) -> Tensor:
    """(n, 59, H / 8, W / 8) descriptors before centring, of (n, 3, H, W) RGB in [0, 1]."""
    return torch.cat([_colours(images), _gradients(images)], dim=1)


def _colours(images: Tensor) -> Tensor:
    means = functional.avg_pool2d(images, CELL)
    padded = functional.pad(means, (1, 1, 1, 1), mode='replicate')
    height, width = means.shape[2:]
    shifts = [padded[:, :, y : y + height, x : x + width] for y in range(3) for x in range(3)]
    return torch.cat(shifts, dim=1)


def _gradients(images: Tensor) -> Tensor:
    grey = functional.pad(images.mean(1, keepdim=True), (1, 1, 1, 1), mode='replicate')
    dx = grey[:, :, 1:-1, 2:] - grey[:, :, 1:-1, :-2]
    dy = grey[:, :, 2:, 1:-1] - grey[:, :, :-2, 1:-1]
    strength = (dx.square() + dy.square()).sqrt()
    bins = (torch.atan2(dy, dx) % math.pi / math.pi * ORIENTATIONS).long() % ORIENTATIONS
    histogram = torch.zeros(
        (len(images), ORIENTATIONS, *images.shape[2:]), device=images.device
    ).scatter_(1, bins, strength)
    quarters = functional.avg_pool2d(histogram, CELL // 2)
    return 2 * functional.pixel_unshuffle(quarters, 2)
