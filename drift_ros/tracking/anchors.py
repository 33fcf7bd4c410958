"""How a target looked in a frame, and how far a mask agrees with that."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from drift_ros.descriptors import Descriptors
from drift_ros.propagation import unit

COARSE = 1200  # cells at most in which a whole frame is kept and searched
SAMPLES = 64  # cells of a mask that are compared
EVERY = 2  # rows and columns of what is not the target: neighbours tell the same
EMPTY = 0.2  # share of a cell up to which targets do not count
TWIN = 0.7  # cosine with a cell of the target, from which on a cell is no background
LIKE = 0.5  # the same of coarse cells, which are means
NONE = -2.0  # in place of a cosine


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Anchor:
    """How a target looked in one frame.

    Attributes:
        number: of the frame.
        own, rest: (C, n) unit descriptors of the cells that the target owns, and of some that show
            no target at all, nor anything that looks the same: a twin that is no target would make
            it background, too.
        whole: (C, N) unit descriptors of the frame in N coarse cells.
        owned, empty: (N,) bool, likewise which of them; around a twin nothing is empty.
        area: of the target in cells, the sum of its shares.
    """

    number: int
    own: Tensor
    rest: Tensor
    whole: Tensor
    owned: Tensor
    empty: Tensor
    area: float

    @classmethod
    def of(cls, number: int, features: Tensor, label: Tensor, every: Tensor) -> Anchor:
        """The anchor of a frame.

        Args:
            number: of the frame.
            features: (C, h, w) its unit descriptors.
            label: (h, w) the share of each cell that the target has, somewhere above 0.
            every: (h, w) the share that all targets have.
        """
        mine = owned(label)
        others = (every <= EMPTY) & ~_like(features, mine, TWIN)
        whole = unit(coarsen(features), 0)
        few = owned(coarsen(label[None])[0])
        alike = _like(whole, few, LIKE)
        twins = _grown(alike & ~_grown(few))
        empty = (coarsen(every[None])[0] <= EMPTY) & ~alike & ~twins
        return cls(
            number,
            features[:, mine],
            features[:, _thin(others)],
            whole.flatten(1),
            few.flatten(),
            empty.flatten(),
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


def _like(cells: Tensor, mine: Tensor, least: float) -> Tensor:
    """(h, w) bool, which cells (C, h, w) look the same as some of those that a target owns."""
    return (_some(cells[:, mine]).T @ cells.flatten(1)).amax(0).view(mine.shape) >= least


def _grown(mask: Tensor) -> Tensor:
    """(h, w) bool, the cells of a mask and those around it."""
    return functional.max_pool2d(mask[None].float(), 3, 1, 1)[0] > 0


def _best(cells: Tensor, known: Tensor) -> Tensor:
    """(n,) the largest cosines of cells (C, n) with known ones (C, m); `NONE` if m is 0."""
    return (cells.T @ known).amax(1) if known.shape[1] else cells.new_full(cells.shape[1:], NONE)


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
    return functional.avg_pool2d(maps[None].float(), coarse_factor(maps.shape[1:]), ceil_mode=True)[
        0
    ]


def coarse_factor(grid: Sequence[int]) -> int:
    """Cells in each direction that make a coarse one."""
    factor = 1
    while -(-grid[0] // factor) * -(-grid[1] // factor) > COARSE:
        factor += 1
    return factor
