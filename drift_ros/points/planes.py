"""How places of a plane move from one image to another."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Matrix = NDArray[np.float64]
Bools = NDArray[np.bool_]

ROUNDS = 3  # of weighted least squares
FLAT = 0.1  # keeps the motion of a small plane from bending
LARGEST = 1e4  # change of areas


def transform(matrix: Matrix, places: Floats) -> Floats:
    """(N, 2) places through a homography (3, 3)."""
    if not len(places):
        return places
    moved = cv2.perspectiveTransform(places[None].astype(np.float64), matrix)
    return np.asarray(moved[0], np.float32)


def fit(
    start: Matrix, places: Floats, moved: Floats, near: float, size: tuple[int, int]
) -> tuple[Matrix, Bools]:
    """The homography near another one that takes places to where they moved, whatever a few of
    them do.

    Args:
        start: (3, 3), the other one.
        places, moved: (n, 2) in px of images (H, W).
        near: px beyond which a place has little weight.
        size: (H, W).

    Returns:
        (3, 3), and (n,) which of the places it takes there to within `near`.
    """
    led = transform(start, places)
    design = _design(led, size)
    step = design @ _least_squares(design, moved - led, near)
    good = np.linalg.norm(moved - led - step, axis=1) <= near
    found, _ = cv2.findHomography(places.astype(np.float64), led + step, 0)
    return (found if _sound(found) else start), good


def largest(places: Floats, moved: Floats, near: float) -> tuple[Matrix, Bools]:
    """How most of n places (n, 2) moved together, by RANSAC (Fischler and Bolles 1981), and (n,)
    which of them did.
    """
    affine, members = cv2.estimateAffine2D(places, moved, None, cv2.RANSAC, near, 300, 0.99, 5)
    if affine is None:
        return np.eye(3), np.zeros(len(places), bool)
    return np.vstack([affine, [0, 0, 1]]), members[:, 0] > 0


def _sound(found: Any) -> bool:
    """Whether this is a homography that can be inverted."""
    return (
        found is not None
        and bool(np.isfinite(found).all())
        and 1 / LARGEST < abs(np.linalg.det(found)) < LARGEST
    )


def _least_squares(
    rows: NDArray[np.float64], steps: NDArray[Any], near: float
) -> NDArray[np.float64]:
    """Motion (8,) of samples (n, 2, 8) with steps (n, 2) in px."""
    weights = np.ones(len(rows))
    motion: NDArray[Any] = np.zeros(8)
    ridge = 1e-6 * np.eye(8) + np.diag([0, 0, 0, 0, 0, 0, FLAT, FLAT])
    for _ in range(ROUNDS):
        weighted = (rows * weights[:, None, None]).reshape(-1, 8).T
        motion = np.linalg.solve(weighted @ rows.reshape(-1, 8) + ridge, weighted @ steps.ravel())
        off = np.square(steps - rows @ motion).sum(1) / near**2
        weights[:] = 1 / (1 + off) ** 2
    return motion


def _design(places: Floats, size: tuple[int, int]) -> NDArray[np.float64]:
    """(N, 2, 8), whose products with a motion are steps in px. What a plane does from one image
    (H, W) to the next is quadratic in the place (Longuet-Higgins and Prazdny 1980).
    """
    x, y = ((places + 0.5 - np.array(size[::-1]) / 2) * 2 / max(size)).T.astype(np.float64)
    one, zero = np.ones_like(x), np.zeros_like(x)
    across = [one, x, y, zero, zero, zero, x * x, x * y]
    down = [zero, zero, zero, one, x, y, x * y, y * y]
    return np.stack([np.stack(across, 1), np.stack(down, 1)], 1)
