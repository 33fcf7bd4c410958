"""Descriptors from inside an image diffusion UNet (DIFT, Tang et al. 2023; TED's R_i).

A frame x_0 is noised to x_t = sqrt(abar_t) x_0 + sqrt(1 - abar_t) eps, goes through the UNet once,
and the output of one decoder layer is its feature map; or queries and keys of its self-attention
layers are read. The network ends there.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from drift_ros.descriptors import Descriptors
from drift_ros.features.attention import AttentionReader
from drift_ros.features.base import FeatureExtractor, Window
from drift_ros.features.device import compiled, prepare, require_finite
from drift_ros.features.inversion import ddim, ladder, take_apart
from drift_ros.features.noise import NoiseLevel, NoiseSchedule, gaussian
from drift_ros.settings import FeatureSettings


@dataclass(frozen=True, slots=True)
class Inversion:
    """What DDIM inversion needs of a model.

    Attributes:
        unet: the whole network; the one that is read may share its weights.
        schedule: of its noise.
        kind: of its prediction, see `take_apart`.
    """

    unet: Any
    schedule: NoiseSchedule
    kind: str


class ImageUnetExtractor(FeatureExtractor):
    """Reads a decoder layer of an image UNet, frame by frame.

    With an ensemble, a frame is noised several times; the features are averaged in float32. All
    noise is drawn by (seed, stamp of the frame, member), so a frame has the same descriptors in
    every window. Queries and keys are averaged alike. With inversion there is one draw, and it is
    no draw at all.

    Args:
        unet: truncated to the layer that is read; it is moved and cast in place.
        level: noise that is added to the frames.
        settings: ensemble, batch, seed and whether to compile.
        device: where to run.
        dtype: number format of the networks and the descriptors.
        attention: reads the self-attention layers; None reads the output of the network.
        inversion: the whole network and what it predicts; None draws the noise.
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
        attention: AttentionReader | None = None,
        inversion: Inversion | None = None,
    ) -> None:
        if attention is not None:
            self.name = 'image-attention'
            self.heads = attention.heads
        self.attention = attention
        self.device = device
        self.dtype = dtype
        self.unet = prepare(unet, device, dtype)
        self.level = level
        self._run = compiled(self.unet, settings.compile)
        self._time = torch.tensor(level.timestep, dtype=torch.float32, device=device)
        self._seed = settings.seed
        self._batch = settings.batch
        self._ensemble = 1 if inversion else settings.image.ensemble
        self._inversion = inversion
        if inversion:
            prepare(inversion.unet, device, dtype)
            self._levels = ladder(inversion.schedule, level, settings.inversion_steps)

    @torch.no_grad()
    def extract(self, window: Window, text: Tensor | None = None) -> Descriptors:
        """Of the newest frames: features (n, C, H / stride, W / stride), or queries and keys of
        every layer and head.

        Args:
            window: the frames.
            text: (1, tokens, dim) condition in place of the prompt, of models that take one.
        """
        sources = self._encode(window.images[-window.new :])
        stamps = window.stamps[-window.new :]
        draws = [(frame, member) for frame in range(window.new) for member in range(self._ensemble)]
        sums: list[list[Tensor]] = [[] for _ in stamps]
        for start in range(0, len(draws), self._batch):
            chunk = draws[start : start + self._batch]
            if self._inversion:
                clean = torch.stack([self._mode(sources[frame]) for frame, _ in chunk])
                noisy = ddim(clean, partial(self._predict, text=text), self._levels)
            else:
                noisy = torch.stack([self._noisy(sources[f], stamps[f], m) for f, m in chunk])
            maps = self._maps(noisy.to(self.dtype, memory_format=torch.channels_last), text)
            for (frame, _), of_draw in zip(chunk, zip(*maps, strict=True), strict=True):
                if sums[frame]:
                    for known, more in zip(sums[frame], of_draw, strict=True):
                        known.add_(more)
                else:
                    sums[frame] = [each.float() for each in of_draw]
        found = [
            torch.stack(of_frames).div_(self._ensemble).to(self.dtype)
            for of_frames in zip(*sums, strict=True)
        ]
        for each in found:
            require_finite(each, 'the image UNet')
        height = window.images.shape[-2]
        if self.attention is not None:
            return self.attention.descriptors(found, height)
        return Descriptors.of(found[0], height // found[0].shape[-2])

    def _maps(self, noisy: Tensor, text: Tensor | None = None) -> list[Tensor]:
        """What is read, (b, C, h, w) each, in a pass over x_t (b, c, h, w)."""
        if self.attention is None:
            return [self._features(noisy, text)]
        size = (noisy.shape[2], noisy.shape[3])
        return self.attention.read(lambda: self._features(noisy, text), size)

    def _noisy(self, source: Tensor, stamp: int, member: int) -> Tensor:
        clean = self._clean(source, stamp, member)
        noise = self._gaussian(clean, stamp, 'diffusion', member)
        return self.level.signal * clean + self.level.noise * noise

    def _predict(
        self, noisy: Tensor, level: NoiseLevel, text: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """x_0 and eps by the whole network, for x (b, c, h, w) float32 at a level."""
        assert self._inversion is not None
        time = torch.tensor(level.timestep, dtype=torch.float32, device=self.device)
        given = noisy.to(self.dtype, memory_format=torch.channels_last)
        prediction: Tensor = self._inversion.unet(
            given, time, *self._conditions(len(given), text), return_dict=False
        )[0]
        return take_apart(prediction, noisy, level, self._inversion.kind)

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
    def _mode(self, source: Tensor) -> Tensor:
        """x_0 of one frame without any draw: (c, h, w) float32."""

    @abstractmethod
    def _conditions(self, count: int, text: Tensor | None = None) -> tuple[Tensor, ...]:
        """Conditioning inputs for that many images, besides the timestep."""

    def _features(self, noisy: Tensor, text: Tensor | None = None) -> Tensor:
        """Decoder output (b, C, h', w') for x_t (b, c, h, w)."""
        conditions = self._conditions(len(noisy), text)
        features: Tensor = self._run(noisy, self._time, *conditions, return_dict=False)[0]
        return features
