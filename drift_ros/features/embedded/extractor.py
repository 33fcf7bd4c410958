"""Descriptors from inside the embedded models."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from drift_ros.errors import DeviceError
from drift_ros.features.base import FeatureExtractor, FeatureMap, Window
from drift_ros.features.device import compiled, prepare
from drift_ros.features.embedded.model import EmbeddedUNet
from drift_ros.features.noise import NoiseLevel, gaussian

SHRINK = 2  # px of an image per px that the network sees


def level(snr: float) -> NoiseLevel:
    """The noise level of a signal-to-noise ratio; its time is the logarithm of the ratio."""
    return NoiseLevel(math.sqrt(snr / (1 + snr)), math.sqrt(1 / (1 + snr)), math.log(snr))


class EmbeddedExtractor(FeatureExtractor):
    """Reads a decoder block of an embedded model.

    Frames are shrunk by 2, noised, and go through the network together; a model without temporal
    layers, or whose temporal layers are left out, sees each alone. The mean descriptor is
    subtracted, which tells cells apart better under the cosine: that of the window, or that of the
    frame where frames are seen alone. Noise is drawn by (seed, stamp of the frame, member), so a
    frame has the same noise in every window.

    Args:
        name: name in the registry.
        model: moved and cast in place.
        block: decoder block that is read, 0 = deepest.
        level: noise that is added to the frames (see `level`).
        temporal: whether temporal layers are run; without them the window is still that of the
            model (the ablation R_v without temporal layers).
        ensemble: draws of the noise over which features are averaged.
        seed: of the noise.
        device: where to run.
        dtype: number format of the network and the descriptors.
        compile: whether to use torch.compile.
    """

    def __init__(
        self,
        name: str,
        model: EmbeddedUNet,
        *,
        block: int,
        level: NoiseLevel,
        temporal: bool = True,
        ensemble: int = 1,
        seed: int = 0,
        device: torch.device,
        dtype: torch.dtype,
        compile: bool = False,
    ) -> None:
        self.name = name
        self.device = device
        self.dtype = dtype
        self.window_length = model.config.frames if model.config.temporal else 1
        self.size_multiple = SHRINK * model.multiple
        self._joined = temporal and model.config.temporal
        self._run = compiled(prepare(model, device, dtype), compile)
        self._block = block
        self._level = level
        self._ensemble = ensemble
        self._seed = seed

    @torch.no_grad()
    def extract(self, window: Window) -> FeatureMap:
        """Block output of the newest frames: (n, C, H / stride, W / stride)."""
        used = slice(None) if self._joined else slice(-window.new, None)
        images, stamps = window.images[used], window.stamps[used]
        clean = functional.avg_pool2d(images.float(), SHRINK).div_(127.5).sub_(1)
        features = sum(self._features(clean, stamps, member) for member in range(self._ensemble))
        assert isinstance(features, Tensor)
        features = features / self._ensemble
        features -= features.mean((0, 2, 3) if self._joined else (2, 3), keepdim=True)
        features = features[-window.new :]
        if not bool(features.isfinite().all()):
            raise DeviceError(
                f'the embedded model overflows in {self.dtype} on these frames: set '
                'features.dtype to bfloat16 or float32'
            )
        return FeatureMap(features.to(self.dtype), images.shape[-2] // features.shape[-2])

    def _features(self, clean: Tensor, stamps: tuple[int, ...], member: int) -> Tensor:
        """(n, C, h, w) float32 for (n, 3, H, W) clean frames."""
        noise = torch.stack([self._gaussian(clean[0], stamp, member) for stamp in stamps])
        noisy = (self._level.signal * clean + self._level.noise * noise).to(self.dtype)
        told = torch.full((1, len(stamps)), self._level.timestep, device=self.device)
        output: Tensor = self._run(noisy[None], told, block=self._block, join=self._joined)
        return output[0].float()

    def _gaussian(self, like: Tensor, stamp: int, member: int) -> Tensor:
        return gaussian(
            like.shape,
            self.device,
            seed=self._seed,
            stamp=stamp,
            draw='diffusion',
            member=member,
        )
