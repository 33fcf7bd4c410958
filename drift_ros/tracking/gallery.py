"""How targets looked: two anchors of each, the frame that it was prompted on, and the last one in
which all of it was seen for certain.
"""

from __future__ import annotations

import math
from collections.abc import Collection

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from drift_ros.descriptors import Descriptors
from drift_ros.recognition import Recognizer
from drift_ros.tracking.anchors import Anchor, unit_features
from drift_ros.tracking.recognition import Image, Place, Recognition
from drift_ros.tracking.search import Point

Labels = NDArray[np.uint8]


class Gallery:
    """The anchors of all targets.

    Args:
        recognizer: compares them with what a frame shows.

    Attributes:
        recognition: the same, of anchors.
    """

    def __init__(self, recognizer: Recognizer) -> None:
        self.recognition = Recognition(recognizer)
        self.reset()

    def reset(self) -> None:
        """Forget all targets."""
        self._given: dict[int, Anchor] = {}
        self._last: dict[int, Anchor] = {}
        self._described: tuple[Descriptors, Tensor] | None = None  # features of the last frame

    def keep(self, ids: Collection[int]) -> None:
        """Forget the targets that are not among these."""
        for anchors in (self._given, self._last):
            for target in anchors.keys() - set(ids):
                del anchors[target]

    def go_back_to(self, number: int) -> None:
        """Forget what was seen from this frame number on."""
        for anchors in (self._given, self._last):
            for target in [t for t, anchor in anchors.items() if anchor.number >= number]:
                del anchors[target]

    def forget(self, target: int) -> None:
        """A target was given anew."""
        self._given.pop(target, None)
        self._last.pop(target, None)

    def remember(
        self,
        number: int,
        image: Image,
        descriptors: Descriptors,
        labels: Labels,
        target: int,
        given: bool,
    ) -> None:
        """Take a frame for an anchor.

        Args:
            number: of the frame.
            image: (H, W, 3) it.
            descriptors: of the frame (n = 1).
            labels: (H, W) ids.
            target: id of one that is there.
            given: whether it was prompted.
        """
        shown = labels == target
        every = shares(labels > 0, descriptors)
        anchor = Anchor.of(number, self.features(descriptors), shares(shown, descriptors), every)
        (self._given if given else self._last)[target] = anchor
        self.recognition.remember(anchor, image, shown)

    def features(self, descriptors: Descriptors) -> Tensor:
        """(C, h, w) float32 what anchors are made of: keys of unit length, of the first head if
        there are several, on the grid of labels. They are made once per frame.
        """
        if self._described is None or self._described[0] is not descriptors:
            self._described = (descriptors, unit_features(descriptors))
        return self._described[1]

    def of(self, target: int) -> list[Anchor]:
        """The anchors of a target, the given one first."""
        return [anchors[target] for anchors in (self._given, self._last) if target in anchors]

    def areas(self, target: int) -> list[float]:
        """Of a target in its anchors, in cells."""
        return [anchor.area for anchor in self.of(target)]

    def side(self, target: int) -> float:
        """Square root of its area, in cells."""
        return math.sqrt(max(self.areas(target)))

    def look(self, middle: Point, target: int, image: Image, free: Tensor) -> Place | None:
        """What a place shows, see `Recognition.look`; of a target that has anchors.

        Args:
            middle: in cells.
            target: its id.
            image: (H, W, 3) the frame.
            free: (h, w) bool, where the target may be.
        """
        return self.recognition.look(middle, self.of(target), image, free)

    def scale(self, middle: Point, target: int, image: Image, grid: tuple[int, int]) -> float:
        """Log of how much larger what a place shows is than a target, see `Recognition.scale`."""
        return self.recognition.scale(middle, self.of(target), image, grid)


def shares(mask: NDArray[np.bool_], descriptors: Descriptors) -> Tensor:
    """(h, w) float32, the share of each cell that a mask (H, W) covers."""
    height, width = descriptors.grid
    pixels = mask.astype(np.float32)  # so that a single pixel is not rounded away
    share = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA)
    return torch.from_numpy(share).to(descriptors.keys[0].device)
