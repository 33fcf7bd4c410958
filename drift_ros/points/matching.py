"""Where the descriptor of a point is in another frame.

Descriptors of heads are compared as attention does, with a softmax over the cells of the frame, and
the weights of the heads are averaged (DiffTrack, Nam et al. 2025). Plain features are one head
whose logits are cosines over a temperature; so are keys compared with keys (HeFT).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from drift_ros.descriptors import Descriptors
from drift_ros.errors import SettingsError
from drift_ros.settings import PointSettings

CHUNK = 2**18  # weights that are held at a time; so many fit into the cache of a CPU
TINY = 1e-24  # square of a length that is none


@dataclass(frozen=True, slots=True, eq=False)
class Vectors:
    """Descriptors of N points.

    Attributes:
        queries: (N, C) float32 of each head.
        keys: likewise; the very same tuple where queries are keys.
    """

    queries: tuple[Tensor, ...]
    keys: tuple[Tensor, ...]

    def __getitem__(self, rows: Tensor | slice) -> Vectors:
        queries = tuple(each[rows] for each in self.queries)
        same = self.keys is self.queries
        return Vectors(queries, queries if same else tuple(each[rows] for each in self.keys))

    @classmethod
    def concatenate(cls, parts: Sequence[Vectors]) -> Vectors:
        """Those of several groups of points one after the other."""
        queries = tuple(map(torch.cat, zip(*(p.queries for p in parts), strict=True)))
        if parts[0].keys is parts[0].queries:
            return cls(queries, queries)
        return cls(queries, tuple(map(torch.cat, zip(*(p.keys for p in parts), strict=True))))

    def mixed(self, other: Vectors, share: Tensor) -> Vectors:
        """Between these and others; share (N,) in [0, 1] is that of the others."""
        queries = _lerp(self.queries, other.queries, share)
        same = self.keys is self.queries
        return Vectors(queries, queries if same else _lerp(self.keys, other.keys, share))


@dataclass(frozen=True, slots=True, eq=False)
class FrameMaps:
    """Descriptors of a frame as points are compared with.

    Attributes:
        queries: (C, h, w) float32 of each head.
        keys: likewise; the very same tuple where queries are keys.
        scales: by which products of each head become logits.
        shape: (h, w) of the finest grid.
        stride: px of the network's input per cell of it.
        cosine: whether products are cosines.
    """

    queries: tuple[Tensor, ...]
    keys: tuple[Tensor, ...]
    scales: tuple[float, ...]
    shape: tuple[int, int]
    stride: int
    cosine: bool

    def sample(self, places: Tensor) -> Vectors:
        """Descriptors at places (N, 2) in cells of the finest grid, interpolated; beyond the
        middle of the outermost cells those of the edge.
        """
        queries = tuple(self._sample(each, places) for each in self.queries)
        if self.keys is self.queries:
            return Vectors(queries, queries)
        return Vectors(queries, tuple(self._sample(each, places) for each in self.keys))

    def _sample(self, each: Tensor, places: Tensor) -> Tensor:
        own = torch.tensor(each.shape[:0:-1], dtype=torch.float32, device=each.device)
        finest = torch.tensor(self.shape[::-1], dtype=torch.float32, device=each.device)
        centres = (places + 0.5) * own / finest - 0.5
        return sample(each[None], centres[None])[0].T

    def cosines(self, points: Vectors) -> Tensor:
        """(N, h, w) of what is sought with the cells of the first map."""
        sought = functional.normalize(points.queries[0], dim=1)
        return (sought @ self.keys[0].flatten(1)).unflatten(1, self.shape)

    def similarity(self, points: Vectors, places: Tensor) -> Tensor | None:
        """(N,) cosines of what is sought with what is at places (N, 2), mean over the heads; None
        where no cosines are compared.
        """
        if not self.cosine:
            return None
        there = self.sample(places)
        each = [
            functional.cosine_similarity(a, b)
            for a, b in zip(points.queries, there.keys, strict=True)
        ]
        return torch.stack(each).mean(0)


class Matcher:
    """Compares points with frames.

    Args:
        settings: how.
        heads: (layer, head) of every map that the extractor gives; empty for plain features.

    Attributes:
        settings: how; what is not marked `dynamic` must stay as it was.

    Raises:
        SettingsError: `points.heads` names a head that the extractor does not read.
    """

    def __init__(self, settings: PointSettings, heads: Sequence[tuple[str, int]] = ()) -> None:
        self.settings = settings
        self._chosen = choose_heads(settings.heads, heads)

    def prepare(self, descriptors: Descriptors) -> FrameMaps:
        """Descriptors of one frame (n = 1) as they are compared, in float32."""
        chosen = range(len(descriptors.keys)) if self._chosen is None else self._chosen
        keys = tuple(descriptors.keys[i][0].float() for i in chosen)
        plain = descriptors.keys is descriptors.queries
        if plain or self.settings.compare == 'keys':
            keys = tuple(unit(each.nan_to_num()) for each in keys)
            scales = (1 / self.settings.temperature,) * len(keys)
            return FrameMaps(keys, keys, scales, descriptors.grid, descriptors.stride, True)
        queries = tuple(descriptors.queries[i][0].float() for i in chosen)
        scales = (1.0,) * len(keys)
        if self.settings.divisor == 'heads':  # queries come divided by the root of the channels
            scales = tuple(math.sqrt(len(each) / len(keys)) for each in keys)
        return FrameMaps(queries, keys, scales, descriptors.grid, descriptors.stride, False)

    def find(
        self,
        points: Vectors,
        frame: FrameMaps,
        *,
        source: FrameMaps | None = None,
        around: Tensor | None = None,
    ) -> Tensor:
        """Places (N, 2) of points in a frame, in cells of its finest grid.

        Args:
            points: what is sought.
            frame: where.
            source: frame of the points, which `points.directions: both` needs.
            around: (N, 2) places that points are sought around, NaN for the whole frame; None for
                all.
        """
        nowhere = torch.full((len(points.queries[0]), 2), torch.nan, device=frame.keys[0].device)
        return self.stay_or_find(points, frame, nowhere, 1.0, source=source, around=around)[0]

    def stay_or_find(
        self,
        points: Vectors,
        frame: FrameMaps,
        stay: Tensor,
        share: float,
        *,
        source: FrameMaps | None = None,
        around: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Places (N, 2) of points in a frame: given ones where these have at least a share of the
        largest weight, else what `find` gives; and (N,) bool, which ones stay.

        Args:
            stay: (N, 2) the given places, in cells; NaN for none.
        """
        step = max(1, CHUNK // math.prod(frame.shape))
        places = stay.clone()
        stays = ~stay.isnan().any(1)
        for i in range(0, len(places), step):
            rows = slice(i, i + step)
            weights = self.weights(
                points[rows],
                frame,
                source=source,
                around=None if around is None else around[rows],
            )
            there = sample(weights[:, None], stay[rows, None].nan_to_num())[:, 0, 0]
            stays[rows] &= there >= share * weights.amax((1, 2))
            sought = ~stays[rows]
            places[rows][sought] = self._read(weights[sought])
        return places, stays

    def field(self, places: Tensor, frame: FrameMaps, source: FrameMaps) -> Tensor:
        """Places of points by the best cells of the four cells around each, interpolated.

        Args:
            places: (N, 2) in cells of the source.
            frame: where they are sought.
            source: where they are.

        Returns:
            (N, 2) in cells.
        """
        height, width = source.shape
        limit = torch.tensor([width - 1, height - 1], device=places.device)
        inside = places.clamp(min=0).minimum(limit.to(places))
        low = inside.floor()
        part = inside - low
        steps = torch.tensor([[0, 0], [1, 0], [0, 1], [1, 1]], device=places.device)
        corners = (low[None] + steps[:, None]).minimum(limit.to(places))  # (4, N, 2)
        shares = torch.where(steps[:, None].bool(), part, 1 - part).prod(2, keepdim=True)
        found = self.find(source.sample(corners.flatten(0, 1)), frame, source=source)
        return (shares * found.view_as(corners)).sum(0)

    def weights(
        self,
        points: Vectors,
        frame: FrameMaps,
        *,
        source: FrameMaps | None = None,
        around: Tensor | None = None,
    ) -> Tensor:
        """(N, h, w) softmax over the cells of a frame, mean over the heads; arguments as for
        `find`.
        """
        total = None
        both = self.settings.directions == 'both' and source is not None
        for index, scale in enumerate(frame.scales):
            key = frame.keys[index]
            own = (key.shape[1], key.shape[2])
            logits = scale * points.queries[index] @ key.flatten(1)
            found = logits.softmax(1)
            if both:
                assert source is not None
                query = scale * frame.queries[index].flatten(1).T
                keys = source.keys[index].flatten(1)
                step = max(1, CHUNK // keys.shape[1])
                back = [(part @ keys).logsumexp(1, keepdim=True) for part in query.split(step)]
                own_back = query @ points.keys[index].T
                found = (found + (own_back - torch.cat(back)).exp().T) / 2
            found = found.unflatten(1, own)
            if own != frame.shape:
                found = functional.interpolate(found[None], frame.shape, mode='bilinear')[0]
            total = found if total is None else total + found
        assert total is not None, 'there is a map at least'
        if len(frame.scales) > 1:
            total /= len(frame.scales)
        if around is not None:
            total *= near(around, frame.shape, self.settings.search)
        return total

    def _read(self, weights: Tensor) -> Tensor:
        """(N, 2) places from (N, h, w) weights."""
        width = weights.shape[2]
        best = weights.flatten(1).argmax(1)
        cells = torch.stack([best % width, best // width], 1)
        if self.settings.readout != 'soft':
            return cells.float()
        return soft_argmax(weights, cells, self.settings.radius)


def sample(maps: Tensor, places: Tensor) -> Tensor:
    """(B, C, N) of maps (B, C, h, w) at places (B, N, 2) in cells, interpolated; beyond the middle
    of the outermost cells what these have.
    """
    sides = torch.tensor(maps.shape[:1:-1], dtype=torch.float32, device=maps.device)
    points = 2 * places / (sides - 1).clamp(min=1) - 1
    found = functional.grid_sample(maps, points[:, None], padding_mode='border', align_corners=True)
    return found[:, :, 0]


def soft_argmax(weights: Tensor, cells: Tensor, radius: int) -> Tensor:
    """Mean place of the cells around given ones, by their weights.

    Args:
        weights: (N, h, w), 0 or more.
        cells: (N, 2) int (x, y).
        radius: in cells, in each direction; what lies beyond the grid does not count.

    Returns:
        (N, 2) float32 (x, y).
    """
    count, height, width = weights.shape
    side = torch.arange(-radius, radius + 1, device=weights.device)
    x, y = cells[:, 0, None] + side, cells[:, 1, None] + side  # (N, 2 r + 1)
    rows = torch.arange(count, device=weights.device)[:, None, None]
    near = weights[rows, y.clamp(0, height - 1)[:, :, None], x.clamp(0, width - 1)[:, None, :]]
    near = near * ((y >= 0) & (y < height))[:, :, None] * ((x >= 0) & (x < width))[:, None, :]
    mass = near.sum((1, 2)).clamp(min=torch.finfo(near.dtype).tiny)
    mean_x = (near.sum(1) * x).sum(1) / mass
    mean_y = (near.sum(2) * y).sum(1) / mass
    return torch.stack([mean_x, mean_y], 1)


def soft_peak(logits: Tensor, radius: int) -> Tensor:
    """(N, 2) mean places of the cells around the largest of logits (N, h, w), by their
    exponentials; `radius` as for `soft_argmax`.
    """
    width = logits.shape[2]
    largest, best = logits.flatten(1).max(1)
    cells = torch.stack([best % width, best // width], 1)
    side = torch.arange(-radius, radius + 1, device=logits.device)
    x, y = cells[:, :1] + side, cells[:, 1:] + side
    rows = torch.arange(len(best), device=logits.device)[:, None, None]
    inside = ((y >= 0) & (y < logits.shape[1]))[:, :, None] & ((x >= 0) & (x < width))[:, None]
    close = logits[
        rows, y.clamp(0, logits.shape[1] - 1)[:, :, None], x.clamp(0, width - 1)[:, None]
    ]
    weights = (close - largest[:, None, None]).exp() * inside
    weights /= weights.sum((1, 2), keepdim=True)
    return torch.stack([(weights.sum(1) * x).sum(1), (weights.sum(2) * y).sum(1)], 1)


def choose_heads(wanted: str, heads: Sequence[tuple[str, int]]) -> list[int] | None:
    """Numbers of the maps that `points.heads` names; None for all.

    Raises:
        SettingsError: the extractor reads no such head.
    """
    if not wanted:
        return None
    names = [f'{layer}/{head}' for layer, head in heads]
    chosen = []
    for name in wanted.split(','):
        if name not in names:
            known = f'heads {names[0]} to {names[-1]}' if names else 'features, which have no heads'
            raise SettingsError(
                f'points.heads is {wanted!r}, but the extractor reads {known}: name some of them '
                'as layer/head, or leave it empty for all'
            )
        chosen.append(names.index(name))
    return chosen


def near(around: Tensor, shape: tuple[int, int], radius: int) -> Tensor:
    """(N, h, w) bool, which cells lie in the square around places; all where these are NaN."""
    height, width = shape
    x = torch.arange(width, device=around.device) - around[:, :1]
    y = torch.arange(height, device=around.device) - around[:, 1:]
    everywhere = around.isnan().any(1)[:, None]
    near_x, near_y = (x.abs() <= radius) | everywhere, (y.abs() <= radius) | everywhere
    return near_y[:, :, None] & near_x[:, None, :]


def unit(each: Tensor) -> Tensor:
    """A map (C, h, w) whose cells have length 1, or 0, in less than half of the time of
    `functional.normalize`.
    """
    return each * each.square().sum(0).clamp(min=TINY).rsqrt()


def _lerp(
    some: tuple[Tensor, ...], others: tuple[Tensor, ...], share: Tensor
) -> tuple[Tensor, ...]:
    return tuple(torch.lerp(a, b, share[:, None]) for a, b in zip(some, others, strict=True))
