"""Light and the shadows that cutouts throw."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from drift_ros.synthetic.render.raster import Floats, Raster, Region, times


@dataclass(frozen=True, slots=True)
class Light:
    """A far lamp in a bright room.

    Attributes:
        directions: (d, 3) of length 1 towards the lamp, in the world.
        ambient: share of light from everywhere.
        diffuse: share of the lamp's.
        gloss: strength of highlights, 0..1.
        shadow: share of light that a shadow takes away, 0..1.
        softness: width of a shadow's border, as a share of the cutout's size.
    """

    directions: NDArray[np.float64]
    ambient: float = 0.45
    diffuse: float = 0.65
    gloss: float = 0.0
    shadow: float = 0.4
    softness: float = 0.15

    def shade(self, x: Floats, y: Floats, towards: NDArray[np.float64]) -> Floats:
        """Gain (h, w) of a surface with normals (x, y, -sqrt(1 - x^2 - y^2)).

        Args:
            x, y: components of the normals in the image plane.
            towards: (3,) the lamp in the optical frame.
        """
        a, b, c = (np.float32(t) for t in towards)
        lamp = a * x
        lamp += b * y
        lamp -= c * _facing(x, y)
        np.maximum(0, lamp, out=lamp)
        lamp *= np.float32(self.diffuse)
        lamp += np.float32(self.ambient)
        # A surface that faces the camera keeps about its own colour.
        lamp /= np.float32(self.ambient + self.diffuse * max(0.35, -float(towards[2])))
        return lamp

    def level(self, towards: NDArray[np.float64]) -> float:
        """Gain of a surface that faces the camera; `towards` as of `shade`."""
        lamp = -float(towards[2])
        return (self.ambient + self.diffuse * max(0.0, lamp)) / (
            self.ambient + self.diffuse * max(0.35, lamp)
        )

    def shine(self, x: Floats, y: Floats, towards: NDArray[np.float64], gloss: float) -> Floats:
        """Highlight (h, w) in grey levels of such a surface; the eye is far away."""
        middle = towards - (0.0, 0.0, 1.0)
        a, b, c = (np.float32(m) for m in middle / np.linalg.norm(middle))
        near = a * x
        near += b * y
        near -= c * _facing(x, y)
        np.maximum(near, 0, out=near)
        for _ in range(4):  # to the power of 16
            near *= near
        return near * np.float32(200 * gloss)


def _facing(x: Floats, y: Floats) -> Floats:
    """The component towards the camera of unit vectors."""
    z = x * x
    np.subtract(1, z, out=z)
    z -= y * y
    np.maximum(0, z, out=z)
    return np.sqrt(z, out=z)


def drop_shadow(
    raster: Raster,
    where: Region,
    cover: Floats,
    shift: tuple[float, float],
    blur: float,
    strength: float,
) -> None:
    """Darken what is already there by a silhouette.

    Args:
        raster: the frame.
        where: region of the silhouette; its shadow may leave it.
        cover: (h, w) the silhouette.
        shift: (x, y) of the shadow in px.
        blur: standard deviation of its border in px.
        strength: share of light it takes away.
    """
    height, width = raster.depth.shape
    pad = int(np.ceil(2 * blur))
    dx, dy = (round(s) for s in shift)
    top, left = where[0].start + dy - pad, where[1].start + dx - pad
    rows = slice(max(0, top), min(height, where[0].stop + dy + pad))
    columns = slice(max(0, left), min(width, where[1].stop + dx + pad))
    if rows.start >= rows.stop or columns.start >= columns.stop:
        return
    soft = cv2.copyMakeBorder(cover, pad, pad, pad, pad, cv2.BORDER_CONSTANT, value=0)
    if blur >= 0.3:
        soft = cv2.GaussianBlur(soft, (0, 0), blur)
    dark = soft[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]
    image = raster.image[rows, columns]
    raster.image[rows, columns] = times(image, 1 - np.float32(strength) * dark)
