"""Layers over frames and over cells, for features (B * F, C, h, w): frames lie in the batch."""

from __future__ import annotations

import torch
from diffusers.models.resnet import ResnetBlock2D
from torch import Tensor, nn
from torch.nn import functional

HEAD = 32  # channels of a head
BASE = 100.0  # the slowest wave of positions is that many times 2 pi cells or frames long
SHARPNESS = 8.0  # of attention at the start: the weight of like and unlike differs by exp(2 * 8)
TILE, MARGIN = 8, 4  # cells that look together, and how far they see beyond


def residual(channels_in: int, channels: int, time: int) -> ResnetBlock2D:
    """A residual block that learns of the noise by scale and shift."""
    return ResnetBlock2D(
        in_channels=channels_in,
        out_channels=channels,
        temb_channels=time,
        groups=8,
        time_embedding_norm='scale_shift',
    )


class Attention(nn.Module):
    """Self-attention over cells and frames; residual.

    Positions enter as rotations of queries, keys and values by the places of the cells, undone at
    the output (Miyato et al. 2024, GTA): only differences of places count, so other lengths and
    sizes than those of the training work, and the output knows from where it was gathered, which
    is what motion looks like. Queries and keys start as the same projection, so that at first cells
    look for their likes.

    Args:
        channels: C, a multiple of the head's 32.
        scope: who looks where: `frame`, cells in their own frame; `near`, in the frame before,
            their own and the next one, no farther than 4 to 11 cells away; `all`, in all frames.
    """

    def __init__(self, channels: int, scope: str) -> None:
        super().__init__()
        self.scope = scope
        self.heads = channels // HEAD
        self.norm = nn.GroupNorm(8, channels)
        self.qkv = nn.Linear(channels, 3 * channels)
        self.sharpness = nn.Parameter(torch.full((self.heads, 1, 1), SHARPNESS))
        self.out = nn.Linear(channels, channels)
        with torch.no_grad():
            self.qkv.weight[channels : 2 * channels] = self.qkv.weight[:channels]
        for parameter in self.out.parameters():  # the branch begins as nothing
            nn.init.zeros_(parameter)

    def forward(self, features: Tensor, frames: int) -> Tensor:
        """(B * F, C, h, w) -> the same."""
        count, channels, height, width = features.shape
        grid = (count // frames, frames, height, width)
        hidden = self.qkv(self.norm(features).permute(0, 2, 3, 1))
        query, key, value = hidden.view(*grid, 3 * self.heads, HEAD).chunk(3, -2)
        query = functional.normalize(query, dim=-1) * self.sharpness[:, 0]
        key = functional.normalize(key, dim=-1)
        turn = _rotation(grid[1:], features.device).to(features.dtype)
        query, key, value = (_rotate(each, turn) for each in (query, key, value))
        if self.scope == 'near':
            mixed = _look_near(query, key, value)
        else:
            merged = (0, 1) if self.scope == 'frame' else (1, 1)
            mixed = _look(*(each.flatten(*merged).flatten(1, -3) for each in (query, key, value)))
        mixed = _rotate(mixed.reshape(*grid, self.heads, HEAD), turn, back=True)
        hidden = self.out(mixed.flatten(-2)).reshape(count, height, width, channels)
        return features + hidden.permute(0, 3, 1, 2)


def _look(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Attention of (b, n, heads, HEAD) queries to (b, m, heads, HEAD) keys."""
    query, key, value = (each.transpose(1, 2) for each in (query, key, value))
    return functional.scaled_dot_product_attention(query, key, value, scale=1.0).transpose(1, 2)


def _look_near(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Attention within tiles of cells to the tiles with a margin, in three frames.

    What lies beyond the image is a key of length 0 with the value 0: somewhere to look for what
    has no match.
    """
    batch, frames, height, width, heads, _ = query.shape
    down, across = -(-height // TILE), -(-width // TILE)
    low, right = down * TILE - height, across * TILE - width

    def tiles(each: Tensor, margin: int) -> Tensor:  # (B, F, down * across, side^2, heads, HEAD)
        pad = (0, 0, 0, 0, margin, margin + right, margin, margin + low)
        side = TILE + 2 * margin
        cut = functional.pad(each, pad).unfold(2, side, TILE).unfold(3, side, TILE)
        return cut.permute(0, 1, 2, 3, 6, 7, 4, 5).flatten(4, 5).flatten(2, 3)

    def around(each: Tensor) -> Tensor:
        before = torch.cat([each[:, :1], each[:, :-1]], 1)
        after = torch.cat([each[:, 1:], each[:, -1:]], 1)
        return torch.cat([before, each, after], 3).flatten(0, 2)

    seen = _look(tiles(query, 0).flatten(0, 2), *(around(tiles(x, MARGIN)) for x in (key, value)))
    seen = seen.reshape(batch, frames, down, across, TILE, TILE, heads, HEAD)
    whole = seen.transpose(3, 4).flatten(4, 5).flatten(2, 3)
    return whole[:, :, :height, :width]


def _rotation(shape: tuple[int, ...], device: torch.device) -> Tensor:
    """(2, F, h, w, 1, HEAD / 2) cosine and sine of the angles of each pair of channels."""
    pairs = HEAD // 2
    angles = []
    for axis, length in enumerate(shape):
        waves = pairs * (axis + 1) // 3 - pairs * axis // 3
        steps = torch.arange(waves, device=device, dtype=torch.float32) / (waves - 1)
        angle = torch.arange(length, device=device)[:, None] * BASE**-steps
        view = [1, 1, 1, waves]
        view[axis] = length
        angles.append(angle.view(view).expand(*shape, waves))
    angle = torch.cat(angles, -1)[..., None, :]
    return torch.stack([angle.cos(), angle.sin()])


def _rotate(values: Tensor, turn: Tensor, back: bool = False) -> Tensor:
    """Turn pairs of channels of (B, F, h, w, heads, HEAD), forth or back."""
    first, second = values.chunk(2, -1)
    cosine, sine = turn[0], -turn[1] if back else turn[1]
    return torch.cat([first * cosine - second * sine, first * sine + second * cosine], -1)
