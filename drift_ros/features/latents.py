"""Frames to the latents that latent diffusion models see. Only the encoder of the VAE is kept."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from drift_ros.errors import CheckpointError
from drift_ros.features.device import prepare, require_finite

CHANNELS = 4


class LatentEncoder:
    """The encoder half of a VAE.

    Args:
        vae: `AutoencoderKL`, `AutoencoderKLTemporalDecoder` or `AutoencoderTiny`; it is moved, cast
            and cut down in place.
        scaling_factor: that the diffusion model was trained with.
        tiny_gain: for a tiny VAE, which gives latents that are scaled already, by the factor of the
            model that it was distilled for: the scaling factor over that one.
        batch: frames per pass.
        device: where to run.
        dtype: number format.

    Raises:
        CheckpointError: its latents have another number of channels (those of later models).
    """

    def __init__(
        self,
        vae: Any,
        *,
        scaling_factor: float,
        batch: int,
        device: torch.device,
        dtype: torch.dtype,
        tiny_gain: float = 1.0,
    ) -> None:
        if vae.config.latent_channels != CHANNELS:
            raise CheckpointError(
                f'the {type(vae).__name__} has latents of {vae.config.latent_channels} channels, '
                f'expected {CHANNELS}: it is made for another model (of features.tiny_vae, '
                'madebyollin/taesd fits)'
            )
        vae.decoder = nn.Identity()
        self._tiny = not hasattr(vae, 'quant_conv')
        if not self._tiny:
            vae.post_quant_conv = nn.Identity()
        self.vae = prepare(vae, device, dtype)
        self.scaling_factor = scaling_factor
        self._tiny_gain = tiny_gain
        self._batch = batch
        self._dtype = dtype

    @torch.no_grad()
    def __call__(self, images: Tensor) -> Tensor:
        """Posterior of the latents, scaled.

        Args:
            images: (n, 3, H, W) RGB, uint8 in 0..255 or floating point in [-1, 1].

        Returns:
            (n, 2, 4, H / 8, W / 8): mean and standard deviation (zero for a tiny VAE).

        Raises:
            DeviceError: the encoder gave values that are not finite (float16 overflowed).
        """
        posterior = torch.cat([self._encode(chunk) for chunk in images.split(self._batch)])
        require_finite(posterior, 'the VAE')
        return posterior

    def _encode(self, images: Tensor) -> Tensor:
        pixels = to_pixels(images, self._dtype)
        encoded = self.vae.encode(pixels)
        if self._tiny:
            latents = encoded.latents * self._tiny_gain
            return torch.stack([latents, torch.zeros_like(latents)], 1)
        posterior = encoded.latent_dist
        return torch.stack([posterior.mean, posterior.std], 1) * self.scaling_factor


def to_pixels(images: Tensor, dtype: torch.dtype) -> Tensor:
    """Images in [-1, 1]: uint8 RGB is scaled, floating point stays; (n, 3, H, W) in `dtype`."""
    if images.dtype == torch.uint8:
        images = images.to(torch.float32) / 127.5 - 1
    return images.to(dtype)


def sample(posterior: Tensor, noise: Tensor) -> Tensor:
    """Sample of a posterior (2, 4, h, w) by standard normal noise (4, h, w)."""
    return posterior[0] + posterior[1] * noise.to(posterior.dtype)
