"""What a user says about a target, and who turns it into a mask."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

BACKGROUND_POINT, OBJECT_POINT = 0, 1


def _no_points() -> NDArray[np.float64]:
    return np.zeros((0, 2))


def _no_labels() -> NDArray[np.uint8]:
    return np.zeros(0, np.uint8)


def _no_boxes() -> NDArray[np.float64]:
    return np.zeros((0, 4))


@dataclass(frozen=True, slots=True)
class Prompt:
    """One target, described by points, boxes, a mask, or any mix of them, on one image.

    Attributes:
        id: 1..254, or 0 for the next free id.
        name: free text.
        points: (N, 2) float64 (x, y) in px, origin at the centre of the top left pixel.
        point_labels: (N,) uint8, 1 = on the object, 0 = not on it.
        boxes: (M, 4) float64 (x, y, width, height) in px; together they cover the object.
        mask: (H, W) bool of the image's size, or None.
    """

    id: int = 0
    name: str = ''
    points: NDArray[np.float64] = field(default_factory=_no_points)
    point_labels: NDArray[np.uint8] = field(default_factory=_no_labels)
    boxes: NDArray[np.float64] = field(default_factory=_no_boxes)
    mask: NDArray[np.bool_] | None = None


class Segmenter(Protocol):
    """Turns prompts into masks."""

    name: str

    def segment(
        self, image: NDArray[np.uint8], prompts: Sequence[Prompt]
    ) -> list[NDArray[np.bool_]]:
        """Segment the prompted objects of one image.

        Whatever is computed for the image as a whole (an embedding) is computed once per call.

        Args:
            image: (H, W, 3) uint8 RGB.
            prompts: valid prompts for this image (see `validate`).

        Returns:
            One (H, W) bool mask per prompt, in order; a mask may be empty.
        """
        ...
