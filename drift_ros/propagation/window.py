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


class Sharing(NamedTuple):
    """Which frames of a context share a window.

    Args:
        window: of all frames, or of those after the first ones.
        whole: number of first frames that are searched as a whole.
    """

    window: Window
    whole: int = 0

    def parts(self, context: Tensor) -> list[Frames]:
        """The frames of a context (T, h, w, C) by window."""
        if not self.whole:
            return [Frames(context, self.window, 0)]
        everywhere = Window.of('square', 0, (context.shape[1], context.shape[2]))
        parts = [Frames(context[: self.whole], everywhere, 0)]
        if self.whole < len(context):
            parts.append(Frames(context[self.whole :], self.window, self.whole))
        return parts


class Task(NamedTuple):
    """What a frame's labels are found from.

    Attributes:
        query: (h, w, C) descriptors.
        context: (T, h, w, C) descriptors.
        labels: (T, h, w, K) float32 of the context.
        known: (T, K) bool, as of `LabelMean`.
        sharing: which frames are searched in which window.
        temperature: of the softmax.
        top_k: number of matches; ties with the last one count too.
    """

    query: Tensor
    context: Tensor
    labels: Tensor
    known: Tensor | None
    sharing: Sharing
    temperature: float
    top_k: int
