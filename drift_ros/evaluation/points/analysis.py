"""Which layer, head and step of a model hold correspondences (DiffTrack, Nam et al. 2025).

Points with known tracks go from the first frame of a window to its others. Three numbers are taken
of each layer and head, and of the mean over the heads of a layer:

- accuracy: share of visible points whose best cell is within 8 px at a width of 720 px;
- confidence: the largest weight of a point on a cell of a frame where it is visible, in one softmax
  over the cells of all frames;
- attention: the sum of these weights over the other frames, in place of its own.

They are joined by the harmonic mean of the three, each scaled from 0 to 1 over the whole table.
Differences from the released code: text tokens are left out of the softmax, for extractors do not
give them, and points are looked up as [y, x]; the release looks them up as [x, y] in a grid (h, w),
which reads confidence and attention at other cells than those of the points.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from drift_ros.descriptors import Descriptors
from drift_ros.evaluation.points.clips import PointClip
from drift_ros.features.base import FeatureExtractor, Window
from drift_ros.points.grid import Grid
from drift_ros.tracking.prepare import network_size, to_input

WITHIN = 8 / 720  # of the width of the image
MEASURES = ('accuracy', 'confidence', 'attention')
ALL = 'all'  # heads of a layer, averaged after the softmax
FEATURES = 'features'  # layer of an extractor that gives plain features


@dataclass(frozen=True, slots=True)
class Place:
    """What is measured: a layer and head at a noise level."""

    level: str
    layer: str
    head: str


@dataclass(slots=True)
class Sums:
    """Sums of a place over points: what was found, and how many points count."""

    values: dict[str, float] = field(default_factory=lambda: dict.fromkeys(MEASURES, 0.0))
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(MEASURES, 0))

    def add(self, name: str, values: Tensor) -> None:
        """Take one value per point."""
        self.values[name] += float(values.sum())
        self.counts[name] += values.numel()

    def mean(self, name: str) -> float:
        """NaN without points."""
        return self.values[name] / self.counts[name] if self.counts[name] else math.nan


class Analysis:
    """Measures extractors on clips.

    Args:
        temperature: of the softmax where cosines of plain features are compared.
    """

    def __init__(self, temperature: float = 0.05) -> None:
        self._temperature = temperature
        self.sums: dict[Place, Sums] = {}

    def add(
        self,
        extractor: FeatureExtractor,
        level: str,
        clips: Iterable[PointClip],
        resolution: int,
        frames: int,
    ) -> None:
        """Measure one extractor.

        Args:
            extractor: whose descriptors are measured.
            level: name of its noise level or step.
            clips: with tracks.
            resolution: short side of its input in px.
            frames: of each clip that are seen together.
        """
        for clip in clips:
            self._add_clip(extractor, level, clip, resolution, frames)

    def rows(self) -> list[dict[str, object]]:
        """A row per place with the measures and their `harmonic` mean, the best one first."""
        table = {place: [sums.mean(m) for m in MEASURES] for place, sums in self.sums.items()}
        joined = harmonic(np.array(list(table.values())))
        rows: list[dict[str, object]] = [
            {
                'level': p.level,
                'layer': p.layer,
                'head': p.head,
                **dict(zip(MEASURES, values, strict=True)),
                'harmonic': float(mean),
            }
            for (p, values), mean in zip(table.items(), joined, strict=True)
        ]
        return sorted(rows, key=lambda row: -float(row['harmonic']))  # type: ignore[arg-type]

    @torch.no_grad()
    def _add_clip(
        self,
        extractor: FeatureExtractor,
        level: str,
        clip: PointClip,
        resolution: int,
        frames: int,
    ) -> None:
        video = clip.video[:frames]
        rows = np.flatnonzero(~clip.occluded[:, 0])
        if len(video) < 2 or not len(rows):
            return
        size = network_size(clip.size, resolution, extractor.size_multiple)
        images = torch.stack([to_input(image, size, extractor.device) for image in video])
        stamps = tuple(range(1, len(video) + 1))
        described = extractor.session(len(video)).extract(Window(images, stamps, len(video)))
        tracks = torch.from_numpy(clip.in_pixels()[rows, : len(video)]).to(extractor.device)
        visible = torch.from_numpy(~clip.occluded[rows, : len(video)]).to(extractor.device)
        layers: dict[str, list[Tensor]] = {}
        heads = extractor.heads or ((FEATURES, 0),)
        for index, (layer, head) in enumerate(heads):
            logits = self._logits(described, index, tracks[:, 0], clip.size)
            weights = logits.flatten(1).softmax(1).view_as(logits)
            self._measure(Place(level, layer, str(head)), weights, tracks, visible, clip.size)
            layers.setdefault(layer, []).append(weights)
        for layer, each in layers.items():
            if len(each) > 1:
                mean = torch.stack(each).mean(0)
                self._measure(Place(level, layer, ALL), mean, tracks, visible, clip.size)

    def _logits(
        self, described: Descriptors, index: int, points: Tensor, size: tuple[int, int]
    ) -> Tensor:
        """(N, T, h, w) of the first frame's points with the cells of all frames, by one head."""
        query, key = described.queries[index].float(), described.keys[index].float()
        scale = 1.0
        if described.keys is described.queries:
            query, key = (functional.normalize(each, dim=1) for each in (query, key))
            scale = 1 / self._temperature
        height, width = query.shape[2:]
        cells = Grid(size, (height, width), 1).to_cells(points).round().long()
        x, y = cells[:, 0].clamp(0, width - 1), cells[:, 1].clamp(0, height - 1)
        chosen = query[0, :, y, x]  # (C, N)
        return scale * torch.einsum('cn,tchw->nthw', chosen, key)

    def _measure(
        self,
        place: Place,
        weights: Tensor,
        tracks: Tensor,
        visible: Tensor,
        size: tuple[int, int],
    ) -> None:
        sums = self.sums.setdefault(place, Sums())
        height, width = weights.shape[2:]
        grid = Grid(size, (height, width), 1)
        largest, best = weights.flatten(2).max(2)
        cells = torch.stack([best % width, best // width], 2).float()
        found = grid.to_pixels(cells.flatten(0, 1)).view_as(tracks)
        near = (found - tracks).norm(dim=2) <= WITHIN * size[1]
        sums.add('accuracy', near[visible].float())
        later = visible.clone()
        later[:, 0] = False
        sums.add('confidence', largest[later])
        sums.add('attention', weights[:, 1:].sum((1, 2, 3)))


def harmonic(table: NDArray[np.float64]) -> NDArray[np.float64]:
    """Harmonic means (n,) of the rows of a table (n, 3), each column scaled from 0 to 1; 0 where a
    value is 0 or not defined.
    """
    low, high = np.nanmin(table, 0), np.nanmax(table, 0)
    scaled = (table - low) / np.where(high > low, high - low, 1)
    with np.errstate(divide='ignore', invalid='ignore'):
        means = table.shape[1] / (1 / scaled).sum(1)
    return np.asarray(np.nan_to_num(means, nan=0.0, posinf=0.0))


def best_heads(rows: Sequence[dict[str, object]]) -> str:
    """The best single head, as `points.heads` names it; empty if there are no heads."""
    single = [row for row in rows if row['head'] != ALL and row['layer'] != FEATURES]
    return f'{single[0]["layer"]}/{single[0]["head"]}' if single else ''
