"""Where matches are searched: tiles of targets, windows, and the frames that share one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor


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


class Frames(NamedTuple):
    """Consecutive frames of the context that are searched in the same window.

    Args:
        descriptors: (T, h, w, C), any strides.
        window: of these frames.
        first: number of the first of these frames in the whole context.
    """

    descriptors: Tensor
    window: Window
    first: int

    @property
    def most(self) -> int:
        """Number of sources that a target has at most."""
        frames, height, width, _ = self.descriptors.shape
        across = 2 * self.window.reach + 1
        return frames * min(height, across) * min(width, across)


def share_windows(context: Tensor, window: Window, mask_first: bool, first: int) -> list[Frames]:
    """The frames of a context (T, h, w, C) by window.

    All have the same one, or the first ones none (the whole frame) and the others the one given.
    """
    if mask_first or not first:
        return [Frames(context, window, 0)]
    whole = Window.of('square', 0, (context.shape[1], context.shape[2]))
    parts = [Frames(context[:first], whole, 0)]
    if first < len(context):
        parts.append(Frames(context[first:], window, first))
    return parts
