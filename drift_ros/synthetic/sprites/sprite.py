"""A sprite: the picture of one part, with its outline and its relief."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from drift_ros.synthetic.sprites.outlines import Mask
from drift_ros.synthetic.textures.colours import Texture

MARGIN = 4  # texels around the outline, and the raster's sides are multiples of it
LEVELS = 3
DISTANCE, NORMAL_X, NORMAL_Y, HEIGHT = range(4)

Level = tuple[Texture, NDArray[np.float32], float]
"""Colours, geometry, and texels per unit."""


@dataclass(frozen=True)
class Sprite:
    """A raster (h, w) in the units of a cutout.

    Attributes:
        colours: (h, w, 3) uint8 RGB.
        geometry: (h, w, 4) float32: distance to the outline in units (negative inside), the two
            components of the surface normal in the image plane, and how far the surface stands
            out towards the camera in units. Of a flat one (h, w): the distance alone.
        corner: its upper left corner in units.
        scale: texels per unit.
    """

    colours: Texture
    geometry: NDArray[np.float32]
    corner: NDArray[np.float64]
    scale: float

    @property
    def flat(self) -> bool:
        """Whether it has no relief, and is quicker to draw."""
        return self.geometry.ndim == 2

    @property
    def distance(self) -> NDArray[np.float32]:
        """(h, w) to the outline in units, negative inside."""
        return self.geometry if self.flat else self.geometry[..., DISTANCE]

    @cached_property
    def levels(self) -> list[Level]:
        """At full, half and quarter size, for when it is seen from afar."""
        levels = [(self.colours, self.geometry, self.scale)]
        for _ in range(LEVELS - 1):
            colours, geometry, scale = levels[-1]
            height, width = geometry.shape[:2]
            if height % 2 or width % 2 or min(height, width) < MARGIN * 2:
                break
            half = (width // 2, height // 2)
            colours = cv2.resize(colours, half, interpolation=cv2.INTER_AREA)
            geometry = cv2.resize(geometry, half, interpolation=cv2.INTER_AREA)
            levels.append((colours, geometry, scale / 2))
        return levels

    def level(self, scale: float) -> Level:
        """The level that suits a scale in px per unit: not much finer than the px are."""
        excess = max(0, int(np.log2(max(self.scale / scale, 1e-9) * 0.8)))
        return self.levels[min(excess, len(self.levels) - 1)]

    @cached_property
    def bounds(self) -> NDArray[np.float64]:
        """(4, 2) corners of a box around the outline in units."""
        rows, columns = np.nonzero(self.distance <= 0)
        left, right = columns.min() - 1, columns.max() + 2
        top, bottom = rows.min() - 1, rows.max() + 2
        corners = np.array([(left, top), (right, top), (right, bottom), (left, bottom)])
        return self.corner + corners / self.scale

    @cached_property
    def area(self) -> float:
        """Its area in square units."""
        return float(np.count_nonzero(self.distance <= 0)) / self.scale**2

    def sample(self, rng: np.random.Generator, count: int) -> NDArray[np.float64]:
        """Points (count, 2) in units, evenly spread over the inside, off its edge where it can."""
        distance = self.distance
        rows, columns = np.nonzero(distance < max(-0.04, float(distance.min()) / 2))
        chosen = rng.integers(len(rows), size=count)
        return self.corner + (np.stack([columns, rows], -1)[chosen] + 0.5) / self.scale


def sprite(
    mask: Mask, colours: Texture, reach: float, bulge: float = 0.3, flat: bool = False
) -> Sprite:
    """A sprite that bulges towards the camera.

    Args:
        mask: (n, n) uint8, not 0 inside, spanning -reach..reach; n is a multiple of 4; the outline
            keeps off the edges.
        colours: (n, n, 3) uint8, what lies on it.
        reach: in units.
        bulge: height of the relief in units; 0 makes a cardboard cutout.
        flat: whether it is one that is quick to draw, whatever `bulge` is.
    """
    scale = mask.shape[0] / (2 * reach)
    left, top, width, height = cv2.boundingRect(mask)
    crop = tuple(
        slice(
            max(0, (start - MARGIN) // MARGIN * MARGIN),
            min(mask.shape[0], -(-(start + length + MARGIN) // MARGIN) * MARGIN),
        )
        for start, length in ((top, height), (left, width))
    )
    corner = np.array([crop[1].start, crop[0].start]) / scale - reach
    geometry = _geometry(
        np.ascontiguousarray(mask[crop]), np.float32(scale), np.float32(0 if flat else bulge)
    )
    if flat:
        geometry = np.ascontiguousarray(geometry[..., DISTANCE])
    return Sprite(np.ascontiguousarray(colours[crop]), geometry, corner, scale)


def _geometry(mask: Mask, scale: np.float32, bulge: np.float32) -> NDArray[np.float32]:
    outside = cv2.distanceTransform(255 - mask, cv2.DIST_L2, 5)
    inside = cv2.distanceTransform(mask, cv2.DIST_L2, 5)
    # Either distance is to the nearest px of the other kind; the outline is half a px before it.
    texels = np.where(mask > 0, np.float32(0.5) - inside, outside - np.float32(0.5))
    distance = cv2.GaussianBlur(texels, (0, 0), 0.7) / scale
    geometry = np.zeros((*mask.shape, 4), np.float32)
    geometry[..., DISTANCE] = distance
    if bulge > 0:
        depth = max(float(-distance.min()), 1e-3)
        slope = np.clip(1 + distance / np.float32(depth), 0, 1)
        height = bulge * np.sqrt(1 - slope**2)
        smooth = cv2.GaussianBlur(height, (0, 0), max(1.0, 0.25 * depth * float(scale)))
        x = -cv2.Sobel(smooth, cv2.CV_32F, 1, 0, scale=float(scale) / 8)
        y = -cv2.Sobel(smooth, cv2.CV_32F, 0, 1, scale=float(scale) / 8)
        length = np.sqrt(x * x + y * y + 1)
        geometry[..., NORMAL_X], geometry[..., NORMAL_Y] = x / length, y / length
        geometry[..., HEIGHT] = height
    return geometry
