"""Similarities of tiles of targets with the part of the context that their windows cover, as banded
matrix products.

A source row meets only the target rows inside its window, so the product over one source row has
no rows to mask away, and few columns.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from drift_ros.propagation.sheet import Sheet, Tile, Window

BLOCK_BYTES = 2**24  # of sources that are gathered on a CPU at a time


class Band:
    """The frames of a context that share a window.

    Args:
        context: (T, h, w, C) descriptors; any strides, fastest with contiguous channels.
        window: of these frames.
        first: number of the first of these frames in the whole context.
        batched: one product per frame over all rows, as suits a GPU, in place of one per block of
            rows over all frames, as suits the caches of a CPU.
    """

    def __init__(self, context: Tensor, window: Window, first: int, batched: bool) -> None:
        self._context = context
        self._window = window
        self._first = first
        self._batched = batched
        self._shape = (context.shape[0], context.shape[1], context.shape[2])
        self._buffer = torch.empty(0, device=context.device)  # of a sheet
        self._near = torch.empty(0, device=context.device)  # sources of a block, float32

    @property
    def most(self) -> int:
        """Number of sources that a target has at most."""
        frames, grid_height, grid_width = self._context.shape[:3]
        across = 2 * self._window.reach + 1
        return frames * min(grid_height, across) * min(grid_width, across)

    def elements(self, height: int, width: int) -> int:
        """Number of similarities that tiles of a size in cells need room for, at most."""
        return Sheet.elements((height, width), self._window, self._shape)

    def score(self, tile: Tile, query: Tensor, wanted: int) -> Sheet:
        """Compute the similarities of a tile; they hold until the next call.

        Args:
            tile: where.
            query: (h, w, C) descriptors of the whole grid.
            wanted: number of largest similarities that will be asked for.
        """
        size = self.elements(tile.bottom - tile.top, tile.right - tile.left)
        if self._buffer.numel() < size:
            self._buffer = self._buffer.new_empty(size)
        sheet = Sheet(tile, self._window, self._shape, self._first, wanted, self._buffer)
        targets = cut(query, tile).flatten(0, 1).contiguous()
        if self._batched:
            self._fill_batched(sheet, targets)
        else:
            with _units_for(query.dtype):
                self._fill_by_rows(sheet, targets.float())
        return sheet

    def _offsets(self, start: int, stop: int, of: range) -> Tensor:
        """Source minus target: (len(of), stop - start)."""
        sources = torch.arange(of.start, of.stop, device=self._context.device)
        return sources[:, None] - torch.arange(start, stop, device=self._context.device)

    def _fill_by_rows(self, sheet: Sheet, targets: Tensor) -> None:
        """Blocks of source rows are gathered, multiplied and searched while they are in cache.

        Few large steps: threads that have to wait for each other in each step make many small ones
        slow wherever other work keeps a core busy.
        """
        row_bytes = sheet.scores.shape[1] * targets.shape[1] * targets.element_size()
        for begin, end, step in _runs(sheet):
            blocks = -(-(end - begin) * row_bytes // BLOCK_BYTES)
            size = -(-(end - begin) // min(blocks, end - begin))
            for first in range(begin, end, size):
                self._fill_block(sheet, targets, first, min(first + size, end), step)

    def _fill_block(self, sheet: Sheet, targets: Tensor, begin: int, end: int, step: int) -> None:
        near = self._gather(sheet, begin, end)
        if step:
            windows = _windows(
                targets, sheet.starts[begin], sheet.height, sheet.width, step, len(near)
            )
            scores, maxima = sheet.scores[begin:end], sheet.window_maxima(begin, end, step)
            torch.bmm(near, windows.transpose(1, 2), out=scores)
        else:  # the rows that any window of the block takes in
            low, high = sheet.met(begin)[0], sheet.met(end - 1)[1]
            met, place = sheet.cells(low, high), sheet.place(begin, low, high)
            scores, maxima = sheet.scores[begin:end, :, place], sheet.maxima[begin:end, :, met]
            every = sheet.scores[begin:end].flatten(0, 1)
            torch.mm(near.flatten(0, 1), targets[met].T, out=every[:, place])
        self._leave_out(sheet, scores[:, : sheet.sources], begin, step)
        scores[:, sheet.sources :] = -torch.inf
        torch.amax(scores.unflatten(1, (-1, sheet.group)), 2, out=maxima)

    def _gather(self, sheet: Sheet, begin: int, end: int) -> Tensor:
        """Sources of some rows, in float32, padded with zeros: (rows, sources, C)."""
        channels, columns = self._context.shape[-1], sheet.columns
        shape = (end - begin, sheet.scores.shape[1], channels)
        if self._near.numel() < math.prod(shape):
            self._near = self._near.new_empty(math.prod(shape))
        near = self._near[: math.prod(shape)].view(shape)
        near[:, sheet.sources :] = 0
        rows = slice(sheet.rows[begin], sheet.rows[end - 1] + 1)
        sources = self._context[:, rows, columns.start : columns.stop].permute(1, 2, 0, 3)
        near[:, : sheet.sources].unflatten(1, (len(columns), -1)).copy_(sources)
        return near

    def _leave_out(self, sheet: Sheet, scores: Tensor, begin: int, step: int) -> None:
        """Set what lies outside the windows to -inf, in (rows, sources, target rows x width)."""
        tile, near, reach = sheet.tile, len(sheet.columns), self._window.reach
        scores = scores.unflatten(1, (near, -1))
        rows = range(begin, begin + len(scores))
        first = sheet.starts[begin] if step else sheet.met(begin)[0]
        height = scores.shape[3] // sheet.width
        columns = self._offsets(tile.left, tile.right, sheet.columns)
        if self._window.disc:
            index = torch.tensor(rows)[:, None]
            offsets = index + sheet.rows.start - tile.top - first - torch.arange(height)
            if step:
                offsets = offsets - (index - begin)
            inside = self._window.contains(offsets[:, None, :, None], columns[:, None, :])
            scores.masked_fill_(~inside.flatten(2)[:, :, None], -torch.inf)
            return
        inside = self._window.contains(columns.new_zeros(()), columns)
        outside = ~inside[:, None].expand(-1, height, -1).flatten(1)[:, None]
        # the columns that some window leaves out: some on the left, some on the right
        left = min(near, max(0, tile.right - 1 - reach - sheet.columns.start))
        right = min(near, max(0, tile.left + reach + 1 - sheet.columns.start))
        for edge in (slice(0, left), slice(right, near)):
            scores[:, edge].masked_fill_(outside[edge], -torch.inf)
        for i in () if step else rows:
            low, high = sheet.met(i)
            scores[i - begin, ..., : (low - first) * sheet.width] = -torch.inf
            scores[i - begin, ..., (high - first) * sheet.width :] = -torch.inf

    def _fill_batched(self, sheet: Sheet, targets: Tensor) -> None:
        frames, near = len(self._context), len(sheet.columns)
        tile, width = sheet.tile, sheet.width
        sheet.scores[:, sheet.sources :] = -torch.inf
        scores = sheet.scores[:, : sheet.sources].unflatten(1, (near, frames))
        for begin, end, step in _runs(sheet):
            windows = _windows(targets, sheet.starts[begin], sheet.height, width, step, end - begin)
            for t, frame in enumerate(self._context):
                sources = frame[sheet.rows[begin] : sheet.rows[end - 1] + 1]
                sources = sources[:, sheet.columns.start : sheet.columns.stop]
                _multiply(sources, windows.transpose(1, 2), scores[begin:end, :, t])
        rows = self._offsets(tile.top, tile.bottom, sheet.rows)  # (rows, height)
        index = torch.arange(len(sheet.rows), device=targets.device)
        window = sheet.start(index)[:, None] + torch.arange(sheet.height, device=targets.device)
        columns = self._offsets(tile.left, tile.right, sheet.columns)
        inside = self._window.contains(
            rows.gather(1, window)[:, None, :, None], columns[:, None, :]
        )
        scores.masked_fill_(~inside.flatten(2)[:, :, None], -torch.inf)
        maxima = sheet.scores.unflatten(1, (-1, sheet.group)).amax(2)
        for begin, end, step in _runs(sheet):
            sheet.window_maxima(begin, end, step).copy_(maxima[begin:end])


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


def _runs(sheet: Sheet) -> list[tuple[int, int, int]]:
    """Source rows whose windows of targets move by a constant step: begin, end, step."""
    last = sheet.tile.bottom - sheet.tile.top - sheet.height
    moving = [i for i, s in enumerate(sheet.starts) if 0 < s < last]
    begin = moving[0] if moving else sum(s == 0 for s in sheet.starts)
    end = moving[-1] + 1 if moving else begin
    runs = [(0, begin, 0), (begin, end, 1), (end, len(sheet.starts), 0)]
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
