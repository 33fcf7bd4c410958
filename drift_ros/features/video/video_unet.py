"""Descriptors from inside a video diffusion UNet (TED, section 3.1, equations 2 and 3).

All frames of a window are noised at one level, x_tau = sqrt(abar_tau) x_0 + sqrt(1 - abar_tau) eps,
and go through the UNet together, once; the output of one decoder block is the feature map.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from drift_ros.descriptors import Descriptors
from drift_ros.features.base import FeatureExtractor, Session, Window
from drift_ros.features.device import compiled, prepare, require_finite
from drift_ros.features.latents import LatentEncoder, sample
from drift_ros.features.noise import Draw, NoiseLevel, gaussian
from drift_ros.settings import FeatureSettings


@dataclass(frozen=True, slots=True)
class Parts:
    """What every video model is made of.

    Attributes:
        unet: cut to the block that is read, on the CPU.
        encoder: of frames to latents.
        level: noise that is added to the frames.
        frames: window length that the model was made for.
        settings: of the features.
        device: where to run.
        dtype: number format of the networks and the descriptors.
    """

    unet: Any
    encoder: LatentEncoder
    level: NoiseLevel
    frames: int
    settings: FeatureSettings
    device: torch.device
    dtype: torch.dtype


class VideoUnetExtractor(FeatureExtractor):
    """Reads a decoder block of a video UNet in one conditional pass over the window.

    Models that take a condition image get the first frame of the window. Noise, and the draw from
    the VAE's posterior, belong to (seed, stamp of the frame, member of the ensemble): a frame is
    noised alike in every window and in every run. A session keeps the posteriors of frames that the
    next window may see again; frames are encoded in batches, so between runs that cut windows
    otherwise they agree up to rounding, and exactly at a batch of 1.

    Args:
        parts: of the model; the networks are moved and cast in place.
    """

    name = 'video-unet'
    size_multiple = 32  # as DIFT: 480 x 854 px become 480 x 832

    def __init__(self, parts: Parts) -> None:
        self.device = parts.device
        self.dtype = parts.dtype
        self.window_length = parts.frames
        self.unet = prepare(parts.unet, parts.device, parts.dtype)
        self.encoder = parts.encoder
        self.level = parts.level
        self.settings = parts.settings
        self._run = compiled(self.unet, parts.settings.compile)
        self._time = torch.tensor(parts.level.timestep, dtype=torch.float32, device=self.device)

    def extract(self, window: Window) -> Descriptors:
        """Features of the newest frames: (n, C, H / stride, W / stride).

        Raises:
            DeviceError: values overflow in this number format.
        """
        return self.describe(window, self.encode(window, {}))

    def session(self, length: int = 0) -> Session:
        """A stream that keeps the posteriors of its last window."""
        return _VideoSession(self)

    @torch.no_grad()
    def describe(self, window: Window, posteriors: list[Tensor]) -> Descriptors:
        """What `extract` says, from the posterior of each frame."""
        conditions = self._conditions(window, posteriors)
        total: Tensor | None = None
        ensemble = self.settings.video.ensemble
        for member in range(ensemble):
            noisy = [
                self._noisy(p, t, member) for p, t in zip(posteriors, window.stamps, strict=True)
            ]
            found = self._features(torch.stack(noisy).to(self.dtype), conditions)
            newest = found[-window.new :].float()
            total = newest if total is None else total.add_(newest)
        assert total is not None
        features = (total / ensemble).to(self.dtype)
        require_finite(features, 'the video UNet')
        return Descriptors.of(features, window.images.shape[-2] // features.shape[-2])

    @torch.no_grad()
    def encode(self, window: Window, known: Mapping[int, Tensor]) -> list[Tensor]:
        """Posterior (2, 4, H / 8, W / 8) of each frame, mean and deviation, scaled; `known` has
        some by their stamps.
        """
        new = [i for i, stamp in enumerate(window.stamps) if stamp not in known]
        fresh = iter(self.encoder(window.images[new]) if new else ())
        return [known[t] if t in known else next(fresh) for t in window.stamps]

    def _noisy(self, posterior: Tensor, stamp: int, member: int) -> Tensor:
        """x_tau of one frame: (4, h, w) float32."""
        shape = tuple(posterior.shape[1:])
        clean = sample(posterior.float(), self._gaussian(shape, stamp, 'posterior', member))
        noise = self._gaussian(shape, stamp, 'diffusion', member)
        return self.level.signal * clean + self.level.noise * noise

    def _gaussian(self, shape: tuple[int, ...], stamp: int, draw: Draw, member: int = 0) -> Tensor:
        return gaussian(
            shape, self.device, seed=self.settings.seed, stamp=stamp, draw=draw, member=member
        )

    @abstractmethod
    def _conditions(self, window: Window, posteriors: list[Tensor]) -> dict[str, Tensor]:
        """What the UNet takes besides latents and time; the same for all members."""

    @abstractmethod
    def _features(self, noisy: Tensor, conditions: dict[str, Tensor]) -> Tensor:
        """Decoder output (d, C, h', w') for latents (d, 4, h, w) of a window."""


class _VideoSession(Session):
    def __init__(self, extractor: VideoUnetExtractor) -> None:
        super().__init__(extractor)
        self._video = extractor
        self._posteriors: dict[int, Tensor] = {}

    def extract(self, window: Window) -> Descriptors:
        posteriors = self._video.encode(window, self._posteriors)
        self._posteriors = dict(zip(window.stamps, posteriors, strict=True))
        return self._video.describe(window, posteriors)

    def reset(self) -> None:
        self._posteriors = {}
