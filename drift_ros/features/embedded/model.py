"""A small causal space-time diffusion UNet over pixels, trained to denoise and to match.

A strided stem takes the place of a VAE; residual blocks work on each frame, temporal layers
between them join it with earlier frames. From x = signal * x_0 + noise * eps and the logarithm of
the signal-to-noise ratio the network predicts the clean frames x_0, and descriptors whose cosine
says which cells of two frames show the same point (as Track4Gen, Jeong et al. 2025).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import cast

import torch
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from diffusers.models.embeddings import TimestepEmbedding, get_timestep_embedding
from torch import Tensor, nn
from torch.nn import functional

from drift_ros.errors import SettingsError
from drift_ros.features.embedded.layers import Attention, Cache, FeedForward, residual, zero


@dataclass(frozen=True, slots=True)
class Outputs:
    """What the network gives for (B, F, 3, H, W) frames.

    Attributes:
        clean: (B, F, 3, H, W) predicted x_0.
        descriptors: (B, F, D, h, w), not normalised.
    """

    clean: Tensor
    descriptors: Tensor


class Stage(nn.Module):
    """A residual block, attention layers and a feed-forward layer, at one place of the network.

    Args:
        inputs: channels that it takes.
        channels: C, that it gives.
        time: channels of the encoding of the noise level.
        scopes: of the attention layers; all but `frame` are temporal. Without any there is no
            feed-forward layer either.
    """

    def __init__(self, inputs: int, channels: int, time: int, scopes: Sequence[str]) -> None:
        super().__init__()
        self.block = residual(inputs, channels, time)
        self.attention = nn.ModuleList(Attention(channels, scope) for scope in scopes)
        self.feed = FeedForward(channels) if scopes else nn.Identity()

    def forward(
        self, features: Tensor, noise: Tensor, frames: int, join: bool, cache: Cache | None
    ) -> Tensor:
        """(B * F, inputs, h, w) -> (B * F, C, h, w); `join`: whether temporal layers are run."""
        features = self.block(features, noise)
        for layer in cast('list[Attention]', self.attention):
            if join or layer.scope == 'frame':
                features = layer(features, frames, cache)
        return cast('Tensor', self.feed(features))


class EmbeddedUNet(ModelMixin, ConfigMixin):
    """The denoiser.

    Decoder blocks are counted from the deepest, as everywhere: 0 has the coarsest grid, the last
    one a cell for each `patch` x `patch` px.

    Args:
        channels: C of each scale, from the finest; multiples of 32. At the two coarsest cells
            attend to others.
        context: channels of the scale between encoder and decoder, where cells see the whole frame
            and eight frames before it.
        depth: stages at that scale.
        patch: px per cell of the finest grid.
        temporal: whether there are temporal layers; without them it is an image model.
        readout: channels of the descriptors that come from each decoder block; they add up to D.
    """

    @register_to_config
    def __init__(
        self,
        channels: Sequence[int] = (32, 64, 128),
        context: int = 256,
        depth: int = 2,
        patch: int = 4,
        temporal: bool = True,
        readout: Sequence[int] = (0, 40, 24),
    ) -> None:
        super().__init__()
        if any(c % 32 for c in channels) or len(readout) != len(channels) or len(channels) < 2:
            raise SettingsError(
                f'channels are {tuple(channels)} and readout is {tuple(readout)}: expected two or '
                'more multiples of 32, and a number for each'
            )
        time = 2 * channels[-1]
        deepest = len(channels) - 1

        def scopes(scale: int, decoder: bool = False) -> list[str]:
            wanted = {deepest: ['frame', 'all'], deepest + 1: ['frame', 'long']}.get(scale, [])
            if scale == deepest - 1:
                wanted = ['frame', 'near'] if decoder else ['near']
            return [scope for scope in wanted if temporal or scope == 'frame']

        self.noise = TimestepEmbedding(channels[-1], time)
        self.stem = nn.Conv2d(3, channels[0], 2 * patch, patch, patch // 2)
        self.down = nn.ModuleList(
            Stage(c, c, time, scopes(scale)) for scale, c in enumerate(channels)
        )
        self.shrink = nn.ModuleList(nn.Conv2d(a, b, 3, 2, 1) for a, b in pairwise(channels))
        self.into = nn.Conv2d(channels[-1], context, 3, 2, 1)
        self.middle = nn.ModuleList(
            Stage(context, context, time, scopes(deepest + 1)) for _ in range(depth)
        )
        self.out = nn.Conv2d(context, channels[-1], 1)
        zero(self.out)
        self.up = nn.ModuleList(
            Stage(2 * c, c, time, scopes(scale, True))
            for scale, c in reversed(list(enumerate(channels)))
        )
        self.grow = nn.ModuleList(nn.Conv2d(b, a, 3, 1, 1) for b, a in pairwise(channels[::-1]))
        self.norm = nn.GroupNorm(8, channels[0])
        self.head = nn.Conv2d(channels[0], 3 * patch**2, 3, padding=1)
        self.projections = nn.ModuleList(
            nn.Conv2d(c, d, 1) if d else nn.Identity()
            for c, d in zip(reversed(channels), readout, strict=True)
        )

    def forward(self, sample: Tensor, log_snr: Tensor, *, join: bool = True) -> Outputs:
        """Predict the clean frames and their descriptors.

        Args:
            sample: (B, F, 3, H, W) noised frames; H and W multiples of `multiple`.
            log_snr: (B, F) natural logarithm of their signal-to-noise ratio.
            join: whether temporal layers are run. Without them every frame is seen alone.
        """
        hidden, descriptors = self._trunk(sample, log_snr, join, None)
        frames = sample.shape[1]
        clean = self.head(functional.silu(self.norm(hidden)))
        clean = functional.pixel_shuffle(clean, self.config.patch)
        return Outputs(*(x.unflatten(0, (-1, frames)) for x in (clean, descriptors)))

    def describe(
        self, sample: Tensor, log_snr: Tensor, *, join: bool = True, cache: Cache | None = None
    ) -> Tensor:
        """(B, F, D, h, w) descriptors alone.

        Args:
            sample: as for `forward`, as the next two.
            log_snr: noise levels.
            join: whether temporal layers are run.
            cache: of the frames before, if these are later frames of a stream; updated in place.
        """
        if cache is None:
            return self._trunk(sample, log_snr, join, None)[1].unflatten(0, (len(sample), -1))
        found = []
        for frame, level in zip(sample.split(1, 1), log_snr.split(1, 1), strict=True):
            cache.begin(sample.device)
            found.append(self.describe_next(frame, level, join=join, cache=cache))
            cache.end()
        return torch.stack(found, 1)

    def describe_next(
        self, sample: Tensor, log_snr: Tensor, *, join: bool = True, cache: Cache | None = None
    ) -> Tensor:
        """(B, D, h, w) descriptors of the frame that a cache has at work, or of single images.
        Nothing but its keys and values is left in the cache, so that this can be a CUDA graph.

        Args:
            sample: (B, 1, 3, H, W), as for `forward`, as the others.
            log_snr: noise level.
            join: whether temporal layers are run.
            cache: between its `begin` and `end`; None: every frame is seen alone.
        """
        if cache is not None:
            cache.renew()
        return self._trunk(sample, log_snr, join, cache)[1]

    def _trunk(
        self, sample: Tensor, log_snr: Tensor, join: bool, cache: Cache | None
    ) -> tuple[Tensor, Tensor]:
        """Output of the last decoder block, and the descriptors, frames in the batch."""
        frames = sample.shape[1]
        hidden, skips, noise = self._encode(sample, log_snr, join, cache)
        outputs = []
        for depth, stage in enumerate(self.up):
            hidden = self._meet(depth, hidden, skips)
            hidden = stage(hidden, noise, frames, join, cache)
            outputs.append(hidden)
        parts = [
            functional.normalize(_resized(layer(output), hidden.shape[-2:]).float(), dim=1)
            for layer, output, channels in zip(
                self.projections, outputs, self.config.readout, strict=True
            )
            if channels
        ]
        return hidden, torch.cat(parts, 1).to(hidden.dtype)

    def queries_and_keys(
        self, sample: Tensor, log_snr: Tensor, blocks: Sequence[int]
    ) -> list[tuple[Tensor, Tensor]]:
        """What the attention within frames compares, every frame seen alone; the network ends
        there.

        Args:
            sample: (B, 1, 3, H, W) noised frames.
            log_snr: (B, 1) natural logarithm of their signal-to-noise ratio.
            blocks: of the decoder, rising; each must attend within frames.

        Returns:
            Of each block queries and keys, (B, h, w, heads, 32); their products are logits.
        """
        hidden, skips, noise = self._encode(sample, log_snr, False, None)
        found = []
        for depth, stage in enumerate(cast('list[Stage]', self.up)[: blocks[-1] + 1]):
            hidden = self._meet(depth, hidden, skips)
            if depth in blocks:
                attention = cast('Attention', stage.attention[0])
                query, sides, _ = attention.project(stage.block(hidden, noise), 1)
                found.append((query[:, 0], sides[:, 0, ..., : attention.heads, :]))
            if depth < blocks[-1]:
                hidden = stage(hidden, noise, 1, False, None)
        return found

    @property
    def heads(self) -> dict[int, int]:
        """Decoder blocks that attend within frames -> number of heads."""
        first = {
            depth: cast('Attention', stage.attention[0])
            for depth, stage in enumerate(cast('list[Stage]', self.up))
            if len(stage.attention)
        }
        return {depth: layer.heads for depth, layer in first.items() if layer.scope == 'frame'}

    def _encode(
        self, sample: Tensor, log_snr: Tensor, join: bool, cache: Cache | None
    ) -> tuple[Tensor, list[Tensor], Tensor]:
        """What the decoder begins with, what it meets, the last one first to come, and the encoding
        of the noise level.
        """
        frames = sample.shape[1]
        levels = get_timestep_embedding(  # 0..1000 for 20 nats
            (10 - log_snr.flatten().float()).mul(50), self.config.channels[-1]
        )
        noise = self.noise(levels.to(sample.dtype))
        hidden = self.stem(sample.flatten(0, 1).contiguous(memory_format=torch.channels_last))
        skips = []
        for scale, stage in enumerate(self.down):
            hidden = self.shrink[scale - 1](hidden) if scale else hidden
            hidden = stage(hidden, noise, frames, join, cache)
            skips.append(hidden)
        inner = self.into(hidden)
        for stage in self.middle:
            inner = stage(inner, noise, frames, join, cache)
        hidden = hidden + functional.interpolate(self.out(inner), hidden.shape[-2:])
        return hidden, skips, noise

    def _meet(self, depth: int, hidden: Tensor, skips: list[Tensor]) -> Tensor:
        """Input of a decoder block: the output of the one before it beside that of the encoder,
        which leaves the list.
        """
        if depth:
            hidden = functional.interpolate(hidden, skips[-1].shape[-2:])
            hidden = self.grow[depth - 1](hidden)
        return torch.cat([hidden, skips.pop()], 1)

    @property
    def multiple(self) -> int:
        """H and W must be multiples of this."""
        return int(self.config.patch)


def _resized(features: Tensor, grid: torch.Size) -> Tensor:
    """(N, C, h, w) on another grid."""
    if features.shape[-2:] == grid:
        return features
    return functional.interpolate(features, grid, mode='bilinear', align_corners=False)
