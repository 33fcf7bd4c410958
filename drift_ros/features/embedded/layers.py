"""Layers over frames and over cells, for features (B * F, C, h, w): frames lie in the batch.

Every layer is causal: what it gives for a frame depends on this frame and a bounded number of
earlier ones. Keys and values of these are kept in a cache, so that a clip gives the same frame by
frame as at once.
"""

from __future__ import annotations

from functools import lru_cache

import torch
from diffusers.models.resnet import ResnetBlock2D
from torch import Tensor, nn
from torch.nn import functional

HEAD = 32  # channels of a head
BASE = 100.0  # the slowest wave of positions is that many times 2 pi cells or frames long
SHARPNESS = 8.0  # of attention at the start: weights of equal and opposite cells differ by exp(16)
TILE, MARGIN = 8, 4  # queries of a tile share their keys, which lie up to MARGIN cells beyond it
PAST = {'frame': 0, 'near': 2, 'all': 3, 'long': 8}  # earlier frames that a scope attends to


class Cache:
    """What a stream keeps of its newest frames.

    Attributes:
        frames: number of frames that went through so far.
        layers: keys and values by attention layer, frames along dimension 1.
    """

    def __init__(self) -> None:
        self.frames = 0
        self.layers: dict[nn.Module, tuple[Tensor, Tensor]] = {}


def residual(channels_in: int, channels: int, time: int) -> ResnetBlock2D:
    """A residual block, conditioned on the noise level by scale and shift."""
    return ResnetBlock2D(
        in_channels=channels_in,
        out_channels=channels,
        temb_channels=time,
        groups=8,
        time_embedding_norm='scale_shift',
    )


class FeedForward(nn.Module):
    """Two linear layers over the channels of each cell; residual."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(8, channels)
        self.rise = nn.Linear(channels, 4 * channels)
        self.fall = nn.Linear(4 * channels, channels)
        zero(self.fall)

    def forward(self, features: Tensor) -> Tensor:
        """(N, C, h, w) -> the same."""
        hidden = functional.gelu(self.rise(self.norm(features).permute(0, 2, 3, 1)))
        return features + self.fall(hidden).permute(0, 3, 1, 2)


class Attention(nn.Module):
    """Self-attention over cells of a frame and of earlier ones; residual.

    Positions enter as rotations of queries, keys and values by the places of the cells, undone at
    the output (Miyato et al. 2024, GTA): only differences of places count, so other lengths and
    sizes than those of the training work, and the output knows from where it was gathered, which
    is what motion is. Queries and keys start as the same projection, so that at first cells attend
    to similar ones.

    Args:
        channels: C, a multiple of the head's 32.
        scope: `frame`, all cells of the same frame; `near`, cells at most 4 to 11 cells away in
            the same and the two frames before; `all` and `long`, all cells of the same and the
            three or eight frames before.
    """

    def __init__(self, channels: int, scope: str) -> None:
        super().__init__()
        self.scope = scope
        self.past = PAST[scope]
        self.heads = channels // HEAD
        self.norm = nn.GroupNorm(8, channels)
        self.qkv = nn.Linear(channels, 3 * channels)
        self.sharpness = nn.Parameter(torch.full((self.heads, 1, 1), SHARPNESS))
        self.out = nn.Linear(channels, channels)
        with torch.no_grad():
            self.qkv.weight[channels : 2 * channels] = self.qkv.weight[:channels]
        zero(self.out)

    def forward(self, features: Tensor, frames: int, cache: Cache | None = None) -> Tensor:
        """(B * F, C, h, w) -> the same; `cache` is read and brought up to date."""
        query, key, value, turn = self.project(features, frames, cache.frames if cache else 0)
        attend = _attend_near if self.scope == 'near' else _attend_all
        mixed = attend(query, *self._join(key, value, cache))
        mixed = _rotate(mixed, turn, back=True)
        count, channels, height, width = features.shape
        hidden = self.out(mixed.flatten(-2)).reshape(count, height, width, channels)
        return features + hidden.permute(0, 3, 1, 2)

    def project(
        self, features: Tensor, frames: int, first: int = 0
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Queries, keys and values (B, F, h, w, heads, HEAD) of frames from number `first` on, and
        the rotation by their places, which has been applied to them.
        """
        _, _, height, width = features.shape
        hidden = self.qkv(self.norm(features).permute(0, 2, 3, 1))
        turn = _rotation(first, (frames, height, width), features.device).to(features.dtype)
        parts = hidden.view(-1, frames, height, width, 3 * self.heads, HEAD)
        query, key, value = _rotate(parts, turn).chunk(3, -2)
        query = functional.normalize(query, dim=-1) * self.sharpness[:, 0]
        return query, functional.normalize(key, dim=-1), value, turn

    def _join(self, key: Tensor, value: Tensor, cache: Cache | None) -> tuple[Tensor, Tensor]:
        """Keys and values of `past` frames before the first query, and of all queries.

        (B, F + past, keys, heads, HEAD), or with the keys of each tile, as `_tiles` has them; what
        lies before the stream has length 0.
        """
        sides = []
        for index, each in enumerate((key, value)):
            new = _tiles(each, MARGIN) if self.scope == 'near' else each.flatten(2, 3)
            known = cache.layers.get(self) if cache else None
            parts = [new] if known is None else [known[index], new]
            if missing := self.past - sum(part.shape[1] for part in parts[:-1]):
                parts.insert(0, new.new_zeros(len(new), missing, *new.shape[2:]))
            sides.append(torch.cat(parts, 1) if len(parts) > 1 else new)
        if cache is not None and self.past:
            cache.layers[self] = sides[0][:, -self.past :], sides[1][:, -self.past :]
        return sides[0], sides[1]


def _attend_all(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """(B, F, h, w, heads, HEAD) queries of frame i attend to the keys (B, F + past, n, heads, HEAD)
    of frames i to i + past.

    Frames before the stream are keys of length 0 with the value 0: somewhere to attend to for what
    has no match.
    """
    frames, past = query.shape[1], key.shape[1] - query.shape[1]

    def spread(each: Tensor) -> Tensor:  # (B * F, (past + 1) * n, heads, HEAD)
        if frames == 1:
            return each.flatten(1, 2)
        lags = [each[:, lag : lag + frames] for lag in range(past + 1)]
        return (torch.cat(lags, 2) if past else each).flatten(0, 1)

    return _attend(query.flatten(0, 1).flatten(1, 2), spread(key), spread(value)).view(query.shape)


def _attend_near(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """The same within tiles of cells, whose keys are (B, F + past, tiles, n, heads, HEAD).

    What lies beyond the image is a key of length 0 too.
    """
    batch, frames, height, width, heads, _ = query.shape
    past = key.shape[1] - frames
    down, across = -(-height // TILE), -(-width // TILE)

    def spread(each: Tensor) -> Tensor:
        return torch.cat([each[:, lag : lag + frames] for lag in range(past + 1)], 3).flatten(0, 2)

    seen = _attend(_tiles(query, 0).flatten(0, 2), spread(key), spread(value))
    seen = seen.reshape(batch, frames, down, across, TILE, TILE, heads, HEAD)
    whole = seen.transpose(3, 4).flatten(4, 5).flatten(2, 3)
    return whole[:, :, :height, :width]


def _tiles(each: Tensor, margin: int) -> Tensor:
    """(B, F, h, w, heads, HEAD) -> (B, F, tiles, side^2, heads, HEAD), 0 beyond the image."""
    height, width = each.shape[2:4]
    low, right = -height % TILE, -width % TILE
    pad = (0, 0, 0, 0, margin, margin + right, margin, margin + low)
    side = TILE + 2 * margin
    cut = functional.pad(each, pad).unfold(2, side, TILE).unfold(3, side, TILE)
    return cut.permute(0, 1, 2, 3, 6, 7, 4, 5).flatten(4, 5).flatten(2, 3)


def _attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Attention of (b, n, heads, HEAD) queries to (b, m, heads, HEAD) keys."""
    query, key, value = (each.transpose(1, 2) for each in (query, key, value))
    return functional.scaled_dot_product_attention(query, key, value, scale=1.0).transpose(1, 2)


@lru_cache(maxsize=8)  # layers of one grid share it, as long as a frame is at work
def _rotation(first: int, shape: tuple[int, int, int], device: torch.device) -> Tensor:
    """(2, F, h, w, 1, HEAD / 2) cosine and sine of the angles of each pair of channels, for frames
    from number `first` on.
    """
    pairs = HEAD // 2
    parts = []
    for axis, (start, length) in enumerate(zip((first, 0, 0), shape, strict=True)):
        waves = pairs * (axis + 1) // 3 - pairs * axis // 3
        # In float64, so that a stream may go on for days.
        steps = BASE ** -(torch.arange(waves, device=device, dtype=torch.float64) / (waves - 1))
        angle = torch.arange(start, start + length, device=device)[:, None] * steps
        view = [2, 1, 1, 1, waves]
        view[axis + 1] = length
        part = torch.stack([angle.cos(), angle.sin()]).float()
        parts.append(part.view(view).expand(2, *shape, waves))
    return torch.cat(parts, -1)[..., None, :]


def _rotate(values: Tensor, turn: Tensor, back: bool = False) -> Tensor:
    """Rotate pairs of channels of (B, F, ..., heads, HEAD) by an angle, or back by it."""
    first, second = values.chunk(2, -1)
    cosine, sine = turn
    sign = -1 if back else 1
    return torch.cat(
        [
            torch.addcmul(first * cosine, second, sine, value=-sign),
            torch.addcmul(second * cosine, first, sine, value=sign),
        ],
        -1,
    )


def zero(layer: nn.Module) -> None:
    """Let a residual branch begin as nothing."""
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
