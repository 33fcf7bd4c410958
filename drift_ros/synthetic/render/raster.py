"""A frame in the making, and how a patch gets onto it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import ceil, floor

import cv2
import numpy as np
from numpy.typing import NDArray

from drift_ros.synthetic.ground_truth import Camera

Region = tuple[slice, slice]
"""Rows and columns."""
Floats = NDArray[np.float32]


@dataclass(slots=True)
class Raster:
    """A picture with what is seen at every px.

    Attributes:
        image: (H, W, 3) float32 RGB in 0..255.
        surface: (H, W) uint8, number of the surface seen at the pixel's centre.
        depth: (H, W) float32 along the optical axis in m.
    """

    image: Floats
    surface: NDArray[np.uint8]
    depth: Floats


@dataclass(frozen=True, slots=True)
class Blur:
    """What softens a patch.

    Attributes:
        motion: (x, y) way during the exposure in px.
        defocus: standard deviation of the blur by the lens in px.
    """

    motion: tuple[float, float] = (0.0, 0.0)
    defocus: float = 0.0

    @property
    def reach(self) -> int:
        """How far it spreads in px."""
        return int(np.ceil(max(map(abs, self.motion)) / 2 + 2 * self.defocus))

    def apply(self, image: Floats) -> Floats:
        """The softened image (h, w) or (h, w, channels)."""
        border = cv2.BORDER_REPLICATE
        if np.hypot(*self.motion) >= 1:
            image = cv2.filter2D(image, -1, line(self.motion), borderType=border)
        if self.defocus >= 0.25:
            image = cv2.GaussianBlur(image, (0, 0), self.defocus, borderType=border)
        return image


@lru_cache(maxsize=64)
def line(way: tuple[float, float]) -> Floats:
    """A motion blur's kernel: a line through its middle, each point shared by the px around it."""
    radius = int(np.ceil(max(map(abs, way)) / 2))
    side = 2 * radius + 2
    place = radius + np.linspace(-0.5, 0.5, 8 * radius + 9)[:, None] * np.array(way)
    corner = np.floor(place).astype(int)
    x, y = (place - corner).T
    kernel = np.zeros(side * side)
    first = corner[:, 1] * side + corner[:, 0]
    for offset, weight in (
        (0, (1 - y) * (1 - x)),
        (1, (1 - y) * x),
        (side, y * (1 - x)),
        (side + 1, y * x),
    ):
        kernel += np.bincount(first + offset, weight, side * side)
    kernel = kernel.reshape(side, side)[:-1, :-1]
    return (kernel / kernel.sum()).astype(np.float32)


def times(image: NDArray, gain: Floats) -> Floats:
    """An image (h, w, 3) times its gain (h, w), as float32."""
    return cv2.multiply(image, cv2.merge([gain, gain, gain]), dtype=cv2.CV_32F)


def region(camera: Camera, corners: NDArray[np.float64], margin: float) -> Region | None:
    """The part of the image that points (N, 2) in px span, or None if it is empty."""
    x, y = corners.T.tolist()
    left, top = max(0, floor(min(x) - margin)), max(0, floor(min(y) - margin))
    right = min(camera.width, ceil(max(x) + margin) + 1)
    bottom = min(camera.height, ceil(max(y) + margin) + 1)
    if right <= left or bottom <= top:
        return None
    return slice(top, bottom), slice(left, right)


def put(
    raster: Raster,
    where: Region,
    colour: Floats,
    cover: Floats,
    inside: NDArray[np.bool_],
    depth: Floats,
    surface: int,
    blur: Blur,
) -> None:
    """Lay a patch over what is farther.

    Args:
        raster: the frame.
        colour: (h, w, 3), going on beyond the outline.
        cover: (h, w) covered share of every px.
        inside: (h, w) where the pixel's centre is covered.
        depth: (h, w) in m, also beyond the outline.
        surface: number of the surface.
        blur: of colours; the truth stays sharp, as of the middle of the exposure.
    """
    nearer = depth < raster.depth[where]
    alpha = blur.apply(cover) * nearer
    raster.image[where] = cv2.blendLinear(blur.apply(colour), raster.image[where], alpha, 1 - alpha)
    seen = inside & nearer
    np.copyto(raster.surface[where], np.uint8(surface), where=seen)
    np.copyto(raster.depth[where], depth, where=seen)
