"""How a target looked in a few frames: how far a mask agrees with it, and where else one does."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from drift_ros.propagation import unit

COARSE = 1200  # cells at most in which a whole frame is kept and searched
MARGIN = 0.5  # of the target's box: around it, in what is kept at full resolution
SAMPLES = 64  # cells of a mask that are compared
EMPTY = 0.2  # share of a cell up to which targets do not count
FOUND = 0.5  # of the target's cells: whose best match must lie in the place that is found
MATCHES, TEMPERATURE = 10, 0.1  # of a cell, as in the propagation
SMALLEST, LARGEST = 0.4, 1.3  # area at that place, in areas of the anchor


@dataclass(frozen=True, slots=True, eq=False)
class Anchor:
    """How a target looked in one frame.

    Attributes:
        number: of the frame.
        whole: (C, N) unit descriptors of the frame in N coarse cells.
        owned, empty: (N,) bool, which of them show the target, and which no target at all.
        near: (C, a, b) unit descriptors around the target.
        labels: (a, b) float32 there, the share of each cell that the target has.
        background: (a, b) bool, where no target is.
        area: of the target in cells.
    """

    number: int
    whole: Tensor
    owned: Tensor
    empty: Tensor
    near: Tensor
    labels: Tensor
    background: Tensor
    area: float

    @classmethod
    def of(cls, number: int, features: Tensor, label: Tensor, every: Tensor) -> Anchor:
        """The anchor of a frame.

        Args:
            number: of the frame.
            features: (C, h, w) its descriptors.
            label: (h, w) the share of each cell that the target has, somewhere above 0.
            every: (h, w) the share that all targets have.
        """
        mine = owned(label)
        view = []
        for axis, length in enumerate(label.shape):
            places = mine.any(1 - axis).nonzero()[:, 0]
            first, last = int(places[0]), int(places[-1])
            margin = 1 + round(MARGIN * (last - first + 1))
            view.append(slice(max(0, first - margin), min(length, last + 1 + margin)))
        box = label[view[0], view[1]]
        return cls(
            number,
            unit(_coarse(features), 0).flatten(1),
            owned(_coarse(label[None])[0]).flatten(),
            (_coarse(every[None])[0] <= EMPTY).flatten(),
            unit(features[:, view[0], view[1]].float(), 0).contiguous(),
            box,
            every[view[0], view[1]] <= EMPTY,
            float(mine.sum()),
        )

    def change(self, area: float) -> float:
        """|log| of the ratio of another area in cells, above 0, to its own."""
        return abs(math.log(area / self.area))


def owned(label: Tensor) -> Tensor:
    """(h, w) bool, which cells a target owns that has these shares of them: at least one if it has
    any at all.
    """
    return label > min(0.5, float(label.max()) / 2)


def agreement(features: Tensor, mask: Tensor, anchors: Sequence[Anchor]) -> float:
    """How many cells of a mask resemble the target more than they do what is no target.

    Other targets are left out: a twin resembles both alike.

    Args:
        features: (C, h, w) descriptors of the frame.
        mask: (h, w) bool, at least one cell.
        anchors: of the target, at least one.

    Returns:
        The share of cells whose best match in the anchors is the target's.
    """
    places = mask.flatten().nonzero()[:, 0]
    cells = unit(features.flatten(1)[:, places[:: 1 + len(places) // SAMPLES]].float(), 0)
    own, rest = [], []
    for anchor in anchors:
        products = anchor.near.flatten(1).T @ cells
        own.append(_best(products, owned(anchor.labels).flatten()))
        rest.append(_best(products, anchor.background.flatten()))
        rest.append(_best(anchor.whole.T @ cells, anchor.empty))
    return float((torch.stack(own).amax(0) > torch.stack(rest).amax(0)).float().mean())


def search(features: Tensor, anchors: Sequence[Anchor], free: Tensor) -> Tensor | None:
    """Where in a frame a target is that may be anywhere.

    The whole frame is compared with the anchors in coarse cells: a cell looks like the target if
    its best match in them is the target's. Of connected places that do, the one counts that most of
    the target's cells find in turn (forward and backward matches agree), if those are half of them.
    There, labels are propagated from the anchor's box in full resolution; what they show must have
    about the target's size.

    Args:
        features: (C, h, w) descriptors of the frame.
        anchors: of the target, at least one.
        free: (h, w) bool, where it may be.

    Returns:
        (h, w) float32 soft label of the target; None if it was not found.
    """
    may = _coarse(free[None].float())[0] > 0.5
    cells = unit(_coarse(features), 0).flatten(1)
    pairs = [(anchor, anchor.whole.T @ cells) for anchor in anchors]
    own = torch.stack([_best(products, a.owned) for a, products in pairs]).amax(0)
    rest = torch.stack([_best(products, a.empty & ~a.owned) for a, products in pairs]).amax(0)
    looks = (own > rest).view(may.shape) & may
    count, places = cv2.connectedComponents(looks.cpu().numpy().astype(np.uint8), connectivity=8)
    if count < 2:
        return None
    place_of = torch.from_numpy(places.ravel()).to(features.device).long()
    share, place, anchor = 0.0, 0, anchors[0]
    for candidate, products in pairs:
        back = products[candidate.owned].masked_fill(~may.flatten(), -2).argmax(1)
        votes = torch.bincount(place_of[back], minlength=count)[1:] / len(back)
        if float(votes.max()) > share:
            share, place, anchor = float(votes.max()), 1 + int(votes.argmax()), candidate
    if share < FOUND:
        return None
    rows, columns = np.nonzero(places == place)
    factor = _factor(free.shape)
    middle = (factor * (rows.mean() + 0.5), factor * (columns.mean() + 0.5))
    label = _label(features, anchors, _box(anchor, middle, free.shape)) * free
    ratio = float((label > 0.5).sum()) / anchor.area
    return label if SMALLEST <= ratio <= LARGEST else None


def _box(anchor: Anchor, middle: tuple[float, float], grid: Sequence[int]) -> tuple[slice, slice]:
    """Rows and columns about a place in cells, as large as what is kept around the target."""
    first = [
        int(min(max(0, round(place - length / 2)), limit - length))
        for place, length, limit in zip(middle, anchor.near.shape[1:], grid, strict=True)
    ]
    height, width = anchor.near.shape[1:]
    return slice(first[0], first[0] + height), slice(first[1], first[1] + width)


def _label(features: Tensor, anchors: Sequence[Anchor], box: tuple[slice, slice]) -> Tensor:
    """(h, w) soft label of a target in a box, of the best matches in its anchors; 0 elsewhere."""
    cells = unit(features[:, box[0], box[1]].float(), 0)
    keys, labels = [], []
    for anchor in anchors:
        rest = anchor.whole[:, anchor.empty]
        keys += [anchor.near.flatten(1), rest]
        labels += [anchor.labels.flatten(), torch.zeros_like(rest[0])]
    products = torch.cat(keys, 1).T @ cells.flatten(1)
    best = products.topk(min(MATCHES, len(products)), 0)
    weights = (best.values / TEMPERATURE).softmax(0)
    found = torch.zeros(features.shape[1:], device=features.device)
    found[box] = (weights * torch.cat(labels)[best.indices]).sum(0).view(cells.shape[1:])
    return found


def _best(products: Tensor, rows: Tensor) -> Tensor:
    """(n,) the largest in some rows of (N, n) cosines; -2 if there are none."""
    return products.masked_fill(~rows[:, None], -2).amax(0)


def _coarse(maps: Tensor) -> Tensor:
    """(C, h', w') float32 means of at most `COARSE` cells each, from (C, h, w)."""
    return functional.avg_pool2d(maps[None].float(), _factor(maps.shape[1:]), ceil_mode=True)[0]


def _factor(grid: Sequence[int]) -> int:
    """Cells in each direction that make a coarse one."""
    factor = 1
    while -(-grid[0] // factor) * -(-grid[1] // factor) > COARSE:
        factor += 1
    return factor
