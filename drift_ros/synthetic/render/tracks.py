"""Motion over the frames of a video, as arrays with a row per frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


def moments(frames: int) -> Array:
    """(frames,) time from 0 at the first frame to 1 at the last."""
    return np.arange(frames) / max(1, frames - 1)


def spline(knots: ArrayLike, frames: int) -> Array:
    """A smooth curve through knots at equal intervals of time (Catmull-Rom).

    Args:
        knots: (N, ...), N >= 2.
        frames: number of rows of the result.
    """
    points = np.asarray(knots, np.float64)
    padded = np.concatenate([2 * points[:1] - points[1:2], points, 2 * points[-1:] - points[-2:-1]])
    place = moments(frames) * (len(points) - 1)
    i = np.minimum(place.astype(int), len(points) - 2)
    t = (place - i).reshape(-1, *[1] * (points.ndim - 1))
    a, b, c, d = (padded[i + k] for k in range(4))
    return b + 0.5 * t * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)))


def wander(
    rng: np.random.Generator, frames: int, size: ArrayLike, knots: int = 4, drift: float = 1.0
) -> Array:
    """A smooth random walk (frames, len(size)) around 0.

    Args:
        frames: number of rows.
        size: standard deviation of every component.
        knots: number of random points on the way.
        drift: share of the steady motion in it; the rest is to and fro.
    """
    scale = np.atleast_1d(np.asarray(size, np.float64))
    points = rng.standard_normal((knots, len(scale))) * (1 - 0.6 * drift)
    points += drift * np.linspace(-1, 1, knots)[:, None] * rng.standard_normal(len(scale))
    return spline(points * scale, frames)


@dataclass(frozen=True, slots=True)
class Track:
    """How a cutout moves.

    Attributes:
        positions: (d, 3) of its centre in m in the world.
        angles: (d,) rotation in the image plane in rad, clockwise as seen.
        stretch: (d, 2) factors on its width and height.
        gait: (d,) progress of its own motion in turns.
    """

    positions: Array
    angles: Array
    stretch: Array
    gait: Array

    @classmethod
    def at(cls, positions: ArrayLike) -> Track:
        """Rigid motion through positions (d, 3)."""
        path = np.asarray(positions, np.float64)
        count = len(path)
        return cls(path, np.zeros(count), np.ones((count, 2)), np.zeros(count))
