"""Where in a frame something resembles a target."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from drift_ros.propagation import unit
from drift_ros.tracking.anchors import NONE, Anchor, coarse_factor, coarsen

UNCHANGED = 0.9  # cosine of a cell with itself in another frame, above which it shows the same
FOUND = 0.5  # of the target's cells: whose best match must lie in the place that is found

Point = tuple[float, float]  # (y, x) in cells, (0, 0) being the middle of the first one


@dataclass(frozen=True, slots=True, eq=False)
class Resemblance:
    """How a frame resembles a target.

    Attributes:
        candidates: middles of places that do, the most similar one first.
        ahead: (h, w) float32 by how much coarse cells are more like the target than what was
            around it, a mean over half of its side; -inf where it may not be.
        factor: cells in a coarse one, along a side.
    """

    candidates: list[Point]
    ahead: NDArray[np.float32]
    factor: int

    def likeliest(self, others: Sequence[Point], apart: float) -> Point | None:
        """The most similar place that is farther from others than some cells, whether or not that
        is much; None if there is none.
        """
        rows, columns = (
            self.factor * (np.arange(length) + 0.5) - 0.5 for length in self.ahead.shape
        )
        left = self.ahead
        for y, x in others:
            near = np.hypot(rows[:, None] - y, columns - x) <= apart
            left = np.where(near, -np.inf, left)
        best = int(left.argmax())
        if np.isneginf(left.flat[best]):
            return None
        row, column = divmod(best, left.shape[1])
        return _fine(row, column, self.factor)


def resembling(
    features: Tensor, anchors: Sequence[Anchor], free: Tensor, unchanged: bool = False
) -> Resemblance:
    """Where in a frame a target may be that may be anywhere.

    The whole frame is compared with the anchors in coarse cells: a cell looks like the target if
    its best match in them is the target's. Connected places that do are taken, if half of the
    target's cells find them in turn before all that does not look like it (forward and backward
    matches agree).

    Args:
        features: (C, h, w) descriptors of the frame.
        anchors: of the target, at least one.
        free: (h, w) bool, where it may be.
        unchanged: whether it may also be where a frame shows what it showed when the target was
            elsewhere.
    """
    cells = unit(coarsen(features), 0).flatten(1)
    may = coarsen(free[None].float())[0] > 0.5
    if not unchanged:
        may &= ~_unchanged(cells, anchors).view(may.shape)
    pairs = [(anchor, cells.T @ anchor.whole) for anchor in anchors]
    own = torch.stack([_among(products, a.owned) for a, products in pairs]).amax(0)
    rest = torch.stack([_among(products, a.empty & ~a.owned) for a, products in pairs]).amax(0)
    factor = coarse_factor(free.shape)
    ahead = _ahead((own - rest).view(may.shape), may, anchors[-1], factor)
    looks = (own > rest).view(may.shape) & may
    count, places = cv2.connectedComponents(looks.cpu().numpy().astype(np.uint8), connectivity=8)
    if count < 2:
        return Resemblance([], ahead, factor)
    place_of = torch.from_numpy(places.ravel()).to(features.device).long()
    seen = may.flatten()
    each = torch.stack([_returned(p[:, a.owned][seen].T, place_of[seen], count) for a, p in pairs])
    similarity = each.amax(0)
    found = []
    for place in similarity.argsort(descending=True, stable=True).tolist():
        if float(similarity[place]) <= NONE:
            break
        rows, columns = np.nonzero(places == place + 1)
        found.append(_fine(float(rows.mean()), float(columns.mean()), factor))
    return Resemblance(found, ahead, factor)


def _unchanged(cells: Tensor, anchors: Sequence[Anchor]) -> Tensor:
    """(N,) bool, which coarse cells (C, N) show what they showed in an anchor's frame, in which the
    target was elsewhere.
    """
    each = [((cells * a.whole).sum(0) > UNCHANGED) & ~a.owned for a in anchors]
    return torch.stack(each).any(0)


def _ahead(ahead: Tensor, may: Tensor, anchor: Anchor, factor: int) -> NDArray[np.float32]:
    """See `Resemblance.ahead`, of the same for each cell alone (h, w), and of where it may be."""
    side = 2 * round(0.25 * math.sqrt(anchor.area) / factor) + 1
    mean = cv2.blur(ahead.cpu().numpy(), (side, side), borderType=cv2.BORDER_REPLICATE)
    mean[~may.cpu().numpy()] = -np.inf
    return np.asarray(mean, np.float32)


def _fine(row: float, column: float, factor: int) -> Point:
    """A place in cells from one in coarse cells."""
    return factor * (row + 0.5) - 0.5, factor * (column + 0.5) - 0.5


def _returned(products: Tensor, place_of: Tensor, count: int) -> Tensor:
    """(count - 1,) how much each place resembles the target: the mean cosine of the target's cells
    with their best matches in it; `NONE` where less than half of them find it.

    Args:
        products: (n, N) of the target's cells with those of the frame.
        place_of: (N,) number of the place of each of these, 0 for what does not look like it.
    """
    best = products.new_full((len(products), count), NONE)
    best = best.scatter_reduce(1, place_of.expand(len(products), -1), products, 'amax')
    share = (best[:, 1:] > best[:, :1]).float().mean(0)
    return torch.where(share >= FOUND, best[:, 1:].mean(0), NONE)


def _among(products: Tensor, columns: Tensor) -> Tensor:
    """(n,) the largest in some columns (N,) of (n, N) cosines; `NONE` or less without any."""
    return (products + torch.where(columns, 0.0, 2 * NONE)).amax(1)
