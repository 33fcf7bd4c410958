"""Stable Diffusion 2.1 and 1.5, diffusion models of latents (Rombach et al. 2022; DIFT_sd)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from drift_ros.features.image.extractor import ImageUnetExtractor
from drift_ros.features.latents import LatentEncoder, sample
from drift_ros.features.noise import NoiseSchedule
from drift_ros.features.truncation import truncate
from drift_ros.settings import FeatureSettings

BLOCKS = 4
PAPER_BLOCK = 2
LATENT_STRIDE = 8


class StableDiffusionExtractor(ImageUnetExtractor):
    """Reads a decoder block of Stable Diffusion, or a layer inside it.

    Each member of an ensemble is a sample of its own from the VAE's posterior, as in DIFT.

    Args:
        unet: `UNet2DConditionModel`; it is cut, moved and cast in place.
        encoder: of frames to latents.
        schedule: noise schedule of the model.
        text: (1, tokens, dim) encoding of the prompt.
        settings: of the features.
        device: where to run.
        dtype: number format.

    Raises:
        SettingsError: there is no such block, layer or noise level.
    """

    def __init__(
        self,
        unet: Any,
        encoder: LatentEncoder,
        schedule: NoiseSchedule,
        text: Tensor,
        settings: FeatureSettings,
        device: torch.device,
        dtype: torch.dtype,
    ) -> None:
        image = settings.image
        block = PAPER_BLOCK if image.block < 0 else image.block
        level = schedule.choose(image.noise_level, image.snr)
        deepest = LATENT_STRIDE * 2 ** (len(unet.up_blocks) - 1)
        truncate(unet, block, None if image.layer < 0 else image.layer)
        if block == 0 and image.layer >= 0:  # before its upsampling: the deepest stride there is
            self.size_multiple = deepest
        super().__init__(unet, level, settings, device, dtype)
        self.encoder = encoder
        self._text = text.to(device, dtype)

    def _encode(self, images: Tensor) -> Tensor:
        return self.encoder(images).float()

    def _clean(self, source: Tensor, stamp: int, member: int) -> Tensor:
        return sample(source, self._gaussian(source[0], stamp, 'posterior', member))

    def _features(self, noisy: Tensor) -> Tensor:
        text = self._text.expand(len(noisy), -1, -1)
        features: Tensor = self._run(noisy, self._time, text, return_dict=False)[0]
        return features
