"""Stable Diffusion 2.1 and 1.5, diffusion models of latents (Rombach et al. 2022; DIFT_sd)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from drift_ros.features.attention import AttentionReader, Place
from drift_ros.features.image.image_unet import ImageUnetExtractor, Inversion
from drift_ros.features.latents import LatentEncoder, sample
from drift_ros.features.noise import NoiseSchedule
from drift_ros.features.truncation import shared_copy, truncate
from drift_ros.settings import FeatureSettings

BLOCKS = 4
PAPER_BLOCK = 2
LATENT_STRIDE = 8
LAYERS = 3  # of a decoder block
FINEST_ATTENTION = '3'


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
        attention: self-attention layers that are read in place of the block.
        kind: of its prediction, for inversion.

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
        attention: Sequence[Place] = (),
        kind: str = 'epsilon',
    ) -> None:
        image = settings.image
        block = PAPER_BLOCK if image.block < 0 else image.block
        level = schedule.choose(image.noise_level, image.snr)
        deepest = LATENT_STRIDE * 2 ** (len(unet.up_blocks) - 1)
        inversion = None
        if settings.noise == 'inversion':
            inversion = Inversion(unet, schedule, kind)
            unet = shared_copy(unet)
        reader = AttentionReader(unet, attention) if attention else None
        if reader is None:
            truncate(unet, block, None if image.layer < 0 else image.layer)
            if block == 0 and image.layer >= 0:  # before its upsampling: the deepest stride
                self.size_multiple = deepest
        super().__init__(unet, level, settings, device, dtype, reader, inversion)
        self.encoder = encoder
        self._text = text.to(device, dtype)

    def _encode(self, images: Tensor) -> Tensor:
        return self.encoder(images).float()

    def _clean(self, source: Tensor, stamp: int, member: int) -> Tensor:
        return sample(source, self._gaussian(source[0], stamp, 'posterior', member))

    def _mode(self, source: Tensor) -> Tensor:
        return source[0]

    def _conditions(self, count: int) -> tuple[Tensor, ...]:
        return (self._text.expand(count, -1, -1),)
