"""What the network learns: to predict clean frames from noised ones.

Clip by clip a noise level is drawn, uniformly in the logarithm of the signal-to-noise ratio. The
squared error of x_0 is divided by the share of the noise, which is the error of v (Salimans and Ho
2022), bounded where there is hardly any noise.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from drift_ros.training.settings import TrainingSettings

LEAST_NOISE = 0.15  # share of the noise below which the weight of the error grows no more


@dataclass(frozen=True, slots=True)
class Noised:
    """A batch as the network sees it.

    Attributes:
        clean: (B, F, 3, H, W) float32 in -1..1.
        noisy: same shape.
        log_snr: (B, F).
    """

    clean: Tensor
    noisy: Tensor
    log_snr: Tensor


def noised(images: Tensor, settings: TrainingSettings, step: int) -> Noised:
    """Add the noise of a step to (B, F, 3, H, W) uint8 frames; depends on seed and step alone."""
    generator = torch.Generator(images.device).manual_seed(settings.seed * 2**32 + step)
    clips, frames = images.shape[:2]

    def uniform(*shape: int) -> Tensor:
        return torch.rand(shape, generator=generator, device=images.device)

    mixed = uniform(clips, 1) < settings.mixed
    place = torch.where(mixed, uniform(clips, frames), uniform(clips, 1))
    log_snr = settings.lowest + (settings.highest - settings.lowest) * place
    clean = images.float() / 127.5 - 1
    noise = torch.randn(clean.shape, generator=generator, device=images.device)
    return Noised(clean, mix(clean, noise, log_snr), log_snr)


def mix(clean: Tensor, noise: Tensor, log_snr: Tensor) -> Tensor:
    """Mixtures a clean + s noise with a^2 / s^2 = exp(log_snr), (B, F, ...), for (B, F)."""
    level = log_snr[(..., *(None,) * (clean.ndim - 2))]
    return torch.sigmoid(level).sqrt() * clean + torch.sigmoid(-level).sqrt() * noise


def errors(predicted: Tensor, batch: Noised) -> Tensor:
    """(B, F) weighted squared error of each frame; its mean is the loss."""
    error = (predicted.float() - batch.clean).square().mean((2, 3, 4))
    return error / torch.sigmoid(-batch.log_snr).clamp_min(LEAST_NOISE)
