"""Label propagation in tiles with the operations of torch: on every device, for every setting."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from drift_ros.propagation.labels import LabelMean
from drift_ros.propagation.products import BandedProducts, cut
from drift_ros.propagation.tile_scores import TileScores
from drift_ros.propagation.window import Task, Tile

SPARE = 16  # matches looked at beyond the k-th, to find the ones that tie with it
COLUMNS = 8  # of a tile on a CPU; fewer waste less on columns outside the windows
COLUMNS_BATCHED = 64  # of a tile on a GPU: large products, few of them
ALIGNED = 8  # columns of a tile on a GPU, whose matrix units want rows of products aligned
SCRATCH = 3 * 2**23  # similarities held at a time on a CPU, 96 MiB
SCRATCH_BATCHED = 3 * 2**27  # on a GPU, 1.5 GiB, and not more than a share of its memory
SHARE = 64  # one part of so many of a GPU's memory


def propagate_labels(task: Task, search: Callable[[Task], Found] | None = None) -> Tensor:
    """Mean labels (h, w, K) of the best matches of each cell.

    Args:
        task: from what.
        search: `search_tiles`, or what does the same.
    """
    result, crowded, ties = (search or search_tiles)(task)
    many = crowded.tolist()
    if any(many):
        again = _Search.of(task)
        for tile, tied, is_crowded in zip(again.tiles(), ties, many, strict=True):
            if is_crowded:
                out = cut(result, tile)
                means = again.label_all(tile, tied)
                out[tied.crowded.view(out.shape[:2])] = means[tied.crowded]
    return result


def search_tiles(task: Task) -> Found:
    """What `propagate_labels` finds without waiting for the device.

    Returns:
        Labels (h, w, K), right but for targets that have too many ties; of each tile whether it
        has such targets, (n,) bool; and its ties.
    """
    search = _Search.of(task)
    result = torch.empty((*task.query.shape[:2], task.labels.shape[3]), device=task.query.device)
    ties = []
    for tile in search.tiles():
        out = cut(result, tile)
        means, tied = search.label(tile)
        out.copy_(means.view(out.shape))
        ties.append(tied)
    return result, torch.stack([tied.crowded.any() for tied in ties]), ties


class Ties(NamedTuple):
    """Targets of a tile that may have more matches than were looked at, all as good as the k-th."""

    crowded: Tensor  # (n,) bool, whether it has
    threshold: Tensor  # (n,) similarity of the k-th match
    peak: Tensor  # (n,) similarity of the best match


Found = tuple[Tensor, Tensor, list[Ties]]


class _Search(NamedTuple):
    """Labels tiles of targets, each from the matches in all frames."""

    query: Tensor  # (h, w, C)
    products: list[BandedProducts]
    labels: LabelMean
    temperature: float
    top_k: int

    @classmethod
    def of(cls, task: Task) -> _Search:
        """For a task."""
        batched = _batched(task.query.device)
        products = [BandedProducts(part, batched) for part in task.sharing.parts(task.context)]
        mean = LabelMean(task.labels, task.known)
        return cls(task.query, products, mean, task.temperature, task.top_k)

    def tiles(self) -> Iterator[Tile]:
        """Those of the whole grid."""
        grid = (self.query.shape[0], self.query.shape[1])
        return _tiles(self.products, grid, _batched(self.query.device))

    def label(self, tile: Tile) -> tuple[Tensor, Ties]:
        """Soft labels (n, K) of a tile, and where they may lack ties with the k-th match."""
        count = self.top_k + SPARE
        scores = [part.score(tile, self.query, count) for part in self.products]
        if self.top_k < sum(part.most for part in self.products):
            return self._select(scores, count)
        peak = torch.stack([part.peak() for part in scores]).amax(0)
        none = torch.full_like(peak, -torch.inf)
        return self._weigh(scores, none, peak), Ties(none > none, none, peak)

    def label_all(self, tile: Tile, ties: Ties) -> Tensor:
        """Soft labels (n, K) of a tile from all matches that are as good as the k-th."""
        scores = [part.score(tile, self.query, 1) for part in self.products]
        return self._weigh(scores, ties.threshold, ties.peak)

    def _select(self, scores: list[TileScores], count: int) -> tuple[Tensor, Ties]:
        found = [part.best(count) for part in scores]
        values, places = (torch.cat(parts, 1) for parts in zip(*found, strict=True))
        if len(found) > 1:
            values, order = values.topk(min(count, values.shape[1]), dim=1)
            places = places.gather(1, order)
        peak = values[:, 0]
        threshold = values[:, min(self.top_k, values.shape[1]) - 1]
        weights = values.sub(peak[:, None]).div_(self.temperature).exp_()
        weights.masked_fill_(values < threshold[:, None], 0)
        means = self.labels.at(weights, places)
        crowded = (values[:, -1] == threshold) & (threshold > -torch.inf)
        if values.shape[1] < count:  # there are no more
            crowded = torch.zeros_like(crowded)
        return means, Ties(crowded, threshold, peak)

    def _weigh(self, scores: list[TileScores], threshold: Tensor, peak: Tensor) -> Tensor:
        mass = torch.zeros_like(peak)
        sums = [mass.new_zeros(len(mass), table.shape[3]) for table in self.labels.tables]
        for part in scores:
            part.weigh(threshold, peak, self.temperature, self.labels.tables, sums, mass)
        return self.labels.of_sums(sums, mass)


def _room(device: torch.device) -> int:
    """Similarities that may be held at a time on a device that takes large products."""
    if device.type != 'cuda':
        return SCRATCH_BATCHED
    memory = torch.cuda.get_device_properties(device).total_memory
    return min(SCRATCH_BATCHED, memory // (4 * SHARE))


def _batched(device: torch.device) -> bool:
    return device.type != 'cpu'


def _tiles(products: list[BandedProducts], grid: tuple[int, int], batched: bool) -> Iterator[Tile]:
    """Tiles of a grid: columns as the device likes them, as many rows as the scratch holds."""
    room = _room(products[0].device) if batched else SCRATCH
    strips = -(-grid[1] // (COLUMNS_BATCHED if batched else COLUMNS))
    width = -(-grid[1] // strips)
    if batched and strips > 1:
        width = -(-width // ALIGNED) * ALIGNED
    height = grid[0]
    while height > 1 and sum(part.elements(height, width) for part in products) > room:
        height = -(-height // 2)
    for left in range(0, grid[1], width):
        for top in range(0, grid[0], height):
            yield Tile(top, min(top + height, grid[0]), left, min(left + width, grid[1]))
