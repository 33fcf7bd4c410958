"""What is needed of anchors to recognize their targets by pixels. It goes with the anchors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from drift_ros.recognition import Recognizer, Sighting, View
from drift_ros.tracking.anchors import Anchor
from drift_ros.tracking.search import Point

SHOWN = 0.5  # probability from which on a place shows the target
NOTHING = 0.1  # below which other views of the target say no more
AGREES = 0.05
FREE = 0.75  # share of an outline that must not be another target's
NEVER = 0.02  # probability below which a place shows something else for certain

Image = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class Place:
    """What shows a target, or its twin.

    Attributes:
        label: (h, w) float32 the share of each cell that it has.
        area: in cells, the sum of that.
        middle: of it.
        scale: log of how much larger it is than the target was.
        deviation: expected absolute error of that.
        probability: 0..1 that it looks like the target.
    """

    label: Tensor
    area: float
    middle: Point
    scale: float
    deviation: float
    probability: float

    @classmethod
    def of(cls, label: Tensor, scale: float, deviation: float, probability: float) -> Place:
        """The place of a label that is above 0.5 somewhere."""
        rows, columns = (label > 0.5).nonzero().float().mean(0).tolist()
        return cls(label, float(label.sum()), (rows, columns), scale, deviation, probability)


class Recognition:
    """Views of anchors.

    Args:
        recognizer: compares them.
    """

    def __init__(self, recognizer: Recognizer) -> None:
        self._recognizer = recognizer
        self._views: WeakKeyDictionary[Anchor, View] = WeakKeyDictionary()

    def remember(self, anchor: Anchor, image: Image, mask: NDArray[np.bool_]) -> None:
        """Keep what is around a target.

        Args:
            anchor: of the frame.
            image: (H, W, 3) it.
            mask: (H, W) the target, somewhere true.
        """
        self._views[anchor] = View.of(image, mask)

    def look(
        self, middle: Point, anchors: Sequence[Anchor], image: Image, free: Tensor
    ) -> Place | None:
        """What a place shows, by the newest anchor that looks like it: its distance is the one that
        the target had last.

        Args:
            middle: of where a target may be.
            anchors: of the target.
            image: (H, W, 3) the frame.
            free: (h, w) bool, where it may be.

        Returns:
            The place with the target's outline there; None if it does not show the target.
        """
        grid = (free.shape[0], free.shape[1])
        best = self._best(middle, anchors, image, grid)
        if best.probability < SHOWN:
            return None
        mask = best.mask((image.shape[0], image.shape[1])).astype(np.float32)
        share = cv2.resize(mask, grid[::-1], interpolation=cv2.INTER_AREA)
        label = torch.from_numpy(share).to(free.device) * free
        if not bool((label > 0.5).any()):
            return None
        place = Place.of(label, best.scale, best.deviation, best.probability)
        return place if place.area >= FREE * float(share.sum()) else None

    def scale(
        self, middle: Point, anchors: Sequence[Anchor], image: Image, grid: tuple[int, int]
    ) -> float:
        """Log of how much larger what a place shows is than a target was; of (h, w) cells."""
        return self._best(middle, anchors, image, grid).scale

    def denies(self, at: tuple[float, float], anchors: Sequence[Anchor], image: Image) -> bool:
        """Whether what is around (x, y) px of an image (H, W, 3) is no target, by any anchor."""
        looks = (self._recognizer.look(self._views[each], image, at) for each in anchors)
        return all(look.probability < NEVER for look in looks)

    def misses(
        self,
        at: tuple[float, float],
        anchors: Sequence[Anchor],
        image: Image,
        mask: NDArray[np.bool_],
    ) -> bool:
        """Whether the target is not where a mask (H, W) around (x, y) px is, by any anchor."""
        size = (image.shape[0], image.shape[1])
        for each in anchors:
            look = self._recognizer.look(self._views[each], image, at)
            if look.probability < SHOWN:
                continue
            own = look.mask(size)
            if (own & mask).sum() >= AGREES * (own | mask).sum():
                return False
        return True

    def _best(
        self, middle: Point, anchors: Sequence[Anchor], image: Image, grid: tuple[int, int]
    ) -> Sighting:
        y, x = (
            float(round((at + 0.5) * side / cells))  # else the last bits of a mean would tell
            for at, side, cells in zip(middle, image.shape[:2], grid, strict=True)
        )
        looks: list[Sighting] = []
        for anchor in reversed(anchors):
            looks.append(self._recognizer.look(self._views[anchor], image, (x, y)))
            if not NOTHING <= looks[-1].probability < SHOWN:
                break
        return max(looks, key=lambda sighting: sighting.probability)
