"""Views: what is around a place of an image, as the network sees it."""

from __future__ import annotations

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
        area: of the target in px of the image.
    """

    pixels: Tensor
    side: float
    area: int

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
        return cls(cut(image, middle, side, own), side, cv2.countNonZero(own))


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
    scale = PIXELS / side
    matrix = transform(middle, side, PIXELS)
    if scale < COARSE:
        width = round(1 / scale)
        image = cv2.blur(image, (width, width)).astype(np.uint8, copy=False)
    view = np.zeros((CHANNELS, PIXELS, PIXELS), np.float32)
    inside = np.ones(image.shape[:2], np.uint8)
    colours, inside = (cv2.warpAffine(each, matrix, (PIXELS, PIXELS)) for each in (image, inside))
    view[:3] = (colours.transpose(2, 0, 1) / np.float32(255) - MEAN) / SPREAD * inside
    view[3] = inside
    if mask is not None:
        view[4] = cv2.warpAffine(mask.astype(np.float32), matrix, (PIXELS, PIXELS))
    return torch.from_numpy(view)


def put(mask: Tensor, middle: tuple[float, float], side: float, size: tuple[int, int]) -> Mask:
    """(H, W) where a mask (64, 64) of a view is above 0.5, in an image of that size."""
    matrix = transform(middle, side, MASK)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    back = cv2.warpAffine(mask.cpu().numpy(), matrix, size[::-1], flags=flags)
    return np.asarray(back > 0.5, np.bool_)


def transform(middle: tuple[float, float], side: float, pixels: int) -> Matrix:
    """(2, 3) of places in an image to places in a view, (0, 0) being a pixel's centre."""
    scale = pixels / side
    offset = [scale * (0.5 - place) + pixels / 2 - 0.5 for place in middle]
    return np.array([[scale, 0, offset[0]], [0, scale, offset[1]]], np.float32)
