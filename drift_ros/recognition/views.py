"""Views: what is around a place of an image, as the network sees it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from drift_ros.recognition.network import CHANNELS, MASK, PIXELS

BOXES = 2.2  # sides of a view in sides of the target's box
MEAN, SPREAD = 0.45, 0.25  # of colours
COARSE = 0.7  # px of a view per px of the image, below which the image is smoothed first

Image = NDArray[np.uint8]
Mask = NDArray[np.bool_]
Matrix = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class View:
    """How a target looked.

    Attributes:
        pixels: (5, 128, 128) see `cut`.
        side: of the view in px of the image.
    """

    pixels: Tensor
    side: float

    @classmethod
    def of(cls, image: Image, mask: Mask) -> View:
        """What is around a target.

        Args:
            image: (H, W, 3) RGB.
            mask: (H, W), somewhere true.
        """
        own = mask.astype(np.uint8)
        x, y, width, height = cv2.boundingRect(own)
        side = BOXES * max(width, height)
        middle = (x + width / 2, y + height / 2)
        return cls(cut(image, middle, side, own), side)


def cut(
    image: Image, middle: tuple[float, float], side: float, mask: Image | None = None
) -> Tensor:
    """(5, 128, 128) float32: RGB about 0, 1 where there is an image, and the mask or 0.

    Args:
        image: (H, W, 3) RGB.
        middle: (x, y) px from the image's upper left corner.
        side: px of the image that the view is wide and high.
        mask: (H, W) 0 or 1.
    """
    view = np.zeros((CHANNELS, PIXELS, PIXELS), np.float32)
    smooth = max(1, round(side / PIXELS)) if PIXELS / side < COARSE else 1
    spans = [
        _span(place, side, length, smooth + 1)
        for place, length in zip(middle, image.shape[1::-1], strict=True)
    ]
    columns, rows = (slice(*span) for span in spans)
    part = image[rows, columns]
    if not part.size:
        return torch.from_numpy(view)
    if smooth > 1:
        part = cv2.blur(part, (smooth, smooth)).astype(np.uint8, copy=False)
    matrix = transform((middle[0] - columns.start, middle[1] - rows.start), side, PIXELS)
    colours = cv2.warpAffine(part, matrix, (PIXELS, PIXELS))
    across, down = (
        _inside(place, side, length)
        for place, length in zip(middle, image.shape[1::-1], strict=True)
    )
    view[3] = down[:, None] & across
    view[:3] = (colours.transpose(2, 0, 1) / np.float32(255) - MEAN) / SPREAD * view[3]
    if mask is not None:
        own = mask[rows, columns].astype(np.float32)
        view[4] = cv2.warpAffine(own, matrix, (PIXELS, PIXELS))
    return torch.from_numpy(view)


def put(mask: Tensor, middle: tuple[float, float], side: float, size: tuple[int, int]) -> Mask:
    """(H, W) where a mask (64, 64) of a view is above 0.5, in an image of that size."""
    matrix = transform(middle, side, MASK)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    back = cv2.warpAffine(mask.cpu().numpy(), matrix, size[::-1], flags=flags)
    return np.asarray(back > 0.5, np.bool_)


def _span(middle: float, side: float, length: int, margin: int) -> tuple[int, int]:
    """First and last of the px of an image that a view shows, with a margin, along an axis."""
    first, last = middle - side / 2 - margin, middle + side / 2 + margin
    return min(max(0, math.floor(first)), length), min(max(0, math.ceil(last)), length)


def _inside(middle: float, side: float, length: int) -> NDArray[np.bool_]:
    """(128,) bool, which px of a view lie in an image, along an axis."""
    places = middle + side * ((np.arange(PIXELS) + 0.5) / PIXELS - 0.5)
    return np.asarray((places >= 0) & (places <= length))


def transform(middle: tuple[float, float], side: float, pixels: int) -> Matrix:
    """(2, 3) of places in an image to places in a view, (0, 0) being a pixel's centre."""
    scale = pixels / side
    offset = [scale * (0.5 - place) + pixels / 2 - 0.5 for place in middle]
    return np.array([[scale, 0, offset[0]], [0, scale, offset[1]]], np.float32)
