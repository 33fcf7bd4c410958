"""A small network that tells which of some places in an image shows a point, and where exactly.

Maps of an image are correlated around every place with what the point looked like: all cells near
the place with all cells near the point, as LocoTrack does it (Cho et al. 2024).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from drift_ros.points.matching import near, soft_peak, unit

CHANNELS = 24
STRIDES = (4, 8)  # px per cell of the maps
RADII = (2, 3)  # cells around a place that are looked at
NEAR = 1  # cells around a point that are remembered
NEAR_CELLS = (2 * NEAR + 1) ** 2
LOOKS = 2  # that are remembered of a point: at its query, and newest
SOUGHT = 12  # cells around a place in which a point is sought by its look
COSINES = 2  # cells around a place of which cosines of descriptors are known
WITHIN = (1.0, 2.0, 4.0, 8.0, 16.0)  # px of a raster of 256 for which probabilities are given
HIDDEN = 96

Maps = tuple[Tensor, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Verdict:
    """About K places for each of N points.

    Attributes:
        offsets: (N, K, 2) px from the place to the point.
        near: (N, K, 5) logits that the point is then no further off than each of `WITHIN`.
        seen: (N, K, 5) logits that, besides, it is visible.
    """

    offsets: Tensor
    near: Tensor
    seen: Tensor


class PointNetwork(nn.Module):
    """See the module.

    Args:
        places: number K of places that are compared.
        facts: number of what else is known about each.
    """

    def __init__(self, places: int, facts: int) -> None:
        super().__init__()
        self.fine = nn.Sequential(
            nn.Conv2d(3 * STRIDES[0] ** 2, CHANNELS, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1),
            nn.ReLU(),
        )
        self.coarse = nn.Sequential(
            nn.AvgPool2d(2),
            nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1),
            nn.ReLU(),
        )
        self.reads = nn.ModuleList(nn.Conv2d(CHANNELS, CHANNELS, 1) for _ in STRIDES)
        pairs = LOOKS * (2 * NEAR + 1) ** 2
        self.compare = nn.ModuleList(nn.Linear(pairs * (2 * r + 1) ** 2, 48) for r in RADII)
        self.sharpness = nn.Parameter(torch.full((len(STRIDES),), 3.0))  # logarithm
        heats = LOOKS * len(STRIDES)
        self.gather = nn.Sequential(
            nn.Linear(48 * len(STRIDES) + 3 * heats + (2 * COSINES + 1) ** 2 + facts, HIDDEN),
            nn.ReLU(),
        )
        self.judge = nn.Sequential(
            nn.Linear(2 * HIDDEN, HIDDEN),
            nn.ReLU(),
            nn.Linear(HIDDEN, 2 + 2 * len(WITHIN) + heats + 1),
        )
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def maps(self, image: Tensor) -> Maps:
        """(h, w, C) per stride, of an image (H, W, 3) uint8."""
        fine = self.fine(_cells(image))
        read = zip(self.reads, (fine, self.coarse(fine)), strict=True)
        return tuple(unit(reads(x)[0]).permute(1, 2, 0).contiguous() for reads, x in read)

    @staticmethod
    def looks(maps: Maps, places: Tensor) -> Tensor:
        """(N, L, 9, C) what maps show at places (N, 2) in px."""
        found = []
        for each, stride in zip(maps, STRIDES, strict=True):
            window, part = around(each, places[:, None], stride, NEAR)
            found.append(_between(window[:, 0].transpose(1, 2), part, NEAR).transpose(1, 2))
        return torch.stack(found, 1)

    def forward(
        self,
        maps: Maps,
        looks: Tensor,
        places: Tensor,
        same: Tensor,
        cosines: Tensor,
        facts: Tensor,
    ) -> Verdict:
        """Judge places.

        Args:
            maps: of the image.
            looks: (N, LOOKS, L, 9, C) of the points.
            places: (N, K, 2) in px.
            same: (N, K) int64, number of the place that is looked at for each: of several that lie
                together, one.
            cosines: (N, K, 25) of descriptors of the points with those around the places.
            facts: (N, K, F).
        """
        wanted = torch.zeros(len(same), places.shape[1], dtype=torch.bool, device=same.device)
        wanted.scatter_(1, same, True)
        rows, chosen = wanted.nonzero(as_tuple=True)
        numbers = wanted.flatten().cumsum(0).sub(1).view_as(wanted).gather(1, same)
        compared, shifts = self.correlate(maps, looks[rows], places[rows, chosen])
        state = self.gather(torch.cat([compared[numbers], cosines, facts], 2))
        best = state.amax(1, keepdim=True).expand_as(state)
        out = self.judge(torch.cat([state, best], 2))
        kinds = len(WITHIN)
        share = out[..., 2 + 2 * kinds :].softmax(2)[..., 1:, None]
        offsets = (share * shifts[numbers]).sum(2) + out[..., :2]
        return Verdict(offsets, out[..., 2 : 2 + kinds], out[..., 2 + kinds : 2 + 2 * kinds])

    def correlate(self, maps: Maps, looks: Tensor, places: Tensor) -> tuple[Tensor, Tensor]:
        """Places (M, 2) with looks (M, LOOKS, L, 9, C): (M, G) what was found, and (M, 4, 2) px to
        the middle of what each look has most in common with, on each map.
        """
        found, means, peaks = [], [], []
        for level, (each, stride, radius) in enumerate(zip(maps, STRIDES, RADII, strict=True)):
            window, part = around(each, places[:, None], stride, radius)
            products = looks[:, :, level].flatten(1, 2) @ window[:, 0].transpose(1, 2)
            close = _between(products, part, radius)  # (M, 18, cells)
            found.append(functional.relu(self.compare[level](close.flatten(1))))
            middle = close.unflatten(1, (LOOKS, -1))[:, :, NEAR_CELLS // 2]
            weight = (self.sharpness[level].exp() * middle).softmax(2)
            side = torch.arange(-radius, radius + 1.0, device=each.device)
            steps = torch.stack(torch.meshgrid(side, side, indexing='xy'), 2).flatten(0, 1)
            means.append(weight @ steps * stride)
            peaks.append(middle.amax(2))
        mean = torch.cat(means, 1)
        return torch.cat([*found, mean.flatten(1) / 8, *peaks], 1), mean

    @torch.no_grad()
    def recall(self, maps: Maps, looks: Tensor, places: Tensor) -> Tensor:
        """(N, 2) px where the coarse map is most like the first of looks (N, LOOKS, L, 9, C),
        within `SOUGHT` cells around places (N, 2) in px.
        """
        level, stride = len(STRIDES) - 1, STRIDES[-1]
        height, width, _ = maps[level].shape
        look = looks[:, 0, level, NEAR_CELLS // 2]
        logits = self.sharpness[level].exp() * look @ maps[level].flatten(0, 1).T
        logits = logits.unflatten(1, (height, width))
        cells = (places + 0.5) / stride - 0.5
        logits = logits.masked_fill(~near(cells, (height, width), SOUGHT), -100.0)
        found = soft_peak(logits, 1)
        return (found + 0.5) * stride - 0.5


def _cells(image: Tensor) -> Tensor:
    """(1, 48, h, w) cells of 4 px of an image (H, W, 3) uint8, channels last, as the weights: so
    convolutions take half the time on a CPU. What is missing of the last ones is that of the edge.
    """
    fine, coarse = STRIDES
    rows, columns = (
        torch.arange(side + -side % coarse, device=image.device).clamp(max=side - 1)
        for side in image.shape[:2]
    )
    if image.shape[:2] != (len(rows), len(columns)):
        image = image[rows[:, None], columns]
    blocks = image.unflatten(0, (-1, fine)).unflatten(2, (-1, fine))
    cells = blocks.permute(0, 2, 1, 3, 4).flatten(2).float()
    return cells.div_(64).sub_(2).permute(2, 0, 1)[None]


def around(each: Tensor, places: Tensor, stride: int, radius: int) -> tuple[Tensor, Tensor]:
    """(N, K, (2 r + 2)^2, C) cells of a map (h, w, C) around places (N, K, 2) in px, and (N, K, 2)
    which part of a cell the places lie beyond the middle one.
    """
    height, width, channels = each.shape
    cells = (places + 0.5) / stride - 0.5
    cells = cells.clamp(-16, max(height, width) + 16)
    low = cells.floor()
    side = torch.arange(-radius, radius + 2, device=each.device)
    x = (low[..., :1].long() + side).clamp(0, width - 1)
    y = (low[..., 1:].long() + side).clamp(0, height - 1)
    rows = (y[..., :, None] * width + x[..., None, :]).flatten(2)
    window = each.reshape(-1, channels).index_select(0, rows.flatten())
    return window.view(*rows.shape, channels), cells - low


def _between(window: Tensor, part: Tensor, radius: int) -> Tensor:
    """(..., (2 r + 1)^2) of cells (..., (2 r + 2)^2) interpolated at parts (..., 2)."""
    side = 2 * radius + 2
    grid = window.unflatten(-1, (side, side))
    x, y = part[..., :1, None], part[..., 1:, None]
    grid = torch.lerp(grid[..., :-1, :], grid[..., 1:, :], y)
    return torch.lerp(grid[..., :-1], grid[..., 1:], x).flatten(-2)
