"""What is needed of anchors to recognize their targets by pixels. It goes with the anchors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from weakref import WeakKeyDictionary

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from drift_ros.recognition import Recognizer, Sighting, View
from drift_ros.tracking.anchors import Anchor, Place

Image = NDArray[np.uint8]


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
        self, place: Place, anchors: Sequence[Anchor], image: Image, free: Tensor
    ) -> Place | None:
        """What a place shows, by the anchor whose size is surely most like it.

        Args:
            place: where a target may be.
            anchors: of the target.
            image: (H, W, 3) the frame.
            free: (h, w) bool, where it may be.

        Returns:
            The place with the target's outline there; None if it does not show the target.
        """
        grid = (free.shape[0], free.shape[1])
        best = self._best(place, anchors, image, grid)
        if best.probability < 0.5:
            return None
        mask = best.mask((image.shape[0], image.shape[1])).astype(np.float32)
        share = cv2.resize(mask, grid[::-1], interpolation=cv2.INTER_AREA)
        label = torch.from_numpy(share).to(free.device) * free
        if not bool((label > 0.5).any()):
            return None
        shown = Place.of(label, best.probability)
        return replace(shown, scale=best.scale, deviation=best.deviation)

    def scale(self, place: Place, anchors: Sequence[Anchor], image: Image) -> float:
        """Log of how much larger what a place shows is than a target was."""
        grid = (place.label.shape[0], place.label.shape[1])
        return self._best(place, anchors, image, grid).scale

    def _best(
        self, place: Place, anchors: Sequence[Anchor], image: Image, grid: tuple[int, int]
    ) -> Sighting:
        y, x = (
            float(round((at + 0.5) * side / cells))  # else the last bits of a mean would tell
            for at, side, cells in zip(place.middle, image.shape[:2], grid, strict=True)
        )
        looks = [self._recognizer.look(self._views[each], image, (x, y)) for each in anchors]
        return min(looks, key=lambda sighting: abs(sighting.scale) + sighting.deviation)
