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
EPSILON = 1e-12  # least length of a vector that is brought to unit length
TILE, MARGIN = 8, 4  # queries of a tile share their keys, which lie up to MARGIN cells beyond it
PAST = {'frame': 0, 'near': 2, 'all': 3, 'long': 8}  # earlier frames that a scope attends to


class Cache:
    """What a stream keeps of its newest frames, at the same place in memory as long as it lives.

    Attributes:
        frames: number of frames that went through so far.
        number: () int64, the same on the stream's device, as of the frame that is at work.
        layers: keys and values of the newest frames by attention layer.
    """

    def __init__(self) -> None:
        self.frames = 0
        self.number = torch.zeros((), dtype=torch.int64)
        self.layers: dict[nn.Module, Tensor] = {}
        self._turns: dict[tuple[int, int, int], Tensor] = {}

    def begin(self, device: torch.device) -> None:
        """The next frame is at work."""
        self.number = self.number.to(device).fill_(self.frames)

    def renew(self) -> None:
        """Compute anew what depends on the number of the frame: at the start of what may be a CUDA
        graph, for what is there before would be part of it as it is.
        """
        self._turns.clear()

    def end(self) -> None:
        """It has gone through."""
        self.frames += 1
        self.renew()

    def reset(self) -> None:
        """Forget all frames."""
        self.frames = 0
        for known in self.layers.values():
            known.zero_()

    def turn(self, shape: tuple[int, int, int]) -> Tensor:
        """`_rotation` for the frame that is at work, which layers of one grid share."""
        if shape not in self._turns:
            self._turns[shape] = _angles(self.number, shape, self.number.device)
        return self._turns[shape]


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

    Attributes:
        cut: whether nothing is gathered from earlier frames, though they keep their weights; of
            whole clips only, not of streams.
    """

    def __init__(self, channels: int, scope: str) -> None:
        super().__init__()
        self.scope = scope
        self.past = PAST[scope]
        self.cut = False
        self.heads = channels // HEAD
        self.norm = nn.GroupNorm(8, channels)
        self.qkv = nn.Linear(channels, 3 * channels)
        self.sharpness = nn.Parameter(torch.full((self.heads, 1, 1), SHARPNESS))
        self.out = nn.Linear(channels, channels)
        with torch.no_grad():
            self.qkv.weight[channels : 2 * channels] = self.qkv.weight[:channels]
        zero(self.out)

    def forward(self, features: Tensor, frames: int, cache: Cache | None = None) -> Tensor:
        """(B * F, C, h, w) -> the same; with a cache, which is brought up to date, F is 1."""
        count, channels, height, width = features.shape
        query, sides, turn = self.project(features, frames, cache)
        near = self.scope == 'near'
        query, sides = _tiles(query, 0, near), _tiles(sides, MARGIN, near)
        if self.past:
            sides = _earlier(sides, self.past) if cache is None else self._remember(sides, cache)
            if self.cut:
                sides[:, :, :, :, self.heads :, : self.past] = 0  # the own frame is the last
        mixed = _attend(query, *sides.chunk(2, 4))[:, :, :height, :width]
        hidden = self.out(_rotate(mixed, turn, back=True).flatten(-2))
        return features + hidden.view(count, height, width, channels).permute(0, 3, 1, 2)

    def project(
        self, features: Tensor, frames: int, cache: Cache | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Queries (B, F, h, w, heads, HEAD) of a clip, or of the next frame of a stream, their keys
        and values (B, F, h, w, 2 * heads, HEAD), and the rotation by their places, which has been
        applied.
        """
        height, width = features.shape[2:]
        hidden = self.qkv(self.norm(features).permute(0, 2, 3, 1))
        parts = hidden.view(-1, frames, height, width, 3 * self.heads, HEAD)
        query, key, value = (
            torch.linalg.vector_norm(parts, dim=-1, keepdim=True).clamp_min(EPSILON).chunk(3, -2)
        )
        gains = torch.cat([self.sharpness[:, 0] / query, 1 / key, torch.ones_like(value)], -2)
        shape = (frames, height, width)
        turn = cache.turn(shape) if cache else _rotation(shape, features.device)
        turn = turn.to(features.dtype)
        query, sides = _rotate(parts * gains, turn).split([self.heads, 2 * self.heads], -2)
        return query, sides, turn

    def _remember(self, sides: Tensor, cache: Cache) -> Tensor:
        """Put the newest frame where the one lies that is too old, and return all, as `_earlier`;
        their order does not matter, for keys know their time.
        """
        known = cache.layers.get(self)
        if known is None:
            shape = list(sides.shape)
            shape.insert(5, self.past + 1)
            known = cache.layers[self] = sides.new_zeros(shape)
        if known.is_cuda:  # by a number that a CUDA graph can read
            place = (cache.number % (self.past + 1))[None]
            known.index_copy_(5, place, sides.unsqueeze(5))
        else:
            known[:, :, :, :, :, cache.frames % (self.past + 1)] = sides
        return known


def _tiles(each: Tensor, margin: int, cut: bool) -> Tensor:
    """(B, F, h, w, n, HEAD) -> (B, F, down, across, n, side, side, HEAD); one tile unless `cut`.

    What lies beyond the image is 0.
    """
    if not cut:
        return each.movedim(4, 2)[:, :, None, None]
    height, width = each.shape[2:4]
    low, right = -height % TILE, -width % TILE
    pad = (0, 0, 0, 0, margin, margin + right, margin, margin + low)
    side = TILE + 2 * margin
    tiles = functional.pad(each, pad).unfold(2, side, TILE).unfold(3, side, TILE)
    return tiles.permute(0, 1, 2, 3, 4, 6, 7, 5)


def _earlier(sides: Tensor, past: int) -> Tensor:
    """Keys and values of each frame -> those of the frames before it too, as a new dimension 5.

    Frames before the stream are keys of length 0 with the value 0: somewhere to attend to for what
    has no match.
    """
    frames = sides.shape[1]
    padded = torch.cat([sides.new_zeros(len(sides), past, *sides.shape[2:]), sides], 1)
    return torch.stack([padded[:, lag : lag + frames] for lag in range(past + 1)], 5)


def _attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Attention of queries of tiles to the keys of the same tiles, as `_tiles` has them.

    Returns:
        (B, F, h, w, heads, HEAD) with h and w of whole tiles.
    """
    shape = query.shape
    query, key, value = (each.flatten(5, -2).flatten(0, 3) for each in (query, key, value))
    mixed = functional.scaled_dot_product_attention(query, key, value, scale=1.0)
    mixed = mixed.view(shape).permute(0, 1, 2, 5, 3, 6, 4, 7)
    return mixed.flatten(4, 5).flatten(2, 3)


@lru_cache(maxsize=8)  # layers of one grid share it, as long as a clip is at work
def _rotation(shape: tuple[int, int, int], device: torch.device) -> Tensor:
    """`_angles` of a clip."""
    return _angles(0, shape, device)


def _angles(first: Tensor | int, shape: tuple[int, int, int], device: torch.device) -> Tensor:
    """(2, F, h, w, 1, HEAD) cosine and sine of the angles by which pairs of channels are rotated,
    in frames from number `first` on; the sine of the first one of a pair is negative.
    """
    pairs = HEAD // 2
    parts = []
    for axis, (start, length) in enumerate(zip((first, 0, 0), shape, strict=True)):
        waves = pairs * (axis + 1) // 3 - pairs * axis // 3
        # In float64, so that a stream may go on for days.
        steps = BASE ** -(torch.arange(waves, device=device, dtype=torch.float64) / (waves - 1))
        angle = (torch.arange(length, device=device) + start)[:, None] * steps
        view = [2, 1, 1, 1, waves]
        view[axis + 1] = length
        part = torch.stack([angle.cos(), angle.sin()]).float()
        parts.append(part.view(view).expand(2, *shape, waves))
    cosine, sine = torch.cat(parts, -1)[..., None, :]
    return torch.stack([torch.cat([cosine, cosine], -1), torch.cat([-sine, sine], -1)])


def _rotate(values: Tensor, turn: Tensor, back: bool = False) -> Tensor:
    """Rotate pairs of channels of (B, F, ..., heads, HEAD) by an angle, or back by it."""
    cosine, sine = turn
    first, second = values.chunk(2, -1)
    return torch.addcmul(
        values * cosine, torch.cat([second, first], -1), sine, value=-1 if back else 1
    )


def zero(layer: nn.Module) -> None:
    """Let a residual branch begin as nothing."""
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
