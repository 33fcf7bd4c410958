"""Similarities of a tile of targets with the part of the context that its windows cover, and the
largest of them.

A source row meets only the target rows inside its window, so the product over one source row has
no rows to mask away, and few columns. Of the similarities only the maximum of each group of
sources is looked at; the k largest elements lie in the k groups with the largest maxima.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

CANDIDATE_BYTES = 2**25  # for the candidates of one step, values and addresses
CANDIDATE_COST = 8  # of gathering a candidate, in visits of a group


class Tile(NamedTuple):
    """Targets [top, bottom) x [left, right) in cells."""

    top: int
    bottom: int
    left: int
    right: int


@dataclass(frozen=True)
class Window:
    """Where a target looks for its matches.

    Args:
        reach: largest |row_i - row_j| and |column_i - column_j| in cells.
        disc: radius in cells of the open disc that is searched; 0 for the whole square.
    """

    reach: int
    disc: int = 0

    @classmethod
    def of(cls, shape: str, radius: int, grid: tuple[int, int]) -> Window:
        """The window of a shape and a radius on a grid; radius 0 or less is the whole frame."""
        whole = max(grid) - 1
        if radius <= 0:
            return cls(whole)
        if shape == 'disc':
            return cls(min(radius - 1, whole), radius)
        return cls(min(radius, whole))

    def contains(self, rows: Tensor, columns: Tensor) -> Tensor:
        """Whether offsets in cells lie inside; the two broadcast, bool."""
        if self.disc:
            return rows**2 + columns**2 < self.disc**2
        return (rows.abs() <= self.reach) & (columns.abs() <= self.reach)


class Band:
    """The frames of a context that share a window.

    `score` computes the similarities of a tile, `best` reads the largest ones out, `weigh` sums
    over all that reach a threshold. Sources are ordered by row, column, frame.

    Args:
        context: (T, h, w, C) descriptors; any strides, fastest with contiguous channels.
        window: of these frames.
        first: number of the first of these frames in the whole context.
        batched: one product per frame over all rows, as suits a GPU, in place of one per row over
            all frames, as suits the caches of a CPU.
    """

    def __init__(self, context: Tensor, window: Window, first: int, batched: bool) -> None:
        self._context = context
        self._window = window
        self._first = first
        self._batched = batched
        self._buffer = torch.empty(0, device=context.device)
        self._rows_buffer = torch.empty(0, device=context.device)

    def elements(self, height: int, width: int) -> int:
        """Number of similarities that tiles of a size in cells need room for, at most."""
        frames, grid_height, grid_width = self._context.shape[:3]
        reach = self._window.reach
        rows = min(grid_height, height + 2 * reach)
        sources = frames * min(grid_width, width + 2 * reach)
        return rows * sources * min(height, 2 * reach + 1) * width

    def score(self, tile: Tile, targets: Tensor, wanted: int) -> None:
        """Compute the similarities of a tile.

        Args:
            tile: where.
            targets: (n, C) its descriptors, row by row, contiguous.
            wanted: number of largest similarities that `best` will be asked for.
        """
        self._place(tile, wanted)
        sources = len(self._columns) * len(self._context)
        self._scores[:, sources:] = -torch.inf
        self._maxima.fill_(-torch.inf)
        if self._batched:
            self._score_batched(targets)
        else:
            self._score_by_rows(targets.float())

    def best(self, count: int) -> tuple[Tensor, Tensor]:
        """The largest similarities of each target.

        Args:
            count: how many, at most.

        Returns:
            Values (n, q) float32, the largest first, -inf where there are no more, and places
            (n, q) int64 among the T * h * w cells of the whole context; q = count unless the tile
            meets fewer sources.
        """
        maxima = self._maxima.flatten(0, 1).T.contiguous()
        wanted = min(count, maxima.shape[1])
        step = max(1, CANDIDATE_BYTES // (12 * wanted * self._group))
        found = [
            self._best_of(maxima[i : i + step], i, wanted, count)
            for i in range(0, len(maxima), step)
        ]
        return torch.cat([v for v, _ in found]), torch.cat([p for _, p in found])

    @property
    def most(self) -> int:
        """Number of sources that a target has at most."""
        frames, grid_height, grid_width = self._context.shape[:3]
        across = 2 * self._window.reach + 1
        return frames * min(grid_height, across) * min(grid_width, across)

    def peak(self) -> Tensor:
        """The largest similarity of each target, (n,)."""
        return self._maxima.flatten(0, 1).amax(0)

    def weigh(
        self,
        threshold: Tensor,
        peak: Tensor,
        temperature: float,
        tables: list[Tensor],
        sums: list[Tensor],
        mass: Tensor,
    ) -> None:
        """Add up all sources that reach a threshold, after `score`.

        The weight of source j is exp((similarity_j - peak) / temperature).

        Args:
            threshold: (n,) smallest similarity that counts.
            peak: (n,) similarity of weight 1.
            temperature: of the softmax.
            tables: values of the whole context, (T, h, w, K) each.
            sums: (n, K) each; the weighted values are added in place.
            mass: (n,); the weights are added in place.
        """
        width = self._tile.right - self._tile.left
        frames, sources = len(self._context), len(self._context) * len(self._columns)
        mine = slice(self._first, self._first + frames)
        for i, y in enumerate(self._rows):
            low, high = self._met(y)
            met = slice(low * width, high * width)
            place = slice((low - self._starts[i]) * width, (high - self._starts[i]) * width)
            scores = self._scores[i, :sources, place]
            weights = scores.sub(peak[met]).div_(temperature).exp_()
            weights.masked_fill_(~(scores >= threshold[met]), 0)
            mass[met] += weights.sum(0)
            for table, total in zip(tables, sums, strict=True):
                near = table[mine, y, self._columns.start : self._columns.stop].transpose(0, 1)
                total[met] += weights.T @ near.reshape(sources, -1)

    # ---- where things lie

    def _place(self, tile: Tile, wanted: int) -> None:
        """Lay out the scratch memory for a tile.

        For source row i, `scores[i]` holds all sources of the row times a window of target rows
        that begins at `starts[i]`: (rows, sources, target rows of the window x columns).
        """
        frames, grid_height, grid_width = self._context.shape[:3]
        reach = self._window.reach
        height, width = tile.bottom - tile.top, tile.right - tile.left
        self._tile = tile
        self._rows = range(max(0, tile.top - reach), min(grid_height, tile.bottom + reach))
        self._columns = range(max(0, tile.left - reach), min(grid_width, tile.right + reach))
        self._height = min(height, 2 * reach + 1)
        last = height - self._height
        self._starts = [min(max(y - reach - tile.top, 0), last) for y in self._rows]
        sources = frames * len(self._columns)
        every = len(self._rows) * sources
        self._group = min(sources, max(1, math.isqrt(every // (CANDIDATE_COST * wanted))))
        groups = -(-sources // self._group)
        shape = (len(self._rows), groups * self._group, self._height * width)
        if self._buffer.numel() < math.prod(shape):
            self._buffer = self._buffer.new_empty(math.prod(shape))
        self._scores = self._buffer[: math.prod(shape)].view(shape)
        self._maxima = self._buffer.new_empty((len(self._rows), groups, height * width))

    def _met(self, y: int) -> tuple[int, int]:
        """Target rows of the tile, [low, high), whose windows hold source row y."""
        reach, tile = self._window.reach, self._tile
        return max(tile.top, y - reach) - tile.top, min(tile.bottom, y + reach + 1) - tile.top

    def _offsets(self, start: int, stop: int, of: range) -> Tensor:
        """Source minus target: (len(of), stop - start)."""
        device = self._buffer.device
        sources = torch.arange(of.start, of.stop, device=device)
        return sources[:, None] - torch.arange(start, stop, device=device)

    # ---- scores

    def _score_by_rows(self, targets: Tensor) -> None:
        tile, reach = self._tile, self._window.reach
        frames, channels = len(self._context), self._context.shape[-1]
        width, near = tile.right - tile.left, len(self._columns)
        sources = frames * near
        if self._rows_buffer.numel() < sources * channels:
            self._rows_buffer = self._buffer.new_empty(sources * channels)
        row = self._rows_buffer[: sources * channels].view(near, frames, channels)
        rows = torch.arange(reach, -reach - 1, -1, device=targets.device)  # source minus target
        columns = self._offsets(tile.left, tile.right, self._columns)
        inside = self._window.contains(rows[:, None], columns[:, None, :])
        outside = ~inside.flatten(1)[:, None]
        # the columns that some window leaves out: some on the left, some on the right
        left = min(near, max(0, tile.right - 1 - reach - self._columns.start))
        right = min(near, max(0, tile.left + reach + 1 - self._columns.start))
        if self._window.disc:
            left = right = near
        edges = [e for e in (slice(0, left), slice(right, near)) if e.start < e.stop]
        for i, y in enumerate(self._rows):
            low, high = self._met(y)
            start = self._starts[i]
            place = slice((low - start) * width, (high - start) * width)
            row.copy_(self._context[:, y, self._columns.start : self._columns.stop].transpose(0, 1))
            scores = self._scores[i, :sources, place]
            met = targets[low * width : high * width]
            torch.mm(row.view(sources, channels), met.T, out=scores)
            shift = tile.top - y + reach
            for edge in edges:
                left_out = outside[edge, :, (low + shift) * width : (high + shift) * width]
                scores.view(near, frames, -1)[edge].masked_fill_(left_out, -torch.inf)
            grouped = self._scores[i].view(-1, self._group, self._scores.shape[2])
            torch.amax(grouped[:, :, place], 1, out=self._maxima[i, :, low * width : high * width])

    def _score_batched(self, targets: Tensor) -> None:
        tile = self._tile
        frames, near = len(self._context), len(self._columns)
        width = tile.right - tile.left
        scores = self._scores[:, : near * frames].unflatten(1, (near, frames))
        for begin, end, step in self._runs():
            windows = _windows(targets, self._starts[begin], end - begin, step, self._height, width)
            for t, frame in enumerate(self._context):
                sources = frame[self._rows[begin] : self._rows[end - 1] + 1]
                sources = sources[:, self._columns.start : self._columns.stop]
                _multiply(sources, windows.transpose(1, 2), scores[begin:end, :, t])
        rows = self._offsets(tile.top, tile.bottom, self._rows)  # (rows, height)
        starts = torch.tensor(self._starts, device=targets.device)
        window = starts[:, None] + torch.arange(self._height, device=targets.device)
        columns = self._offsets(tile.left, tile.right, self._columns)
        inside = self._window.contains(
            rows.gather(1, window)[:, None, :, None], columns[:, None, :]
        )
        scores.masked_fill_(~inside.flatten(2)[:, :, None], -torch.inf)
        maxima = self._scores.unflatten(1, (-1, self._group)).amax(2)
        for i, start in enumerate(self._starts):
            place = slice(start * width, (start + self._height) * width)
            self._maxima[i, :, place] = maxima[i]

    def _runs(self) -> list[tuple[int, int, int]]:
        """Source rows whose windows of targets move by a constant step: begin, end, step."""
        last = self._tile.bottom - self._tile.top - self._height
        moving = [i for i, s in enumerate(self._starts) if 0 < s < last]
        begin = moving[0] if moving else sum(s == 0 for s in self._starts)
        end = moving[-1] + 1 if moving else begin
        runs = [(0, begin, 0), (begin, end, 1), (end, len(self._starts), 0)]
        return [r for r in runs if r[0] < r[1]]

    # ---- the largest

    def _best_of(
        self, maxima: Tensor, first: int, wanted: int, count: int
    ) -> tuple[Tensor, Tensor]:
        """`best` for the targets from `first` on, given their (n, rows * groups) maxima."""
        device = maxima.device
        frames, grid_height, grid_width = self._context.shape[:3]
        width = self._tile.right - self._tile.left
        group, stride = self._group, self._scores.shape[2]
        highest, chosen = maxima.topk(wanted, dim=1, sorted=False)
        groups = self._maxima.shape[1]
        row = chosen // groups
        source = (chosen % groups) * group
        target = torch.arange(first, first + len(maxima), device=device)[:, None]
        starts = torch.tensor(self._starts, device=device)
        within = (target - starts[row] * width).clamp_(0, stride - 1)
        address = (row * self._scores.shape[1] + source) * stride + within
        members = torch.arange(group, device=device) * stride
        candidates = self._scores.flatten()[address[:, :, None] + members]
        candidates.masked_fill_(highest[:, :, None] == -torch.inf, -torch.inf)
        values, order = candidates.flatten(1).topk(min(count, wanted * group), dim=1)
        picked = order // group
        source = source.gather(1, picked) + order % group
        row = row.gather(1, picked) + self._rows.start
        column = source // frames + self._columns.start
        place = ((source % frames + self._first) * grid_height + row) * grid_width + column
        return values, place.masked_fill_(values == -torch.inf, 0)


def _windows(targets: Tensor, start: int, count: int, step: int, height: int, width: int) -> Tensor:
    """Overlapping windows of rows of (n, C) targets, as a view: (count, height * width, C)."""
    channels = targets.shape[1]
    size = (count, height * width, channels)
    stride = (step * width * channels, channels, 1)
    return targets.as_strided(size, stride, targets.storage_offset() + start * width * channels)


def _multiply(left: Tensor, right: Tensor, out: Tensor) -> None:
    """Batched product in float32, whatever the dtype of its factors."""
    if left.dtype == torch.float32:
        torch.bmm(left, right, out=out)
    elif left.is_cuda:
        torch.bmm(left, right, torch.float32, out=out)
    else:
        torch.bmm(left.float(), right.float(), out=out)
