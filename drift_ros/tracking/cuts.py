"""Whether a frame shows what the one before it showed, or the picture has changed as a whole."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from drift_ros.propagation import unit
from drift_ros.tracking.anchors import NONE, coarsen
from drift_ros.tracking.motion import thumbnail

KNOWN = 0.35  # share of the cells of a frame, below which it may show something else
BACK = 0.45  # the same after frames that did: chance must not end a cut
REACH = 0.25  # of the shorter side: how far from its place a cell is sought in the other frame
APART = 3  # coarse cells between two places of a frame that are compared
EVERY = 2  # rows and columns of coarse cells that are looked at: neighbours tell the same
TIE = 1e-3  # difference of cosines that says nothing, as where all is of one colour
KEPT = 0.2  # share of a picture that has its details still, from which on its light alone differs
DETAILS = (2.0, 8.0)  # px of small pictures: what is larger than the one, smaller than the other
AROUND, AGREED = 12.0, 0.5  # px of them in which details are compared; their least correlation
FAINT = 1e-4  # deviation of details that are none, as logarithm


@dataclass(frozen=True, slots=True, eq=False)
class _View:
    """A frame: its number, its unit descriptors (C, h, w) in coarse cells, and its image."""

    number: int
    cells: Tensor
    image: NDArray[np.uint8]


class Cuts:
    """Compares each frame with the last one that counted. It keeps that one, and nothing else.

    A place finds itself in the frame before, about where it is, and nothing in its own frame is as
    much like it, whatever an extractor's cosines mean. After a cut, or in another view of the same
    things that propagation does not reach, what resembles it most is in its own frame. So it may be
    where light changes, but then the picture keeps its details.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget the last frame: the next one will go on from anything."""
        self._last: _View | None = None
        self._now: _View | None = None

    def go_back_to(self, number: int) -> None:
        """Forget it if it is not before a frame number."""
        if self._last is not None and self._last.number >= number:
            self.reset()

    def is_cut(self, number: int, features: Tensor, image: NDArray[np.uint8]) -> bool:
        """Whether a frame shows something else than the last one that counted; False without one.

        Args:
            number: of the frame.
            features: (C, h, w) its unit descriptors.
            image: (H, W, 3) uint8 RGB.
        """
        now, last = _View(number, unit(coarsen(features), 0), image), self._last
        self._now = now
        if last is None:
            return False
        least = KNOWN if last.number == number - 1 else BACK
        if share_known(now.cells, last.cells) >= least:
            return False
        return share_kept(thumbnail(last.image), thumbnail(image)) < KEPT

    def go_on(self) -> None:
        """The frame that was asked for counts: later ones are compared with it."""
        self._last = self._now


def share_known(now: Tensor, before: Tensor) -> float:
    """Share of the cells of a frame that another frame shows about there: whose best match in it,
    a quarter of the shorter side away at most, is better than any in their own frame that is not
    near.

    Args:
        now, before: (C, h, w) unit descriptors.
    """
    apart, near = _neighbourhoods((now.shape[1], now.shape[2]), now.device)
    some = now[:, ::EVERY, ::EVERY].flatten(1)
    own, found = (
        torch.where(allowed, some.T @ frame.flatten(1), NONE).amax(1)
        for allowed, frame in ((apart, now), (near, before))
    )
    return float((own - found < TIE).float().mean())


@lru_cache(maxsize=4)
def _neighbourhoods(grid: tuple[int, int], device: torch.device) -> tuple[Tensor, Tensor]:
    """Of the cells that are looked at (n,), which of all cells (h * w,) are apart enough to be
    compared in their own frame, and which near enough in the other one: (n, h * w) bool each.
    """
    rows, columns = (
        (places[::EVERY, None] - places).abs()
        for places in (torch.arange(count, device=device) for count in grid)
    )
    distance = (
        torch.maximum(rows[:, None, :, None], columns[None, :, None, :]).flatten(2).flatten(0, 1)
    )
    return distance >= APART, distance <= REACH * min(grid)


def share_kept(before: NDArray[np.float32], now: NDArray[np.float32]) -> float:
    """Share of a small grey picture (h, w) in [0, 255] around which another one has the same
    details, whatever the light in either: their correlation there is above 0.5.
    """
    a, b = _details(before), _details(now)
    same, one, other = (cv2.GaussianBlur(each, (0, 0), AROUND) for each in (a * b, a * a, b * b))
    return float((same > AGREED * np.sqrt(one * other) + FAINT**2).mean())


def _details(picture: NDArray[np.float32]) -> NDArray[np.float32]:
    logarithm = np.log1p(picture)
    fine, broad = (cv2.GaussianBlur(logarithm, (0, 0), sigma) for sigma in DETAILS)
    return np.asarray(fine - broad, np.float32)
