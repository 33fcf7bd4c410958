"""The similarities of one tile of targets with the sources that its windows cover, laid out for a
search of the largest ones.

Only the maximum of each group of sources is looked at: the k largest elements lie in the k groups
with the largest maxima.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from drift_ros.propagation.window import Tile, Window

CANDIDATE_BYTES = 2**25  # for the candidates of one step, values and addresses
CANDIDATE_COST = 8  # of gathering a candidate, in visits of a group


class TileScores:
    """Similarities of a tile, to be filled by a `BandedProducts`, and their search.

    `scores[i]` holds all sources of row `rows[i]`, ordered by column and frame, times a window of
    target rows that begins at `starts[i]`: (rows, sources, target rows of the window x columns).
    Sources are padded to whole groups. `maxima` is (rows, groups, n), -inf outside the windows.

    Args:
        tile: where.
        window: of its targets.
        context: (T, h, w) of the frames that are searched.
        first: number of the first of these frames in the whole context.
        wanted: number of largest similarities that `best` will be asked for.
        buffer: scratch memory for the scores, at least `elements` float32.
    """

    def __init__(
        self,
        tile: Tile,
        window: Window,
        context: tuple[int, int, int],
        first: int,
        wanted: int,
        buffer: Tensor,
    ) -> None:
        frames, grid_height, grid_width = context
        self._reach = reach = window.reach
        height, self.width = tile.bottom - tile.top, tile.right - tile.left
        self.tile = tile
        self.rows = range(max(0, tile.top - reach), min(grid_height, tile.bottom + reach))
        self.columns = range(max(0, tile.left - reach), min(grid_width, tile.right + reach))
        self.height = min(height, 2 * reach + 1)
        self._last = height - self.height
        self.starts = [min(max(0, row - reach - tile.top), self._last) for row in self.rows]
        self.sources = frames * len(self.columns)
        every = len(self.rows) * self.sources
        self.group = min(self.sources, max(1, math.isqrt(every // (CANDIDATE_COST * wanted))))
        groups = -(-self.sources // self.group)
        shape = (len(self.rows), groups * self.group, self.height * self.width)
        self.scores = buffer[: math.prod(shape)].view(shape)
        self.maxima = buffer.new_full((len(self.rows), groups, height * self.width), -torch.inf)
        self._context = context
        self._first = first

    @staticmethod
    def elements(size: tuple[int, int], window: Window, context: tuple[int, int, int]) -> int:
        """Scratch that tiles of a size (height, width) in cells need at most, padding included."""
        frames, grid_height, grid_width = context
        reach = window.reach
        rows = min(grid_height, size[0] + 2 * reach)
        sources = frames * min(grid_width, size[1] + 2 * reach)
        padding = max(0, min(sources, math.isqrt(rows * sources // CANDIDATE_COST)) - 1)
        return rows * (sources + padding) * min(size[0], 2 * reach + 1) * size[1]

    def met(self, i: int) -> tuple[int, int]:
        """Target rows of the tile, [low, high), whose windows hold source row `rows[i]`."""
        reach, tile, y = self._reach, self.tile, self.rows[i]
        return max(tile.top, y - reach) - tile.top, min(tile.bottom, y + reach + 1) - tile.top

    def cells(self, low: int, high: int) -> slice:
        """The targets in target rows [low, high)."""
        return slice(low * self.width, high * self.width)

    def start(self, rows: Tensor) -> Tensor:
        """Where the windows of target rows begin, for indices of source rows; on their device."""
        return (rows + (self.rows.start - self._reach - self.tile.top)).clamp(0, self._last)

    def place(self, i: int, low: int, high: int) -> slice:
        """Where `scores[i]` holds target rows [low, high)."""
        return self.cells(low - self.starts[i], high - self.starts[i])

    def window_maxima(self, begin: int, end: int, step: int) -> Tensor:
        """The part of `maxima` that `scores[begin:end]` are for, as a view.

        Args:
            begin: first row.
            end: row after the last one.
            step: by which `starts` grow from row to row.
        """
        row, group, _ = self.maxima.stride()
        size = (end - begin, self.maxima.shape[1], self.scores.shape[2])
        first = begin * row + self.starts[begin] * self.width
        return self.maxima.as_strided(size, (row + step * self.width, group, 1), first)

    def best(self, count: int) -> tuple[Tensor, Tensor]:
        """The largest similarities of each target.

        Args:
            count: how many, at most.

        Returns:
            Values (n, q) float32, the largest first, -inf where there are no more, and places
            (n, q) int64 among the T * h * w cells of the whole context; q = count unless the tile
            meets fewer sources.
        """
        maxima = self.maxima.flatten(0, 1).T.contiguous()
        wanted = min(count, maxima.shape[1])
        step = max(1, CANDIDATE_BYTES // (12 * wanted * self.group))
        found = [
            self._best_of(maxima[i : i + step], i, wanted, count)
            for i in range(0, len(maxima), step)
        ]
        return torch.cat([v for v, _ in found]), torch.cat([p for _, p in found])

    def peak(self) -> Tensor:
        """The largest similarity of each target, (n,)."""
        return self.maxima.flatten(0, 1).amax(0)

    def weigh(
        self,
        threshold: Tensor,
        peak: Tensor,
        temperature: float,
        tables: list[Tensor],
        sums: list[Tensor],
        mass: Tensor,
    ) -> None:
        """Add up all sources that reach a threshold.

        The weight of source j is exp((similarity_j - peak) / temperature).

        Args:
            threshold: (n,) smallest similarity that counts.
            peak: (n,) similarity of weight 1.
            temperature: of the softmax.
            tables: values of the whole context, (T, h, w, K) each.
            sums: (n, K) each; the weighted values are added in place.
            mass: (n,); the weights are added in place.
        """
        mine = slice(self._first, self._first + self._context[0])
        for i, y in enumerate(self.rows):
            low, high = self.met(i)
            met = self.cells(low, high)
            scores = self.scores[i, : self.sources, self.place(i, low, high)]
            weights = scores.sub(peak[met]).div_(temperature).exp_()
            weights.masked_fill_(~(scores >= threshold[met]), 0)
            mass[met] += weights.sum(0)
            for table, total in zip(tables, sums, strict=True):
                near = table[mine, y, self.columns.start : self.columns.stop].transpose(0, 1)
                total[met] += weights.T @ near.reshape(self.sources, -1)

    def _best_of(
        self, maxima: Tensor, first: int, wanted: int, count: int
    ) -> tuple[Tensor, Tensor]:
        """`best` for the targets from `first` on, given their (n, rows * groups) maxima."""
        device = maxima.device
        frames, grid_height, grid_width = self._context
        group, stride = self.group, self.scores.shape[2]
        highest, chosen = maxima.topk(wanted, dim=1, sorted=False)
        groups = self.maxima.shape[1]
        row = chosen // groups
        source = (chosen % groups) * group
        target = torch.arange(first, first + len(maxima), device=device)[:, None]
        within = (target - self.start(row) * self.width).clamp_(0, stride - 1)
        address = (row * self.scores.shape[1] + source) * stride + within
        members = torch.arange(group, device=device) * stride
        candidates = self.scores.flatten()[address[:, :, None] + members]
        candidates.masked_fill_(highest[:, :, None] == -torch.inf, -torch.inf)
        values, order = candidates.flatten(1).topk(min(count, wanted * group), dim=1)
        picked = order // group
        source = source.gather(1, picked) + order % group
        row = row.gather(1, picked) + self.rows.start
        column = source // frames + self.columns.start
        place = ((source % frames + self._first) * grid_height + row) * grid_width + column
        return values, place.masked_fill_(values == -torch.inf, 0)
