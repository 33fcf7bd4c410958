"""Where in a frame something resembles a target."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
import torch
from torch import Tensor

from drift_ros.propagation import unit
from drift_ros.tracking.anchors import NONE, Anchor, coarse_factor, coarsen

FOUND = 0.5  # of the target's cells: whose best match must lie in the place that is found

Point = tuple[float, float]  # (y, x) in cells, (0, 0) being the middle of the first one


class Found(NamedTuple):
    """What a search found.

    Attributes:
        candidates: middles of places that resemble the target, the most similar one first.
        likeliest: where the frame is most like the target rather than what was around it, whether
            or not that is much; None if it may be nowhere.
    """

    candidates: list[Point]
    likeliest: Point | None


def search(features: Tensor, anchors: Sequence[Anchor], free: Tensor) -> Found:
    """Where in a frame a target may be that may be anywhere.

    The whole frame is compared with the anchors in coarse cells: a cell looks like the target if
    its best match in them is the target's. Connected places that do are taken, if half of the
    target's cells find them in turn before all that does not look like it (forward and backward
    matches agree).

    Args:
        features: (C, h, w) descriptors of the frame.
        anchors: of the target, at least one.
        free: (h, w) bool, where it may be.
    """
    may = coarsen(free[None].float())[0] > 0.5
    cells = unit(coarsen(features), 0).flatten(1)
    pairs = [(anchor, cells.T @ anchor.whole) for anchor in anchors]
    own = torch.stack([_among(products, a.owned) for a, products in pairs]).amax(0)
    rest = torch.stack([_among(products, a.empty & ~a.owned) for a, products in pairs]).amax(0)
    likeliest = _likeliest(
        (own - rest).view(may.shape), may, anchors[-1], coarse_factor(free.shape)
    )
    looks = (own > rest).view(may.shape) & may
    count, places = cv2.connectedComponents(looks.cpu().numpy().astype(np.uint8), connectivity=8)
    if count < 2:
        return Found([], likeliest)
    place_of = torch.from_numpy(places.ravel()).to(features.device).long()
    seen = may.flatten()
    each = torch.stack([_returned(p[:, a.owned][seen].T, place_of[seen], count) for a, p in pairs])
    similarity = each.amax(0)
    factor = coarse_factor(free.shape)
    found = []
    for place in similarity.argsort(descending=True, stable=True).tolist():
        if float(similarity[place]) <= NONE:
            break
        rows, columns = np.nonzero(places == place + 1)
        found.append(_fine(float(rows.mean()), float(columns.mean()), factor))
    return Found(found, likeliest)


def _likeliest(ahead: Tensor, may: Tensor, anchor: Anchor, factor: int) -> Point | None:
    """Where a target is likeliest: the largest mean over half of its side.

    Args:
        ahead: (h, w) by how much coarse cells resemble the target more than what was around it.
        may: (h, w) bool, which of them may be it.
        anchor: of the target.
        factor: cells in a coarse one, along a side.
    """
    if not bool(may.any()):
        return None
    side = 2 * round(0.25 * math.sqrt(anchor.area) / factor) + 1
    mean = cv2.blur(ahead.cpu().numpy(), (side, side), borderType=cv2.BORDER_REPLICATE)
    mean[~may.cpu().numpy()] = -np.inf
    row, column = divmod(int(mean.argmax()), mean.shape[1])
    return _fine(row, column, factor)


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
