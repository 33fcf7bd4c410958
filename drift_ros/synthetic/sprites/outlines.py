"""Outlines of flat shapes, in units of the object: x to the right, y down, radius about 1."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

Polygon = NDArray[np.float64]
"""(N, 2) corners."""
Mask = NDArray[np.uint8]
"""(n, n) uint8, 255 inside, spanning -reach..reach in both directions."""

LETTERS = 'ABCDEFGHKLMNPRSTUVXYZ234567890?&#'
SHIFT = 4  # bits of the fraction of a px in OpenCV's drawing functions


def angles(count: int) -> NDArray[np.float64]:
    """Evenly spaced, in rad."""
    return np.linspace(0, 2 * np.pi, count, endpoint=False)


def radial(radii: NDArray[np.float64]) -> Polygon:
    """An outline from its radii in evenly spaced directions."""
    turn = angles(len(radii))
    return np.stack([radii * np.cos(turn), radii * np.sin(turn)], axis=-1)


def ellipse(width: float = 1.0, height: float = 1.0) -> Polygon:
    """An ellipse of these half axes."""
    return radial(np.ones(64)) * (width, height)


def box(width: float = 1.0, height: float = 1.0) -> Polygon:
    """A rectangle of these half sides."""
    return np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) * (width, height)


def capsule(start: tuple[float, float], stop: tuple[float, float], a: float, b: float) -> Polygon:
    """A limb between two points, of radius `a` at the first and `b` at the second."""
    turn = angles(24)
    circle = np.stack([np.cos(turn), np.sin(turn)], axis=-1)
    points = np.concatenate([np.array(start) + a * circle, np.array(stop) + b * circle])
    return cv2.convexHull(points.astype(np.float32))[:, 0].astype(np.float64)


def regular(rng: np.random.Generator) -> Polygon:
    """A polygon of 3 to 8 corners, nearly regular."""
    corners = int(rng.integers(3, 9))
    return radial(rng.uniform(0.85, 1.05, corners)) * (1, rng.uniform(0.5, 1))


def irregular(rng: np.random.Generator) -> Polygon:
    """A polygon of 5 to 10 corners at random radii."""
    return radial(rng.uniform(0.45, 1.1, int(rng.integers(5, 11))))


def star(rng: np.random.Generator) -> Polygon:
    """A star of 4 to 9 points."""
    inner = rng.uniform(0.4, 0.7)
    return radial(np.tile([1.1, inner], int(rng.integers(4, 10))))


def gear(rng: np.random.Generator) -> Polygon:
    """A wheel with teeth, or a flower: a wave around a circle."""
    wave = np.sin(int(rng.integers(5, 13)) * angles(240))
    return radial(0.9 + rng.uniform(0.06, 0.18) * np.tanh(rng.uniform(0.5, 4) * wave))


def blob(rng: np.random.Generator) -> Polygon:
    """A smooth irregular shape."""
    turn = angles(96)
    radii = np.full(96, 0.85)
    for k in range(1, 6):
        a, b = rng.standard_normal(2) * 0.22 / k
        radii += a * np.cos(k * turn) + b * np.sin(k * turn)
    return radial(np.clip(radii, 0.3, 1.25)) * (1, rng.uniform(0.6, 1))


def rounded(rng: np.random.Generator) -> Polygon:
    """Between an ellipse and a rectangle (a superellipse)."""
    turn, power = angles(96), rng.uniform(0.2, 1)
    c, s = np.cos(turn), np.sin(turn)
    outline = np.stack([np.sign(c) * np.abs(c) ** power, np.sign(s) * np.abs(s) ** power], -1)
    return outline * (1, rng.uniform(0.35, 1))


def heart(rng: np.random.Generator) -> Polygon:
    """A heart."""
    t = angles(96)
    x = 16 * np.sin(t) ** 3
    y = 13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t)
    return np.stack([x, -y], -1) / 17


def cross(rng: np.random.Generator) -> Polygon:
    """A cross, a T or an L: a bar and another one."""
    a, b = rng.uniform(0.2, 0.45, 2)
    shift = rng.choice([-1 + a, 0.0, 0.3])
    corners = [(-a, -1), (a, -1), (a, shift - b), (1, shift - b), (1, shift + b), (a, shift + b)]
    corners += [(a, 1), (-a, 1), (-a, shift + b), (-1, shift + b), (-1, shift - b), (-a, shift - b)]
    return np.clip(np.array(corners), -1, 1)


OUTLINES: tuple[Callable[[np.random.Generator], Polygon], ...] = (
    regular, irregular, star, gear, blob, blob, rounded, rounded, heart, cross,
)  # fmt: skip


def fill(polygons: list[Polygon], size: int, reach: float) -> Mask:
    """The union of polygons."""
    mask = np.zeros((size, size), np.uint8)
    for polygon in polygons:
        pixels = (polygon + reach) * (size / (2 * reach)) - 0.5
        fixed = np.rint(pixels * 2**SHIFT).astype(np.int32)
        cv2.fillPoly(mask, [fixed], 255, cv2.LINE_8, SHIFT)
    return mask


def shape(rng: np.random.Generator, size: int, reach: float) -> Mask:
    """One of the outlines, sometimes with a hole in it."""
    outline = OUTLINES[int(rng.integers(len(OUTLINES)))](rng)
    mask = fill([outline], size, reach)
    if rng.random() < 0.1:
        mask[fill([0.45 * outline], size, reach) > 0] = 0
    return mask


def letters(rng: np.random.Generator, size: int, reach: float) -> Mask:
    """One to three heavy letters or digits."""
    text = ''.join(rng.choice(list(LETTERS), int(rng.integers(1, 4))))
    font = int(rng.choice([cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_TRIPLEX]))
    thickness = int(rng.integers(5, 10))
    (width, height), _ = cv2.getTextSize(text, font, 2.0, thickness)
    picture = np.zeros((height + 40, width + 40), np.uint8)
    cv2.putText(picture, text, (20, height + 20), font, 2.0, 255, thickness, cv2.LINE_AA)
    # The longer side spans -1..1.
    side = max(picture.shape)
    scale = size / (reach * side)
    offset = (size - 1) / 2 - scale * (np.array(picture.shape[::-1]) - 1) / 2
    matrix = np.array([[scale, 0, offset[0]], [0, scale, offset[1]]])
    mask = cv2.warpAffine(picture, matrix, (size, size))
    return np.where(mask > 127, 255, 0).astype(np.uint8)
