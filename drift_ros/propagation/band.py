"""Similarities of tiles of targets with the part of the context that their windows cover, as banded
matrix products.

A source row meets only the target rows inside its window, so the product over one source row has
no rows to mask away, and few columns.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from drift_ros.propagation.sheet import Sheet, Tile, Window


class Band:
    """The frames of a context that share a window.

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
        self._shape = (context.shape[0], context.shape[1], context.shape[2])
        self._buffer = torch.empty(0, device=context.device)  # of a sheet
        self._row_buffer = torch.empty(0, device=context.device)  # of the sources in a row, float32

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
        frames, channels = len(self._context), self._context.shape[-1]
        size = sheet.sources * channels
        if self._row_buffer.numel() < size:
            self._row_buffer = self._row_buffer.new_empty(size)
        row = self._row_buffer[:size].view(len(sheet.columns), frames, channels)
        columns = slice(sheet.columns.start, sheet.columns.stop)
        outside, edges = self._left_out(sheet)
        for i, y in enumerate(sheet.rows):
            low, high = sheet.met(y)
            met = slice(low * sheet.width, high * sheet.width)
            place = sheet.place(i, (low, high))
            row.copy_(self._context[:, y, columns].transpose(0, 1))
            scores = sheet.scores[i, : sheet.sources, place]
            torch.mm(row.flatten(0, 1), targets[met].T, out=scores)
            shift = sheet.tile.top - y + self._window.reach
            offsets = slice((low + shift) * sheet.width, (high + shift) * sheet.width)
            for edge in edges:
                scores.unflatten(0, (-1, frames))[edge].masked_fill_(
                    outside[edge, :, offsets], -torch.inf
                )
            groups = sheet.scores[i].unflatten(0, (-1, sheet.group))
            torch.amax(groups[:, :, place], 1, out=sheet.maxima[i, :, met])

    def _left_out(self, sheet: Sheet) -> tuple[Tensor, list[slice]]:
        """What lies outside the windows: bool (columns, 1, rows of a window x width), the rows by
        falling offset, and the runs of columns that have any of it.
        """
        reach, tile, near = self._window.reach, sheet.tile, len(sheet.columns)
        rows = torch.arange(reach, -reach - 1, -1, device=self._context.device)
        columns = self._offsets(tile.left, tile.right, sheet.columns)
        inside = self._window.contains(rows[:, None], columns[:, None, :])
        left = min(near, max(0, tile.right - 1 - reach - sheet.columns.start))
        right = min(near, max(0, tile.left + reach + 1 - sheet.columns.start))
        if self._window.disc:
            left = right = near
        edges = [e for e in (slice(0, left), slice(right, near)) if e.start < e.stop]
        return ~inside.flatten(1)[:, None], edges

    def _fill_batched(self, sheet: Sheet, targets: Tensor) -> None:
        frames, near = len(self._context), len(sheet.columns)
        tile, width = sheet.tile, sheet.width
        scores = sheet.scores[:, : sheet.sources].unflatten(1, (near, frames))
        for begin, end, step in _runs(sheet):
            windows = _windows(targets, sheet.starts[begin], end - begin, step, sheet.height, width)
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
        row, column, _ = sheet.maxima.stride()
        for begin, end, step in _runs(sheet):
            sheet.maxima.as_strided(
                (end - begin, *maxima.shape[1:]),
                (row + step * width, column, 1),
                begin * row + sheet.starts[begin] * width,
            ).copy_(maxima[begin:end])


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
