"""Shapes of bodies, seen from the front.

Coordinates (u, v) are relative to the body's centre and to its size: x to the right, y down, 1 =
the size of the body. Every function takes and gives float32 arrays of one shape.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]


class Shape(Protocol):
    """The outline and the relief of a body."""

    @property
    def extent(self) -> float:
        """Radius of a circle around the centre that holds the whole shape."""
        ...

    def distance(self, u: Array, v: Array) -> Array:
        """Distance to the outline, negative inside; the size is exact only near the outline."""
        ...

    def height(self, u: Array, v: Array) -> Array:
        """How far the surface stands out towards the camera; 0 on and beyond the outline."""
        ...

    def unwrap(self, u: Array, v: Array, turn: float) -> tuple[Array, Array]:
        """Place in the texture, -1..1 where the body is seen unturned; `turn` in rad is about v."""
        ...


class Flat:
    """A body without relief: it turns only in the image plane."""

    def height(self, u: Array, v: Array) -> Array:
        """0 everywhere."""
        return np.zeros_like(u)

    def unwrap(self, u: Array, v: Array, turn: float) -> tuple[Array, Array]:
        """The texture lies on it as it is."""
        return u, v


@dataclass(frozen=True)
class Ball:
    """A sphere of radius 1, under weak perspective (its outline is a circle)."""

    extent: float = 1.0

    def distance(self, u: Array, v: Array) -> Array:
        """Distance to the unit circle."""
        return np.hypot(u, v) - 1

    def height(self, u: Array, v: Array) -> Array:
        """Height of the unit hemisphere."""
        return np.sqrt(np.maximum(0, 1 - u * u - v * v))

    def unwrap(self, u: Array, v: Array, turn: float) -> tuple[Array, Array]:
        """Longitude and latitude, the visible half spanning -1..1."""
        longitude = np.arctan2(u, self.height(u, v)) + np.float32(turn)
        latitude = np.arcsin(np.clip(v, -1, 1))
        return longitude * np.float32(2 / np.pi), latitude * np.float32(2 / np.pi)


@dataclass(frozen=True)
class Box(Flat):
    """A rectangle of half width 1 and half height `aspect`, with corners rounded by `rounding`."""

    aspect: float = 1.0
    rounding: float = 0.0

    @property
    def extent(self) -> float:
        """Half the diagonal."""
        return float(np.hypot(1, self.aspect))

    def distance(self, u: Array, v: Array) -> Array:
        """Euclidean distance to the outline."""
        x = np.abs(u) - (1 - self.rounding)
        y = np.abs(v) - (self.aspect - self.rounding)
        outside = np.hypot(np.maximum(x, 0), np.maximum(y, 0))
        return outside + np.minimum(np.maximum(x, y), 0) - np.float32(self.rounding)
