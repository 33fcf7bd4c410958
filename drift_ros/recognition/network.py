"""A network that compares two views: one that shows a target, with its mask, and another.

Convolutions turn each view into 16x16 tokens. Those of the known view attend to each other alone,
so what they say is computed once and kept; those of the other view attend to both.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

PIXELS = 128  # of the sides of a view
TOKENS = 16  # of the sides of what it becomes
MASK = 64  # px of the sides of a mask
CHANNELS = 5  # of a view: colours, what lies in the frame, and the mask of the target
WIDTH, DEPTH, HEADS = 128, 6, 4
LOWEST, HIGHEST = -5.0, 2.0  # log of a deviation

Pair = tuple[Tensor, Tensor]
Known = list[Pair]


@dataclass(frozen=True, slots=True, eq=False)
class Verdict:
    """About B pairs of views.

    Attributes:
        shown: (B,) logits that the second view shows what the target looks like.
        scale: (B,) log of how much larger it is there: of the inverse ratio of distances, whichever
            side it shows.
        deviation: (B,) log of the mean absolute error of that.
        mask: (B, 64, 64) logits of it.
    """

    shown: Tensor
    scale: Tensor
    deviation: Tensor
    mask: Tensor


class RecognitionNetwork(nn.Module):
    """See the module."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(CHANNELS, 32, 5, 2, 2),
            nn.GroupNorm(8, 32),
            nn.SiLU(),
            nn.Conv2d(32, 64, 3, 2, 1),
            _Residual(64),
            nn.Conv2d(64, WIDTH, 3, 2, 1),
            _Residual(WIDTH),
            _Residual(WIDTH),
        )
        self.places = nn.Parameter(0.02 * torch.randn(2, TOKENS**2, WIDTH))
        self.summary = nn.Parameter(0.02 * torch.randn(2, 1, WIDTH))
        self.blocks = nn.ModuleList(_Block() for _ in range(DEPTH))
        self.norm = nn.LayerNorm(WIDTH)
        self.facts = nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.GELU(), nn.Linear(WIDTH, 3))
        self.mask = nn.Linear(WIDTH, (MASK // TOKENS) ** 2)

    def know(self, views: Tensor) -> Known:
        """Keys and values (B, 4, 257, 32) of each block, of views (B, 5, 128, 128) of targets."""
        tokens, known = self._tokens(views, 0), []
        for block in self.blocks:
            tokens, own = block(tokens)
            known.append(own)
        return known

    def forward(self, known: Known, views: Tensor) -> Verdict:
        """Compare views (B, 5, 128, 128), whose masks are 0, with known ones."""
        tokens = self._tokens(views, 1)
        for block, other in zip(self.blocks, known, strict=True):
            tokens, _ = block(tokens, other)
        tokens = self.norm(tokens)
        shown, scale, deviation = self.facts(tokens[:, 0]).float().unbind(-1)
        mask = self.mask(tokens[:, 1:]).transpose(1, 2).unflatten(2, (TOKENS, TOKENS))
        mask = functional.pixel_shuffle(mask, MASK // TOKENS)[:, 0].float()
        return Verdict(shown, scale, deviation.clamp(LOWEST, HIGHEST), mask)

    def _tokens(self, views: Tensor, which: int) -> Tensor:
        cells = self.stem(views).flatten(2).transpose(1, 2) + self.places[which]
        return torch.cat([self.summary[which].expand(len(cells), -1, -1), cells], 1)


class _Residual(nn.Sequential):
    def __init__(self, channels: int) -> None:
        super().__init__(
            nn.GroupNorm(8, channels),
            nn.SiLU(),
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.GroupNorm(8, channels),
            nn.SiLU(),
            nn.Conv2d(channels, channels, 3, padding=1),
        )

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = x + super().forward(x)
        return found


class _Block(nn.Module):
    """Attention of (B, N, C) tokens to themselves, and to others by their keys and values."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.query, self.known = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, 2 * WIDTH)
        self.out = nn.Linear(WIDTH, WIDTH)
        self.channels = nn.Sequential(
            nn.Linear(WIDTH, 4 * WIDTH), nn.GELU(), nn.Linear(4 * WIDTH, WIDTH)
        )

    def forward(self, tokens: Tensor, other: Pair | None = None) -> tuple[Tensor, Pair]:
        normed = self.first(tokens)
        keys, values = map(_heads, self.known(normed).chunk(2, -1))
        own = keys, values
        if other is not None:
            keys, values = (torch.cat(each, 2) for each in zip(own, other, strict=True))
        read = functional.scaled_dot_product_attention(_heads(self.query(normed)), keys, values)
        tokens = tokens + self.out(read.transpose(1, 2).flatten(2))
        return tokens + self.channels(self.second(tokens)), own


def _heads(tokens: Tensor) -> Tensor:
    return tokens.unflatten(-1, (HEADS, -1)).transpose(1, 2)
