"""The UNet of ADM with the structure and the names of weights of its published checkpoint, written
from the paper's description (Dhariwal and Nichol 2021, appendix): what conversion is held against.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

SMALL: dict[str, Any] = {
    'block_out_channels': (16, 16, 32, 32, 48, 48),
    'norm_num_groups': 8,
    'attn_norm_num_groups': 8,
    'attention_head_dim': 16,
}
"""Changes to the converted configuration that give the network below by default."""


class Residual(nn.Module):
    """Scale and shift of the second normalisation come from the time; may halve or double."""

    def __init__(self, inside: int, outside: int, time: int, groups: int, factor: float) -> None:
        super().__init__()
        self.factor = factor
        self.in_layers = nn.Sequential(
            nn.GroupNorm(groups, inside), nn.SiLU(), nn.Conv2d(inside, outside, 3, padding=1)
        )
        self.emb_layers = nn.Sequential(nn.SiLU(), nn.Linear(time, 2 * outside))
        self.out_layers = nn.Sequential(
            nn.GroupNorm(groups, outside),
            nn.SiLU(),
            nn.Identity(),  # dropout in training
            nn.Conv2d(outside, outside, 3, padding=1),
        )
        same = inside == outside
        self.skip_connection = nn.Identity() if same else nn.Conv2d(inside, outside, 1)

    def resize(self, x: Tensor) -> Tensor:
        if self.factor < 1:
            return functional.avg_pool2d(x, 2)
        return functional.interpolate(x, scale_factor=self.factor) if self.factor > 1 else x

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        norm, act, conv = self.in_layers
        hidden = conv(self.resize(act(norm(x))))
        scale, shift = self.emb_layers(time)[:, :, None, None].chunk(2, 1)
        norm, act, _, conv = self.out_layers
        hidden = conv(act(norm(hidden) * (1 + scale) + shift))
        result: Tensor = self.skip_connection(self.resize(x)) + hidden
        return result


class Attention(nn.Module):
    """Self-attention whose heads each have their queries, keys and values side by side."""

    def __init__(self, channels: int, head: int, groups: int) -> None:
        super().__init__()
        self.head = head
        self.norm = nn.GroupNorm(groups, channels)
        self.qkv = nn.Conv1d(channels, 3 * channels, 1)
        self.proj_out = nn.Conv1d(channels, channels, 1)

    def forward(self, x: Tensor, _time: Tensor) -> Tensor:
        tokens = x.flatten(2)
        qkv = self.qkv(self.norm(tokens)).unflatten(1, (-1, 3, self.head))
        query, key, value = qkv.unbind(2)  # (n, heads, head, tokens) each
        logits = query.transpose(2, 3) @ key / math.sqrt(self.head)
        seen = (value @ logits.softmax(3).transpose(2, 3)).flatten(1, 2)
        result: Tensor = (tokens + self.proj_out(seen)).view_as(x)
        return result


class OriginalAdm(nn.Module):
    """Unconditional, two residual blocks per level, attention from the fourth level on.

    Args:
        channels: of each level.
        groups: of the normalisations.
        head: channels of an attention head.
    """

    def __init__(
        self,
        channels: tuple[int, ...] = SMALL['block_out_channels'],
        groups: int = SMALL['norm_num_groups'],
        head: int = SMALL['attention_head_dim'],
    ) -> None:
        super().__init__()
        width = channels[0]
        time = 4 * width
        last = len(channels) - 1

        def residual(inside: int, outside: int, factor: float = 1) -> Residual:
            return Residual(inside, outside, time, groups, factor)

        def attention(level: int) -> list[nn.Module]:
            return [Attention(channels[level], head, groups)] if level >= 3 else []

        self.width = width
        self.time_embed = nn.Sequential(nn.Linear(width, time), nn.SiLU(), nn.Linear(time, time))
        down: list[list[nn.Module]] = [[nn.Conv2d(3, width, 3, padding=1)]]
        sizes, now = [width], width
        for level, outside in enumerate(channels):
            for _ in range(2):
                down.append([residual(now, outside), *attention(level)])
                now = outside
                sizes.append(now)
            if level < last:
                down.append([residual(now, now, 0.5)])
                sizes.append(now)
        up = []
        for level in range(last, -1, -1):
            for index in range(3):
                layers = [residual(now + sizes.pop(), channels[level]), *attention(level)]
                now = channels[level]
                up.append(layers + [residual(now, now, 2)] * (index == 2 and level > 0))
        middle = [residual(now_deep := channels[-1], now_deep), *attention(last)]
        self.input_blocks = nn.ModuleList(nn.ModuleList(layers) for layers in down)
        self.middle_block = nn.ModuleList([*middle, residual(now_deep, now_deep)])
        self.output_blocks = nn.ModuleList(nn.ModuleList(layers) for layers in up)
        self.out = nn.Sequential(
            nn.GroupNorm(groups, width), nn.SiLU(), nn.Conv2d(width, 6, 3, padding=1)
        )

    def forward(self, x: Tensor, timestep: float) -> tuple[Tensor, list[Tensor]]:
        """Prediction, and the output of each of the 18 decoder blocks."""
        half = self.width // 2
        angles = timestep * torch.exp(torch.arange(half) / half * -math.log(10000))
        time = self.time_embed(torch.cat([angles.cos(), angles.sin()])[None])
        kept, features = [], []
        for layers in self.input_blocks:
            x = _through(layers, x, time)
            kept.append(x)
        x = _through(self.middle_block, x, time)
        for layers in self.output_blocks:
            x = _through(layers, torch.cat([x, kept.pop()], 1), time)
            features.append(x)
        return self.out(x), features


def _through(layers: Any, x: Tensor, time: Tensor) -> Tensor:
    for layer in layers:
        x = layer(x) if isinstance(layer, nn.Conv2d) else layer(x, time)
    return x


def original_adm(seed: int = 0, **sizes: Any) -> OriginalAdm:
    """With random weights, none of them zero or one, on scales that keep activations near one."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = OriginalAdm(**sizes)
        for parameter in model.parameters():
            parameter.data += 0.05 * torch.randn_like(parameter)
    return model.eval().requires_grad_(False)
