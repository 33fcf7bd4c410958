"""Paths of bodies and of the camera: time in, pose out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True, slots=True)
class Pose:
    """Where a body is.

    Attributes:
        position: (3,) in m in the world, whose axes are those of the camera at rest: x right, y
            down, z forward.
        angle: rotation in the image plane in rad, clockwise as seen.
        turn: rotation about the body's upright axis in rad.
    """

    position: NDArray[np.float64]
    angle: float = 0.0
    turn: float = 0.0


Path = Callable[[float], Pose]
"""Pose at a moment: 0 is the first frame of a scene, 1 the last one."""


def still(position: ArrayLike = (0, 0, 0)) -> Path:
    """No motion."""
    pose = Pose(np.asarray(position, np.float64))
    return lambda moment: pose


def through(points: ArrayLike, turns: float = 0.0, spin: float = 0.0) -> Path:
    """A smooth path through points at equal intervals of time (Catmull-Rom spline).

    Args:
        points: (N, 3) in m, N >= 2.
        turns: whole turns about the upright axis on the way.
        spin: whole turns in the image plane on the way.
    """
    knots = np.asarray(points, np.float64)
    padded = np.vstack([2 * knots[0] - knots[1], knots, 2 * knots[-1] - knots[-2]])
    last = len(knots) - 2

    def path(moment: float) -> Pose:
        place = min(max(moment, 0.0), 1.0) * (last + 1)
        i = min(int(place), last)
        t = place - i
        a, b, c, d = padded[i : i + 4]
        position = b + 0.5 * t * (
            c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a))
        )
        return Pose(position, 2 * np.pi * spin * moment, 2 * np.pi * turns * moment)

    return path
