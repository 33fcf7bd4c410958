"""A small space-time diffusion UNet over pixels, and its twin that sees single frames.

A strided stem takes the place of a VAE; residual blocks work on each frame, temporal layers
between them join the frames. The network predicts the clean frames x_0 from x = signal * x_0 +
noise * eps, told the logarithm of the signal-to-noise ratio.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import cast

import torch
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from diffusers.models.embeddings import TimestepEmbedding, get_timestep_embedding
from torch import Tensor, nn
from torch.nn import functional

from drift_ros.errors import SettingsError
from drift_ros.features.embedded.layers import Attention, residual


class Temporal(nn.ModuleList):
    """Layers that join frames, one after the other."""

    def forward(self, features: Tensor, frames: int) -> Tensor:
        """(B * F, C, h, w) -> the same."""
        for layer in self:
            features = layer(features, frames)
        return features


class Stage(nn.Module):
    """Residual blocks at one scale, each followed by the temporal layers of this scale.

    Args:
        inputs: channels that each block takes.
        channels: C, that it gives.
        time: channels of the encoding of the noise level.
        attend: scopes of the attention layers after each block.
        temporal: whether there are temporal layers.
    """

    def __init__(
        self, inputs: Sequence[int], channels: int, time: int, attend: Sequence[str], temporal: bool
    ) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(residual(c, channels, time) for c in inputs)
        self.spatial = nn.ModuleList(
            Attention(channels, 'frame') for _ in inputs if 'frame' in attend
        )
        scopes = [scope for scope in attend if scope != 'frame']
        self.temporal = nn.ModuleList(
            Temporal(Attention(channels, scope) for scope in scopes) for _ in inputs if temporal
        )

    def layer(self, index: int, features: Tensor, noise: Tensor, frames: int, join: bool) -> Tensor:
        """(B * F, C', h, w) through one block and what follows it."""
        features = self.blocks[index](features, noise)
        if self.spatial:
            features = self.spatial[index](features, frames)
        if join and self.temporal:
            features = self.temporal[index](features, frames)
        return features


class EmbeddedUNet(ModelMixin, ConfigMixin):
    """The denoiser.

    Decoder blocks are counted from the deepest, as everywhere: 0 has the coarsest grid, the last
    one a cell for each `patch` x `patch` px.

    Args:
        channels: C of each scale, from the finest; multiples of 32.
        layers: residual blocks per scale in the encoder and in the decoder.
        patch: px per cell of the finest grid.
        frames: length of the windows of the training; others work.
        temporal: whether there are temporal layers; without them it is an image model.
        near: for each scale but the coarsest, whether cells look around in the neighbouring
            frames. At the coarsest, cells look everywhere: in their frame, and in all frames.
    """

    @register_to_config
    def __init__(
        self,
        channels: Sequence[int] = (64, 128, 256),
        layers: int = 1,
        patch: int = 4,
        frames: int = 16,
        temporal: bool = True,
        near: Sequence[bool] = (False, True),
    ) -> None:
        super().__init__()
        if any(c % 32 for c in channels) or len(near) != len(channels) - 1:
            raise SettingsError(
                f'channels are {tuple(channels)} and near is {tuple(near)}: expected multiples of '
                '32, and a word for each but the last'
            )
        time = 2 * channels[-1]
        self.noise = TimestepEmbedding(channels[-1], time)
        self.stem = nn.Conv2d(3, channels[0], 2 * patch, patch, patch // 2)
        deepest = len(channels) - 1

        def attend(scale: int) -> list[str]:
            if scale == deepest:
                return ['frame', 'all']
            return ['near'] if near[scale] else []

        self.down = nn.ModuleList(
            Stage([c] * layers, c, time, attend(scale), temporal)
            for scale, c in enumerate(channels)
        )
        self.shrink = nn.ModuleList(nn.Conv2d(a, b, 3, 2, 1) for a, b in pairwise(channels))
        self.up = nn.ModuleList(
            Stage([2 * c] * layers, c, time, attend(scale), temporal)
            for scale, c in reversed(list(enumerate(channels)))
        )
        self.grow = nn.ModuleList(nn.Conv2d(b, a, 3, 1, 1) for b, a in pairwise(channels[::-1]))
        self.norm = nn.GroupNorm(8, channels[0])
        self.head = nn.Conv2d(channels[0], 3 * patch**2, 3, padding=1)

    def forward(
        self, sample: Tensor, log_snr: Tensor, *, blocks: Sequence[int] = (), join: bool = True
    ) -> Tensor | list[Tensor]:
        """Predict the clean frames, or read features.

        Args:
            sample: (B, F, 3, H, W) noised frames; H and W multiples of `multiple`.
            log_snr: (B, F) natural logarithm of their signal-to-noise ratio.
            blocks: decoder blocks that are read, rising; the network stops after the last one.
                Without any it runs to the end.
            join: whether temporal layers are run. Without them every frame is seen alone.

        Returns:
            (B, F, 3, H, W) x_0, or (B, F, C, h, w) output of each block.

        Raises:
            SettingsError: there is no such block.
        """
        if any(not 0 <= block < len(self.up) for block in blocks):
            raise SettingsError(
                f'decoder blocks {tuple(blocks)} are read: this model has blocks 0 to '
                f'{len(self.up) - 1}'
            )
        found = []
        frames = sample.shape[1]
        levels = get_timestep_embedding(  # 0..1000 for 20 nats
            (10 - log_snr.flatten().float()).mul(50), self.config.channels[-1]
        )
        noise = self.noise(levels.to(sample.dtype))
        hidden = self.stem(sample.flatten(0, 1).contiguous(memory_format=torch.channels_last))
        skips = []
        for scale, stage in enumerate(cast('list[Stage]', self.down)):
            if scale:
                hidden = self.shrink[scale - 1](hidden)
            for index in range(len(stage.blocks)):
                hidden = stage.layer(index, hidden, noise, frames, join)
                skips.append(hidden)
        for depth, stage in enumerate(cast('list[Stage]', self.up)):
            if depth:
                hidden = functional.interpolate(hidden, skips[-1].shape[-2:])
                hidden = self.grow[depth - 1](hidden)
            for index in range(len(stage.blocks)):
                hidden = torch.cat([hidden, skips.pop()], 1)
                hidden = stage.layer(index, hidden, noise, frames, join)
            if depth in blocks:
                found.append(hidden.unflatten(0, (-1, frames)))
            if blocks and depth == max(blocks):
                return found
        clean = self.head(functional.silu(self.norm(hidden)))
        return functional.pixel_shuffle(clean, self.config.patch).unflatten(0, (-1, frames))

    @property
    def multiple(self) -> int:
        """H and W must be multiples of this."""
        return int(self.config.patch)
