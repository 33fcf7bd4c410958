"""ADM, a diffusion model of pixels (Dhariwal and Nichol 2021; DIFT_adm, and R_i in TED)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from drift_ros.features.attention import AttentionReader, Place
from drift_ros.features.image.image_unet import ImageUnetExtractor, Inversion
from drift_ros.features.latents import to_pixels
from drift_ros.features.noise import NoiseSchedule
from drift_ros.features.truncation import shared_copy, truncate
from drift_ros.settings import FeatureSettings

BLOCKS = 18
PAPER_BLOCK = 7
FINEST_ATTENTION = '2'
LAYERS = 3  # of a diffusers decoder block; each is a block of its own in the original


class AdmExtractor(ImageUnetExtractor):
    """Reads one of the decoder blocks of ADM, counted as in the original.

    Args:
        unet: `UNet2DModel` converted from the original; it is cut, moved and cast in place.
        schedule: its noise schedule.
        settings: of the features.
        device: where to run.
        dtype: number format.
        attention: self-attention layers that are read in place of the block.

    Raises:
        SettingsError: there is no such block, layer or noise level.
    """

    def __init__(
        self,
        unet: Any,
        schedule: NoiseSchedule,
        settings: FeatureSettings,
        device: torch.device,
        dtype: torch.dtype,
        attention: Sequence[Place] = (),
    ) -> None:
        image = settings.image
        level = schedule.choose(image.noise_level, image.snr)
        inversion = None
        if settings.noise == 'inversion':
            inversion = Inversion(unet, schedule, 'epsilon')
            unet = shared_copy(unet)
        reader = AttentionReader(unet, attention, settings.attention) if attention else None
        if reader is None:
            truncate_at(unet, PAPER_BLOCK if image.block < 0 else image.block)
        self.size_multiple = 2 ** (len(unet.config.block_out_channels) - 1)
        super().__init__(unet, level, settings, device, dtype, reader, inversion)

    def _encode(self, images: Tensor) -> Tensor:
        return to_pixels(images, torch.float32)

    def _clean(self, source: Tensor, stamp: int, member: int) -> Tensor:
        return source

    def _mode(self, source: Tensor) -> Tensor:
        return source

    def _conditions(self, count: int, text: Tensor | None = None) -> tuple[Tensor, ...]:
        return ()


def truncate_at(unet: Any, block: int) -> None:
    """Let the output of the network be that of a block of the original's decoder, in place.

    Three blocks of the original make one of diffusers; upsampling is part of the third.

    Args:
        unet: `UNet2DModel` with three layers in each decoder block.
        block: 0 = deepest.

    Raises:
        SettingsError: there is no such block.
    """
    deep, layer = divmod(block, LAYERS)
    truncate(unet, deep, None if layer == LAYERS - 1 else layer)
