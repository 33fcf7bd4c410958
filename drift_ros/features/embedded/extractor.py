"""Descriptors from inside the embedded models."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from drift_ros.descriptors import Descriptors
from drift_ros.errors import DeviceError
from drift_ros.features.base import FeatureExtractor, Window
from drift_ros.features.device import compiled, prepare
from drift_ros.features.embedded.model import EmbeddedUNet
from drift_ros.features.embedded.paths import AHEAD, describe_paths
from drift_ros.features.embedded.reading import Reading, describe
from drift_ros.features.noise import NoiseLevel, gaussian

SHRINK = 2  # px of an image per px that the network sees


def level(snr: float) -> NoiseLevel:
    """The noise level of a signal-to-noise ratio; its time is the logarithm of the ratio."""
    return NoiseLevel(math.sqrt(snr / (1 + snr)), math.sqrt(1 / (1 + snr)), math.log(snr))


class EmbeddedExtractor(FeatureExtractor):
    """Reads decoder blocks of an embedded model, and the paths that cells take in the window.

    Frames are shrunk by 2, noised, and go through the network together; a model without temporal
    layers, or whose temporal layers are left out, sees each alone, and knows of no paths. Noise is
    drawn by (seed, stamp of the frame, member), so a frame has the same noise in every window.

    Args:
        name: name in the registry.
        model: moved and cast in place.
        reading: what is read at which noise, and how it becomes descriptors.
        temporal: whether temporal layers are run; without them the window is still that of the
            model (the ablation R_v without temporal layers).
        motion: weight of the paths, relative to that of a block; 0 leaves them out.
        ensemble: draws of the noise over which outputs are averaged.
        seed: of the noise.
        device: where to run.
        dtype: number format of the network and the descriptors.
        compile: whether to use torch.compile.
    """

    def __init__(
        self,
        name: str,
        model: EmbeddedUNet,
        reading: Reading,
        *,
        temporal: bool = True,
        motion: float = 0.0,
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
        self._level = level(reading.snr)
        self._blocks = reading.blocks
        known = reading.joined if self._joined else reading.alone
        self._whitenings = [known[block].to(device) for block in reading.blocks]
        self._motion = motion if self._joined else 0.0
        self._ensemble = ensemble
        self._seed = seed

    @torch.no_grad()
    def extract(self, window: Window) -> Descriptors:
        """Descriptors of the newest frames: (n, C, H / stride, W / stride), C over all parts."""
        new = slice(-window.new, None)
        used = slice(None) if self._joined else new
        maps = self.outputs(window.images[used], window.stamps[used])
        if self._motion:
            trodden = describe([m[-window.new - AHEAD :] for m in maps], self._whitenings)
            features = torch.cat([trodden, self._motion * describe_paths(trodden)], 1)[new]
        else:
            features = describe([m[new] for m in maps], self._whitenings)
        if not bool(features.isfinite().all()):
            raise DeviceError(
                f'the embedded model overflows in {self.dtype} on these frames: set '
                'features.dtype to bfloat16 or float32'
            )
        stride = window.images.shape[-2] // features.shape[-2]
        return Descriptors.of(features.to(self.dtype), stride)

    @torch.no_grad()
    def outputs(self, images: Tensor, stamps: Sequence[int]) -> list[Tensor]:
        """(n, C, h, w) float32 of each block that is read, for (n, 3, H, W) uint8 frames."""
        clean = functional.avg_pool2d(images.float(), SHRINK).div_(127.5).sub_(1)
        draws = [self._pass(clean, stamps, member) for member in range(self._ensemble)]
        return [sum(of_block) / self._ensemble for of_block in zip(*draws, strict=True)]

    def _pass(self, clean: Tensor, stamps: Sequence[int], member: int) -> list[Tensor]:
        noise = torch.stack([self._gaussian(clean[0], stamp, member) for stamp in stamps])
        noisy = (self._level.signal * clean + self._level.noise * noise).to(self.dtype)
        told = torch.full((1, len(stamps)), self._level.timestep, device=self.device)
        outputs = self._run(noisy[None], told, blocks=self._blocks, join=self._joined)
        return [output[0].float() for output in outputs]

    def _gaussian(self, like: Tensor, stamp: int, member: int) -> Tensor:
        return gaussian(
            like.shape,
            self.device,
            seed=self._seed,
            stamp=stamp,
            draw='diffusion',
            member=member,
        )
