"""How a target looked in a few frames: how far a mask agrees with it, and where else one does."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from drift_ros.descriptors import Descriptors
from drift_ros.propagation import unit

COARSE = 1200  # cells at most in which a whole frame is kept and searched
MARGIN = 0.5  # of the target's box: around it, in what is kept at full resolution
SAMPLES = 64  # cells of a mask that are compared
EVERY = 2  # rows and columns of what is not the target: neighbours tell the same
EMPTY = 0.2  # share of a cell up to which targets do not count
FOUND = 0.5  # of the target's cells: whose best match must lie in the place that is found
MATCHES, TEMPERATURE = 10, 0.1  # of a cell, as in the propagation
TWIN = 0.7  # cosine with a cell of the target, from which on a cell is no background
NONE = -2.0  # in place of a cosine

Box = tuple[slice, slice]  # rows and columns


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Anchor:
    """How a target looked in one frame.

    Attributes:
        number: of the frame.
        features: (C, h, w) unit descriptors of the frame; anchors of one frame may share them.
        label: (h, w) float32, the share of each cell that the target has.
        others: (h, w) bool, which cells show no target at all, nor anything that looks the same: a
            twin that is no target would make it background, too.
        own, rest: (C, n) descriptors of the cells that the target owns, and of some of the others.
        view: rows and columns around the target.
        whole: (C, N) unit descriptors of the frame in N coarse cells.
        owned, empty: (N,) bool, likewise which of them.
        area: of the target in cells, the sum of its shares.
    """

    number: int
    features: Tensor
    label: Tensor
    others: Tensor
    own: Tensor
    rest: Tensor
    view: Box
    whole: Tensor
    owned: Tensor
    empty: Tensor
    area: float

    @classmethod
    def of(cls, number: int, features: Tensor, label: Tensor, every: Tensor) -> Anchor:
        """The anchor of a frame.

        Args:
            number: of the frame.
            features: (C, h, w) its unit descriptors, which are kept.
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
        whole = unit(coarsen(features), 0).flatten(1)
        few = owned(coarsen(label[None])[0]).flatten()
        twin = _like(features.flatten(1), mine.flatten()).view(mine.shape)
        empty = (coarsen(every[None])[0] <= EMPTY).flatten()
        others = (every <= EMPTY) & ~twin
        return cls(
            number,
            features,
            label,
            others,
            features[:, mine],
            features[:, _thin(others)],
            (view[0], view[1]),
            whole,
            few,
            empty & ~_like(whole, few),
            float(label.sum()),
        )

    def change(self, area: float) -> float:
        """|log| of the ratio of another area in cells, above 0, to its own."""
        return abs(math.log(area / self.area))


def owned(label: Tensor) -> Tensor:
    """(h, w) bool, which cells a target owns that has these shares of them: at least one if it has
    any at all.
    """
    return label > min(0.5, float(label.max()) / 2)


class Match(NamedTuple):
    """How well a mask and an anchor agree.

    Attributes:
        forward: share of the mask's cells whose best match in the anchor's frame is the target,
            not the background. Other targets are left out: a twin resembles both alike.
        backward: share of the target's cells whose best match in the frame lies in the mask.
    """

    forward: float
    backward: float


def match(features: Tensor, mask: Tensor, anchor: Anchor) -> Match:
    """Hold a mask against how its target looked.

    Args:
        features: (C, h, w) unit descriptors of the frame.
        mask: (h, w) bool, at least one cell.
    """
    inside, outside = features[:, mask], features[:, _thin(~mask)]
    cells, target = _some(inside), _some(anchor.own)
    ours = _best(cells, anchor.own) > _best(cells, anchor.rest)
    found = _best(target, inside) >= _best(target, outside)
    return Match(float(ours.float().mean()), float(found.float().mean()))


def _some(cells: Tensor) -> Tensor:
    """At most `SAMPLES` of (C, n) cells, evenly spread."""
    return cells[:, :: 1 + cells.shape[1] // SAMPLES]


def _thin(mask: Tensor) -> Tensor:
    """(h, w) bool, some of the cells of a mask."""
    some = torch.zeros_like(mask)
    some[::EVERY, ::EVERY] = mask[::EVERY, ::EVERY]
    return some


@dataclass(frozen=True, slots=True, eq=False)
class Place:
    """Where a target may be.

    Attributes:
        label: (h, w) float32 soft label of the target there.
        similarity: mean cosine of the target's cells with their best matches there.
        area: in cells, the sum of the label.
        middle: (y, x) of it in cells.
        whole: whether it ends before the border of the frame.
        scale: log of how much larger the target is there than it was; 0 if that is not known.
        deviation: expected absolute error of that.
    """

    label: Tensor
    similarity: float
    area: float
    middle: tuple[float, float]
    whole: bool
    scale: float = 0.0
    deviation: float = math.inf

    @classmethod
    def of(cls, label: Tensor, similarity: float) -> Place:
        """The place of a label that is above 0.5 somewhere."""
        mask = label > 0.5
        rows, columns = mask.nonzero().float().mean(0).tolist()
        border = torch.cat([mask[0], mask[-1], mask[:, 0], mask[:, -1]])
        whole = not bool(border.any())
        return cls(label, similarity, float(label.sum()), (rows, columns), whole)


def search(features: Tensor, anchors: Sequence[Anchor], free: Tensor) -> list[Place]:
    """Where in a frame a target may be that may be anywhere.

    The whole frame is compared with the anchors in coarse cells: a cell looks like the target if
    its best match in them is the target's. Connected places that do are taken, if half of the
    target's cells find them in turn before all that does not look like it (forward and backward
    matches agree). In each, labels are propagated from the anchor's box in full resolution.

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
    looks = (own > rest).view(may.shape) & may
    count, places = cv2.connectedComponents(looks.cpu().numpy().astype(np.uint8), connectivity=8)
    if count < 2:
        return []
    place_of = torch.from_numpy(places.ravel()).to(features.device).long()
    seen = may.flatten()
    each = torch.stack([_returned(p[:, a.owned][seen].T, place_of[seen], count) for a, p in pairs])
    similarity, which = each.max(0)
    factor = _factor(free.shape)
    found: list[Place] = []
    for place in (similarity > NONE).nonzero()[:, 0].tolist():
        rows, columns = np.nonzero(places == place + 1)
        middle = (factor * (rows.mean() + 0.5), factor * (columns.mean() + 0.5))
        anchor = anchors[int(which[place])]
        box = box_about(middle, anchor.label[anchor.view].shape, free.shape)
        label = torch.zeros(free.shape, device=features.device)
        label[box] = label_of(features[:, box[0], box[1]], anchors)
        label *= free
        if bool((label > 0.5).any()):
            found.append(Place.of(label, float(similarity[place])))
    return found


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


def box_about(middle: tuple[float, float], sides: Sequence[int], grid: Sequence[int]) -> Box:
    """Rows and columns about a place in cells, as far as there are so many in a grid (h, w)."""
    first = [
        int(min(max(0, round(place - length / 2)), limit - length))
        for place, length, limit in zip(middle, sides, grid, strict=True)
    ]
    height, width = sides
    return slice(first[0], first[0] + height), slice(first[1], first[1] + width)


def label_of(features: Tensor, anchors: Sequence[Anchor]) -> Tensor:
    """(h, w) soft label of a target, of the best matches in its anchors, all on one scale.

    Args:
        features: (C, h, w) of some rows and columns of a frame.
        anchors: at least one.
    """
    keys, labels = [], []
    for anchor in anchors:
        rest = anchor.whole[:, anchor.empty]
        labelled = (anchor.others | (anchor.label > 0))[anchor.view]  # not twins around it
        near = anchor.features[:, anchor.view[0], anchor.view[1]][:, labelled]
        keys += [near, rest]
        labels += [anchor.label[anchor.view][labelled], torch.zeros_like(rest[0])]
    products = features.flatten(1).T @ torch.cat(keys, 1)
    best = products.topk(min(MATCHES, products.shape[1]), 1)
    weights = (best.values / TEMPERATURE).softmax(1)
    return (weights * torch.cat(labels)[best.indices]).sum(1).view(features.shape[1:])


def _like(cells: Tensor, mine: Tensor) -> Tensor:
    """(N,) bool, which cells (C, N) look the same as some of those that a target owns (N,)."""
    return (cells.T @ _some(cells[:, mine])).amax(1) >= TWIN


def _best(cells: Tensor, known: Tensor) -> Tensor:
    """(n,) the largest cosines of cells (C, n) with known ones (C, m); `NONE` if m is 0."""
    return (cells.T @ known).amax(1) if known.shape[1] else cells.new_full(cells.shape[1:], NONE)


def _among(products: Tensor, columns: Tensor) -> Tensor:
    """(n,) the largest in some columns (N,) of (n, N) cosines; `NONE` or less without any."""
    return (products + torch.where(columns, 0.0, 2 * NONE)).amax(1)


def unit_features(descriptors: Descriptors) -> Tensor:
    """(C, h, w) float32 keys of unit length of one frame, of the first head if there are several,
    on the grid of labels.
    """
    features = descriptors.keys[0]
    if features.shape[2:] != descriptors.grid:
        features = functional.interpolate(features, descriptors.grid)
    return unit(features[0].float(), 0)


def coarsen(maps: Tensor) -> Tensor:
    """(C, h', w') float32 means of at most `COARSE` cells each, from (C, h, w)."""
    return functional.avg_pool2d(maps[None].float(), _factor(maps.shape[1:]), ceil_mode=True)[0]


def _factor(grid: Sequence[int]) -> int:
    """Cells in each direction that make a coarse one."""
    factor = 1
    while -(-grid[0] // factor) * -(-grid[1] // factor) > COARSE:
        factor += 1
    return factor
