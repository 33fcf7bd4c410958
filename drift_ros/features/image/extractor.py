"""Descriptors from inside an image diffusion UNet (DIFT, Tang et al. 2023; TED's R_i).

A frame x_0 is noised to x_t = sqrt(abar_t) x_0 + sqrt(1 - abar_t) eps, goes through the UNet once,
and the output of one decoder layer is its feature map. The network ends there.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import torch
from torch import Tensor

from drift_ros.descriptors import Descriptors
from drift_ros.features.base import FeatureExtractor, Window
from drift_ros.features.device import compiled, prepare, require_finite
from drift_ros.features.noise import NoiseLevel, gaussian
from drift_ros.settings import FeatureSettings


class ImageUnetExtractor(FeatureExtractor):
    """Reads a decoder layer of an image UNet, frame by frame.

    With an ensemble, a frame is noised several times; the features are averaged in float32. All
    noise is drawn by (seed, stamp of the frame, member), so a frame has the same descriptors in
    every window.

    Args:
        unet: truncated to the layer that is read; it is moved and cast in place.
        level: noise that is added to the frames.
        settings: ensemble, batch, seed and whether to compile.
        device: where to run.
        dtype: number format of the networks and the descriptors.
    """

    name = 'image-unet'
    window_length = 1
    size_multiple = 32  # as DIFT; deeper strides come with the layer that is read

    def __init__(
        self,
        unet: Any,
        level: NoiseLevel,
        settings: FeatureSettings,
        device: torch.device,
        dtype: torch.dtype,
    ) -> None:
        self.device = device
        self.dtype = dtype
        self.unet = prepare(unet, device, dtype)
        self.level = level
        self._run = compiled(self.unet, settings.compile)
        self._time = torch.tensor(level.timestep, dtype=torch.float32, device=device)
        self._seed = settings.seed
        self._batch = settings.batch
        self._ensemble = settings.image.ensemble

    @torch.no_grad()
    def extract(self, window: Window) -> Descriptors:
        """Features of the newest frames: (n, C, H / stride, W / stride)."""
        sources = self._encode(window.images[-window.new :])
        stamps = window.stamps[-window.new :]
        draws = [(frame, member) for frame in range(window.new) for member in range(self._ensemble)]
        sums: list[Tensor | None] = [None] * window.new
        for start in range(0, len(draws), self._batch):
            chunk = draws[start : start + self._batch]
            noisy = torch.stack([self._noisy(sources[f], stamps[f], m) for f, m in chunk])
            noisy = noisy.to(self.dtype, memory_format=torch.channels_last)
            for (frame, _), map_ in zip(chunk, self._features(noisy), strict=True):
                known = sums[frame]
                sums[frame] = map_.float() if known is None else known.add_(map_)
        features = torch.stack([s for s in sums if s is not None]).div_(self._ensemble)
        features = features.to(self.dtype)
        require_finite(features, 'the image UNet')
        stride = window.images.shape[-2] // features.shape[-2]
        return Descriptors.of(features, stride)

    def _noisy(self, source: Tensor, stamp: int, member: int) -> Tensor:
        clean = self._clean(source, stamp, member)
        noise = self._gaussian(clean, stamp, 'diffusion', member)
        return self.level.signal * clean + self.level.noise * noise

    def _gaussian(self, like: Tensor, stamp: int, draw: Any, member: int) -> Tensor:
        return gaussian(
            like.shape, self.device, seed=self._seed, stamp=stamp, draw=draw, member=member
        )

    @abstractmethod
    def _encode(self, images: Tensor) -> Tensor:
        """What the inputs of all members are made from: (n, ...) float32, of (n, 3, H, W) uint8."""

    @abstractmethod
    def _clean(self, source: Tensor, stamp: int, member: int) -> Tensor:
        """x_0 of one frame for a member: (c, h, w) float32."""

    @abstractmethod
    def _features(self, noisy: Tensor) -> Tensor:
        """Decoder output (b, C, h', w') for x_t (b, c, h, w)."""
