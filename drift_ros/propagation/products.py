"""Similarities of tiles of targets with the part of the context that their windows cover, as banded
matrix products.

A source row meets only the target rows inside its window, so the product over one source row has
no rows to mask away, and few columns.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

import torch
from torch import Tensor

from drift_ros.propagation.tile_scores import TileScores
from drift_ros.propagation.window import Frames, Tile, Window

BLOCK_BYTES = 2**24  # of sources that are gathered on a CPU at a time
BLOCK_BYTES_BATCHED = 2**27  # on a GPU


class BandedProducts:
    """The products with the frames that share a window.

    Args:
        frames: fastest with contiguous channels.
        batched: few large products in the dtype of the descriptors, as suits a GPU, in place of
            many in float32, as suits the caches of a CPU.
    """

    def __init__(self, frames: Frames, batched: bool) -> None:
        context = frames.descriptors
        self.most = frames.most
        self.device = context.device
        self._context = context
        self._window = frames.window
        self._first = frames.first
        self._batched = batched
        self._shape = (context.shape[0], context.shape[1], context.shape[2])
        self._buffer = torch.empty(0, device=context.device)  # of a tile's scores
        kept = context.dtype if batched else torch.float32
        self._near = torch.empty(0, dtype=kept, device=context.device)  # sources of a block

    def elements(self, height: int, width: int) -> int:
        """Number of similarities that tiles of a size in cells need room for, at most."""
        return TileScores.elements((height, width), self._window, self._shape)

    def score(self, tile: Tile, query: Tensor, wanted: int) -> TileScores:
        """Compute the similarities of a tile; they hold until the next call.

        Args:
            tile: where.
            query: (h, w, C) descriptors of the whole grid.
            wanted: number of largest similarities that will be asked for.
        """
        size = self.elements(tile.bottom - tile.top, tile.right - tile.left)
        if self._buffer.numel() < size:
            self._buffer = self._buffer.new_empty(size)
        scored = TileScores(tile, self._window, self._shape, self._first, wanted, self._buffer)
        targets = cut(query, tile).flatten(0, 1).contiguous()
        if self._batched:
            self._fill_batched(scored, targets)
        else:
            with _units_for(query.dtype):
                self._fill_by_rows(scored, targets.float())
        return scored

    def _fill_by_rows(self, scored: TileScores, targets: Tensor) -> None:
        """Blocks of source rows are gathered, multiplied and searched while they are in cache.

        Few large steps: threads that have to wait for each other in each step make many small ones
        slow wherever other work keeps a core busy.
        """
        for begin, end, step in self._blocks(scored, BLOCK_BYTES):
            self._fill_block(scored, targets, begin, end, step)

    def _blocks(self, scored: TileScores, most: int) -> Iterator[tuple[int, int, int]]:
        """Runs of source rows in parts whose sources take at most that many bytes."""
        row_bytes = scored.scores.shape[1] * self._context.shape[-1] * self._near.element_size()
        for begin, end, step in _runs(scored):
            blocks = -(-(end - begin) * row_bytes // most)
            size = -(-(end - begin) // min(blocks, end - begin))
            for first in range(begin, end, size):
                yield first, min(first + size, end), step

    def _fill_block(
        self, scored: TileScores, targets: Tensor, begin: int, end: int, step: int
    ) -> None:
        near = self._gather(scored, begin, end)
        if step:
            windows = _windows(
                targets, scored.starts[begin], scored.height, scored.width, step, len(near)
            )
            scores, maxima = scored.scores[begin:end], scored.window_maxima(begin, end, step)
            torch.bmm(near, windows.transpose(1, 2), out=scores)
        else:  # the rows that any window of the block takes in
            low, high = scored.met(begin)[0], scored.met(end - 1)[1]
            met, place = scored.cells(low, high), scored.place(begin, low, high)
            scores, maxima = scored.scores[begin:end, :, place], scored.maxima[begin:end, :, met]
            every = scored.scores[begin:end].flatten(0, 1)
            torch.mm(near.flatten(0, 1), targets[met].T, out=every[:, place])
        self._leave_out(scored, scores[:, : scored.sources], begin, step)
        scores[:, scored.sources :] = -torch.inf
        torch.amax(scores.unflatten(1, (-1, scored.group)), 2, out=maxima)

    def _gather(self, scored: TileScores, begin: int, end: int) -> Tensor:
        """Sources of some rows, padded with zeros: (rows, sources, C)."""
        channels, columns = self._context.shape[-1], scored.columns
        shape = (end - begin, scored.scores.shape[1], channels)
        if self._near.numel() < math.prod(shape):
            self._near = self._near.new_empty(math.prod(shape))
        near = self._near[: math.prod(shape)].view(shape)
        near[:, scored.sources :].zero_()
        rows = slice(scored.rows[begin], scored.rows[end - 1] + 1)
        sources = self._context[:, rows, columns.start : columns.stop].permute(1, 2, 0, 3)
        near[:, : scored.sources].unflatten(1, (len(columns), -1)).copy_(sources)
        return near

    def _leave_out(self, scored: TileScores, scores: Tensor, begin: int, step: int) -> None:
        """Set what lies outside the windows to -inf, in (rows, sources, target rows x width)."""
        tile, near, reach = scored.tile, len(scored.columns), self._window.reach
        scores = scores.unflatten(1, (near, -1))
        rows = range(begin, begin + len(scores))
        first = scored.starts[begin] if step else scored.met(begin)[0]
        height = scores.shape[3] // scored.width
        columns = _offsets(tile.left, tile.right, scored.columns, self.device)
        if self._window.disc:
            index = torch.tensor(rows, device=self.device)[:, None]
            within = torch.arange(height, device=self.device)
            offsets = index + scored.rows.start - tile.top - first - within
            if step:
                offsets = offsets - (index - begin)
            inside = self._window.contains(offsets[:, None, :, None], columns[:, None, :])
            scores.masked_fill_(~inside.flatten(2)[:, :, None], -torch.inf)
            return
        inside = self._window.contains(columns.new_zeros(()), columns)
        outside = ~inside[:, None].expand(-1, height, -1).flatten(1)[:, None]
        # the columns that some window leaves out: some on the left, some on the right
        left = min(near, max(0, tile.right - 1 - reach - scored.columns.start))
        right = min(near, max(0, tile.left + reach + 1 - scored.columns.start))
        for edge in (slice(0, left), slice(right, near)):
            scores[:, edge].masked_fill_(outside[edge], -torch.inf)
        for i in () if step else rows:
            low, high = scored.met(i)
            scores[i - begin, ..., : (low - first) * scored.width] = -torch.inf
            scores[i - begin, ..., (high - first) * scored.width :] = -torch.inf

    def _fill_batched(self, scored: TileScores, targets: Tensor) -> None:
        frames, near = len(self._context), len(scored.columns)
        for begin, end, step in self._blocks(scored, BLOCK_BYTES_BATCHED):
            windows = _windows(
                targets, scored.starts[begin], scored.height, scored.width, step, end - begin
            )
            sources = self._gather(scored, begin, end)
            _multiply(sources, windows.transpose(1, 2), scored.scores[begin:end])
        scored.scores[:, scored.sources :].fill_(-torch.inf)
        scores = scored.scores[:, : scored.sources].unflatten(1, (near, frames))
        outside = _outside(
            scored.tile,
            self._window,
            scored.rows,
            scored.columns,
            tuple(scored.starts),
            scored.height,
            self.device,
        )
        scores.masked_fill_(outside, -torch.inf)
        maxima = scored.scores.unflatten(1, (-1, scored.group)).amax(2)
        for begin, end, step in _runs(scored):
            scored.window_maxima(begin, end, step).copy_(maxima[begin:end])


@lru_cache(maxsize=32)  # more than tiles of a frame: what a CUDA graph reads must be there before
def _outside(
    tile: Tile,
    window: Window,
    rows: range,
    columns: range,
    starts: tuple[int, ...],
    height: int,
    device: torch.device,
) -> Tensor:
    """Which pairs lie outside the window, (rows, columns, 1, target rows x width) bool: the same in
    every frame.
    """
    first = torch.tensor(starts, device=device)[:, None] + torch.arange(height, device=device)
    apart = _offsets(tile.top, tile.bottom, rows, device).gather(1, first)
    across = _offsets(tile.left, tile.right, columns, device)
    inside = window.contains(apart[:, None, :, None], across[:, None, :])
    return ~inside.flatten(2)[:, :, None]


def _offsets(start: int, stop: int, of: range, device: torch.device) -> Tensor:
    """Source minus target: (len(of), stop - start)."""
    sources = torch.arange(of.start, of.stop, device=device)
    return sources[:, None] - torch.arange(start, stop, device=device)


@contextmanager
def _units_for(dtype: torch.dtype) -> Iterator[None]:
    """Let float32 products of bfloat16 numbers use a CPU's bfloat16 units, where it has them.

    They round their factors to bfloat16, which loses nothing here, and add up in float32.
    """
    products = getattr(torch.backends.mkldnn, 'matmul', None)  # since torch 2.9
    if dtype != torch.bfloat16 or not products or not torch.cpu._is_avx512_bf16_supported():
        yield
        return
    before = products.fp32_precision
    products.fp32_precision = 'bf16'
    try:
        yield
    finally:
        products.fp32_precision = before


def cut(cells: Tensor, tile: Tile) -> Tensor:
    """The part (height, width, ...) of a grid (h, w, ...) that a tile covers, as a view."""
    return cells[tile.top : tile.bottom, tile.left : tile.right]


def _runs(scored: TileScores) -> list[tuple[int, int, int]]:
    """Source rows whose windows of targets move by a constant step: begin, end, step."""
    last = scored.tile.bottom - scored.tile.top - scored.height
    moving = [i for i, s in enumerate(scored.starts) if 0 < s < last]
    begin = moving[0] if moving else sum(s == 0 for s in scored.starts)
    end = moving[-1] + 1 if moving else begin
    runs = [(0, begin, 0), (begin, end, 1), (end, len(scored.starts), 0)]
    return [r for r in runs if r[0] < r[1]]


def _windows(targets: Tensor, start: int, height: int, width: int, step: int, count: int) -> Tensor:
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
