"""Stable Diffusion 2.1 and 1.5, diffusion models of latents (Rombach et al. 2022; DIFT_sd)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from drift_ros.descriptors import Descriptors
from drift_ros.features.attention import AttentionReader, Place, parse_places
from drift_ros.features.base import Session, Window
from drift_ros.features.cross_attention import (
    CrossAttentionReader,
    TextAttention,
    TextConditioned,
    View,
    cross_attention_places,
)
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


class StableDiffusionExtractor(ImageUnetExtractor, TextConditioned):
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
        reader = AttentionReader(unet, attention, settings.attention) if attention else None
        if reader is None:
            truncate(unet, block, None if image.layer < 0 else image.layer)
            if block == 0 and image.layer >= 0:  # before its upsampling: the deepest stride
                self.size_multiple = deepest
        super().__init__(unet, level, settings, device, dtype, reader, inversion)
        self.encoder = encoder
        self.prompt = text.to(device, dtype)

    def _encode(self, images: Tensor) -> Tensor:
        return self.encoder(images).float()

    def _clean(self, source: Tensor, stamp: int, member: int) -> Tensor:
        return sample(source, self._gaussian(source[0], stamp, 'posterior', member))

    def _mode(self, source: Tensor) -> Tensor:
        return source[0]

    def _conditions(self, count: int, text: Tensor | None = None) -> tuple[Tensor, ...]:
        given = self.prompt if text is None else text.to(self.device, self.dtype)
        return (given.expand(count, -1, -1),)

    def session(self, length: int = 0) -> Session:
        """A new stream, which may have a text of its own."""
        del length
        return _ConditionedSession(self)

    def view(self, image: Tensor, stamp: int, layers: str) -> View:
        """What the network, as far as it is run, reads in a frame for any text; every draw has a
        noise of its own.
        """
        unet = shared_copy(self.unet)
        known = cross_attention_places(unet)
        chosen = (
            parse_places(layers, LAYERS)
            if layers
            else [p for p in known if p[0] == known[-1][0]][:1]
        )
        reader = CrossAttentionReader(unet, chosen)
        with torch.no_grad():
            source = self._encode(image[None])[0]
        size = (source.shape[-2], source.shape[-1])

        def view(text: Tensor, draw: int) -> TextAttention:
            noisy = self._noisy(source, stamp, draw).to(self.dtype)
            # some CPU kernels fail in backward passes whose input needs no gradient
            given = noisy.expand(len(text), -1, -1, -1).contiguous().requires_grad_()
            return reader.read(
                lambda: unet(given, self._time, *self._conditions(len(text), text)), size
            )

        return view


class _ConditionedSession(Session):
    """Reads every frame with the text of the stream."""

    def __init__(self, extractor: StableDiffusionExtractor) -> None:
        super().__init__(extractor)
        self._of = extractor

    def extract(self, window: Window) -> Descriptors:
        return self._of.extract(window, self.text)
