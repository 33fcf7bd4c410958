"""Patterns: fields of values in 0..1 that colours are laid upon.

Each is a function (size, rng, bank) -> (H, W) float32; its scale is relative to the shorter side.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from drift_ros.synthetic.textures.noise import COARSE, NoiseBank, Values

Size = tuple[int, int]
Pattern = Callable[[Size, np.random.Generator, NoiseBank], Values]


def clouds(size: Size, rng: np.random.Generator, bank: NoiseBank) -> Values:
    """Noise of any roughness and scale."""
    return bank.view(size, rng, zoom=min(size) / 160 * 2.0 ** rng.uniform(-1.5, 1.5))


def veins(size: Size, rng: np.random.Generator, bank: NoiseBank) -> Values:
    """Bands that follow the contours of smooth noise: marble, wood, fur markings."""
    noise = bank.view(size, rng, min(size) / 160 * rng.uniform(0.7, 2.5), _coarse(rng))
    ramp = _ramp(size, rng) * np.float32(rng.uniform(0, 3))
    turns = ramp + noise * np.float32(rng.uniform(1.5, 4))
    return np.float32(0.5) + np.float32(0.5) * np.sin(np.float32(2 * np.pi) * turns)


def stripes(size: Size, rng: np.random.Generator, bank: NoiseBank) -> Values:
    """Straight or wavy stripes with soft or hard edges."""
    phase = _ramp(size, rng) * np.float32(rng.uniform(2, 9))
    if rng.random() < 0.6:
        phase = phase + bank.view(size, rng, min(size) / 120, COARSE) * np.float32(
            rng.uniform(0.2, 1.2)
        )
    return _profile(np.sin(np.float32(2 * np.pi) * phase), rng)


def checks(size: Size, rng: np.random.Generator, bank: NoiseBank) -> Values:
    """Squares of a chessboard, or the threads of a plaid."""
    turn = rng.uniform(0, np.pi)
    count = rng.uniform(2, 8)
    a, b = (
        np.sin(np.float32(2 * np.pi * count) * _ramp(size, rng, turn + t)) for t in (0, np.pi / 2)
    )
    if rng.random() < 0.6:
        return _profile(a * b, rng)
    return 0.5 * _profile(a, rng) + 0.5 * _profile(b, rng)


def spots(size: Size, rng: np.random.Generator, bank: NoiseBank) -> Values:
    """Dots of one size at random places or on a grid."""
    distance, _, spacing = _seeds(size, rng)
    edge = rng.uniform(0.2, 0.4) * spacing
    return np.clip((edge - distance) / np.float32(rng.uniform(0.04, 0.2) * spacing) + 0.5, 0, 1)


def cells(size: Size, rng: np.random.Generator, bank: NoiseBank) -> Values:
    """Cells around random points, each with one value: scales, stones, giraffes."""
    distance, nearest, spacing = _seeds(size, rng)
    values = rng.random(int(nearest.max()) + 1, np.float32)[nearest]
    shade = np.clip(1 - distance / np.float32(1.2 * spacing), 0, 1)
    return values * shade if rng.random() < 0.5 else 0.6 * values + 0.4 * shade


def bricks(size: Size, rng: np.random.Generator, bank: NoiseBank) -> Values:
    """Courses of bricks, tiles or planks with joints between them."""
    height, width = size
    rows = rng.uniform(4, 12)
    y = np.arange(height, dtype=np.float32)[:, None] / height * rows
    course = np.floor(y)
    shift = 0.5 * (course % 2) if rng.random() < 0.7 else np.zeros_like(y)
    x = np.arange(width, dtype=np.float32) / height * rows / rng.uniform(1, 4) + shift
    column = np.floor(x)
    joint = np.float32(rng.uniform(0.04, 0.12))
    hit = (y - course < joint) | (x - column < joint)
    tone = np.sin(course * 12.9898 + column * 78.233).astype(np.float32) * 43758.547
    values = 0.35 + 0.65 * (tone - np.floor(tone))
    return np.where(hit, np.float32(0), values).astype(np.float32)


def gradient(size: Size, rng: np.random.Generator, bank: NoiseBank) -> Values:
    """From one side to the other."""
    ramp = _ramp(size, rng)
    low, high = float(ramp.min()), float(ramp.max())
    return (ramp - low) / max(high - low, 1e-6)


def flat(size: Size, rng: np.random.Generator, bank: NoiseBank) -> Values:
    """One value."""
    return np.full(size, rng.random(), np.float32)


PATTERNS: tuple[tuple[Pattern, float], ...] = (
    (clouds, 0.26), (veins, 0.14), (stripes, 0.12), (checks, 0.08), (spots, 0.1), (cells, 0.1),
    (bricks, 0.05), (gradient, 0.07), (flat, 0.08),
)  # fmt: skip


def pattern(size: Size, rng: np.random.Generator, bank: NoiseBank) -> Values:
    """One of all patterns."""
    functions, weights = zip(*PATTERNS, strict=True)
    return functions[int(rng.choice(len(functions), p=weights))](size, rng, bank)


def _coarse(rng: np.random.Generator) -> int:
    return COARSE + int(rng.integers(3))


def _ramp(size: Size, rng: np.random.Generator, angle: float | None = None) -> Values:
    """Rises by 1 per shorter side, in a random direction."""
    turn = rng.uniform(0, 2 * np.pi) if angle is None else angle
    y = np.arange(size[0], dtype=np.float32)[:, None] * np.float32(np.sin(turn) / min(size))
    x = np.arange(size[1], dtype=np.float32) * np.float32(np.cos(turn) / min(size))
    return x + y


def _profile(wave: Values, rng: np.random.Generator) -> Values:
    """A sine wave in -1..1 made sharper, and one half of it wider."""
    sharpness, bias = rng.uniform(0.6, 8), rng.uniform(-0.5, 0.5)
    return np.clip(0.5 + np.float32(sharpness) * (wave + np.float32(bias)), 0, 1)


def _seeds(size: Size, rng: np.random.Generator) -> tuple[Values, np.ndarray, float]:
    """Distance in px to the nearest of scattered points, its number, and their spacing in px."""
    spacing = min(size) / rng.uniform(3, 11)
    height, width = (int(side / spacing) + 2 for side in size)
    jitter = rng.choice([0.0, 0.35, 1.0])
    grid = np.moveaxis(np.indices((height, width), float), 0, -1)
    if rng.random() < 0.5:
        grid = grid + np.array([0, 0.5]) * (grid[..., :1] % 2)
    points = ((grid + jitter * (rng.random(grid.shape) - 0.5)) * spacing).reshape(-1, 2)
    points = points[((points >= 0) & (points < np.array(size))).all(-1)].astype(int)
    mask = np.ones(size, np.uint8)
    mask[points[:, 0], points[:, 1]] = 0
    distance, nearest = cv2.distanceTransformWithLabels(
        mask, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    return distance, nearest, float(spacing)
