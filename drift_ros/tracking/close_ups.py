"""A closer look at small targets: where one may be is described once more at a larger scale, and
held against how it looked at that scale.

Of a target of few cells most lie on its outline. They look half like the background, so that what
is found of it seems too small, and too little like it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from weakref import WeakKeyDictionary

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from drift_ros.descriptors import Descriptors
from drift_ros.tracking.anchors import (
    Anchor,
    Box,
    Match,
    Place,
    box_about,
    label_of,
    long_axis,
    match,
    owned,
    resemblance,
    unit_features,
)

SMALL = 64.0  # cells of a target up to which it is looked at closer
CELLS = 144.0  # of it then
LARGEST = 4.0  # factor by which its sides grow
MOST = 4800  # cells of a close-up, as a frame of 640x480 has; of long thin things it had more
FINEST = 2.0  # px of the image per cell: with fewer there is nothing more to see

Image = NDArray[np.uint8]
Mask = NDArray[np.bool_]
# (h, w, 3) part of an image, (H', W') wanted size in px of the network's input -> descriptors
DescribePart = Callable[[Image, tuple[float, float]], Descriptors]


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """A place that was looked at closely.

    Attributes:
        place: as it was found to be, in cells of the frame.
        lengths: of the target's anchors, as they were measured like its own, likewise.
        match: how far it and the target agree.
        soft: mean soft label of it.
    """

    place: Place
    lengths: tuple[float, ...]
    match: Match
    soft: float


@dataclass(frozen=True, slots=True, eq=False)
class _View:
    """What is around a target in the frame of an anchor: an image (h, w, 3) and masks (h, w) of the
    target and of all targets.
    """

    image: Image
    mask: Mask
    every: Mask


@dataclass(frozen=True, slots=True, eq=False)
class _Closer:
    """An anchor at a larger scale; `length` in cells of the frame."""

    factor: float
    anchor: Anchor
    length: float


class CloseUps:
    """What is needed of anchors to look at places closely. It goes with them.

    Args:
        describe: describes a part of an image.
    """

    def __init__(self, describe: DescribePart) -> None:
        self._describe = describe
        self._views: WeakKeyDictionary[Anchor, _View] = WeakKeyDictionary()
        self._closer: WeakKeyDictionary[Anchor, _Closer] = WeakKeyDictionary()

    def remember(self, anchor: Anchor, image: Image, labels: Image, target: int) -> None:
        """Keep the pixels around a target, to be described once it is missing: if it is small, but
        not so long that a closer look costs more than a frame, and it has more pixels than cells.

        Args:
            anchor: of the frame.
            image: (H, W, 3) it.
            labels: (H, W) ids.
            target: id of the target.
        """
        height, width = _sides(anchor.view)
        cells = height * width * _factor(anchor) ** 2
        pixels = image.shape[0] / anchor.label.shape[0]
        if anchor.area > SMALL or cells > MOST or pixels < FINEST:
            return
        part = _pixels(anchor.view, anchor.label.shape, image.shape[:2])
        ids = labels[part]
        self._views[anchor] = _View(image[part].copy(), ids == target, ids > 0)

    @property
    def kept(self) -> int:
        """Number of anchors that are remembered."""
        return len(self._views)

    def knows(self, anchor: Anchor) -> bool:
        """Whether there is a closer look at an anchor."""
        return anchor in self._views

    def look(
        self, place: Place, anchors: Sequence[Anchor], image: Image, free: Tensor, stride: int
    ) -> Look | None:
        """Look closely at a place where a target may be.

        Args:
            place: it.
            anchors: of the target, of which the first is known.
            image: (H, W, 3) the frame.
            free: (h, w) bool, where it may be.
            stride: px of the network's input per cell of the frame.

        Returns:
            None if the target is not seen there from close.
        """
        factor = _factor(anchors[0])
        known = [anchor for anchor in anchors if anchor in self._views]
        closer = [self._closely(anchor, factor, stride) for anchor in known]
        sides = [max(_sides(anchor.view)[axis] for anchor in known) for axis in (0, 1)]
        grid = free.shape
        box = box_about(place.middle, sides, grid)
        part = image[_pixels(box, grid, image.shape[:2])]
        features = self._features(part, box, factor * stride)
        close = [each.anchor for each in closer]
        label = _largest_part(label_of(features, close))
        inside = label > 0.5
        if not bool(inside.any()):
            return None
        on_grid = torch.zeros(grid, device=free.device)
        on_grid[box] = _resized(label.cpu().numpy(), sides).to(free.device)
        on_grid *= free
        if not bool((on_grid > 0.5).any()):
            return None
        similarity = max(resemblance(features, inside, anchor) for anchor in close)
        found = Place.of(on_grid, similarity)
        found = replace(found, length=long_axis(inside) * _unit(box, label))
        matches = [match(features, owned(label), anchor) for anchor in close]
        return Look(
            found,
            tuple(each.length for each in closer),
            Match(*(max(each) for each in zip(*matches, strict=True))),
            float(label[inside].mean()),
        )

    def _closely(self, anchor: Anchor, factor: float, stride: int) -> _Closer:
        """An anchor at a larger scale, made when it is needed first."""
        known = self._closer.get(anchor)
        if known is None or known.factor != factor:
            view = self._views[anchor]
            features = self._features(view.image, anchor.view, factor * stride)
            grid = (features.shape[1], features.shape[2])
            label, every = (
                _resized(mask.astype(np.float32), grid).to(features.device)
                for mask in (view.mask, view.every)
            )
            closer = Anchor.of(anchor.number, features, label, every)
            known = _Closer(factor, closer, closer.length * _unit(anchor.view, label))
            self._closer[anchor] = known
        return known

    def _features(self, part: Image, box: Box, pixels: float) -> Tensor:
        """(C, h', w') unit descriptors of a part of an image that covers a box of cells, with so
        many px of the network's input per cell.
        """
        height, width = _sides(box)
        return unit_features(self._describe(part, (height * pixels, width * pixels)))


def _factor(anchor: Anchor) -> float:
    """By which the sides of a target grow in a close-up."""
    return min(LARGEST, (CELLS / anchor.area) ** 0.5)


def _sides(box: Box) -> tuple[int, int]:
    return box[0].stop - box[0].start, box[1].stop - box[1].start


def _pixels(box: Box, grid: Sequence[int], size: Sequence[int]) -> Box:
    """Rows and columns of an image of a size (H, W) that show a box of cells of a grid (h, w)."""
    rows, columns = (
        slice(round(cells.start * side / count), round(cells.stop * side / count))
        for cells, side, count in zip(box, size, grid, strict=True)
    )
    return rows, columns


def _unit(box: Box, close: Tensor) -> float:
    """Length in cells of the frame of a cell of a box that was looked at closely, (h', w')."""
    height, width = _sides(box)
    return float(np.sqrt(height * width / close.numel()))


def _resized(label: NDArray[np.float32], grid: Sequence[int]) -> Tensor:
    """Shares of cells (h, w) on another grid."""
    size = (grid[1], grid[0])
    return torch.from_numpy(cv2.resize(label, size, interpolation=cv2.INTER_AREA))


def _largest_part(label: Tensor) -> Tensor:
    """A soft label (h, w) without those connected parts above 0.5 that are not the largest."""
    mask = (label > 0.5).cpu().numpy().astype(np.uint8)
    count, parts, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    if count <= 2:
        return label
    largest = 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())
    stray = torch.from_numpy((parts > 0) & (parts != largest)).to(label.device)
    return label.masked_fill(stray, 0.0)
