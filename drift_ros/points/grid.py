"""Between pixels of an image and cells of a grid of descriptors."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

MARGIN = 1024  # of the released DiffTrack: what it takes off a side of W px is W / MARGIN cells


@dataclass(frozen=True, slots=True)
class Grid:
    """Where cells lie in an image.

    Attributes:
        size: (H, W) of the image in px.
        shape: (h, w) cells.
        stride: px of the network's input per cell.
        half_cell: whether a descriptor belongs to the middle of its cell; else to its upper left
            corner, as in the released DiffTrack.
    """

    size: tuple[int, int]
    shape: tuple[int, int]
    stride: int
    half_cell: bool = True

    def to_cells(self, positions: Tensor) -> Tensor:
        """(N, 2) (x, y) in px, pixel centres at whole numbers -> cells, their centres likewise."""
        size, shape = self._sides(positions)
        cells = (positions + 0.5) * shape / size
        if self.half_cell:
            return cells - 0.5
        margin = shape[0] * self.stride / MARGIN
        return cells / (shape - margin) * (shape - 1)

    def to_pixels(self, cells: Tensor) -> Tensor:
        """(N, 2) cells -> px; with `half_cell` the inverse of `to_cells`."""
        size, shape = self._sides(cells)
        corner = cells + 0.5 if self.half_cell else cells
        return corner * size / shape - 0.5

    def _sides(self, like: Tensor) -> tuple[Tensor, Tensor]:
        """(W, H) and (w, h)."""
        size = torch.tensor(self.size[::-1], dtype=like.dtype, device=like.device)
        shape = torch.tensor(self.shape[::-1], dtype=like.dtype, device=like.device)
        return size, shape
