"""Procedural textures, (H, W, 3) float32 in 0..255."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

Texture = NDArray[np.float32]


def fractal(
    size: tuple[int, int], rng: np.random.Generator, cells: int = 4, octaves: int = 5
) -> NDArray[np.float32]:
    """Smooth fractal noise: every octave has cells half as large and half the weight.

    Args:
        size: (H, W) in px.
        rng: source of randomness.
        cells: cells of the first octave along the shorter side.
        octaves: number of octaves.

    Returns:
        (H, W) float32, values spread evenly over 0..1.
    """
    height, width = size
    total = np.zeros(size, np.float32)
    for octave in range(octaves):
        cell = max(1.0, min(size) / (cells * 2**octave))
        grid = rng.random((int(height / cell) + 3, int(width / cell) + 3), np.float32)
        total += cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC) / 2**octave
    low, high = np.percentile(total, (1, 99))
    return np.clip((total - low) / max(high - low, 1e-6), 0, 1).astype(np.float32)


def colour_map(values: NDArray[np.float32], colours: Sequence[tuple[int, int, int]]) -> Texture:
    """Colours for values in 0..1, interpolated between equally spaced ones."""
    stops = np.linspace(0, 1, len(colours))
    channels = [np.interp(values, stops, channel) for channel in zip(*colours, strict=True)]
    return np.stack(channels, axis=-1).astype(np.float32)


def marble(
    size: tuple[int, int], rng: np.random.Generator, colours: Sequence[tuple[int, int, int]]
) -> Texture:
    """Veins through fractal noise."""
    noise = fractal(size, rng, cells=3, octaves=4)
    veins = 0.5 + 0.5 * np.sin((noise * 2.5) * 2 * np.pi)
    return colour_map(veins.astype(np.float32), colours)


def patches(
    size: tuple[int, int],
    rng: np.random.Generator,
    colours: Sequence[tuple[int, int, int]],
    count: int,
) -> Texture:
    """Overlapping rotated rectangles and ellipses of random size: edges and corners everywhere."""
    height, width = size
    canvas = colour_map(fractal(size, rng), colours)
    for _ in range(count):
        centre = (rng.uniform(0, width), rng.uniform(0, height))
        axes = rng.uniform(0.03, 0.16, 2) * min(size)
        angle = rng.uniform(0, 180)
        shade = rng.uniform(0.75, 1.2)
        plain = colours[int(rng.integers(len(colours)))]
        colour = [float(np.clip(shade * channel, 0, 255)) for channel in plain]
        box = (centre, (2 * axes[0], 2 * axes[1]), angle)
        if rng.random() < 0.5:
            cv2.ellipse(canvas, box, colour, -1, cv2.LINE_8)
        else:
            cv2.fillConvexPoly(canvas, cv2.boxPoints(box).astype(np.int32), colour, cv2.LINE_8)
    grain = fractal(size, rng, cells=48, octaves=2)[..., None] - 0.5
    return np.clip(cv2.GaussianBlur(canvas, (0, 0), 0.8) + 24 * grain, 0, 255).astype(np.float32)
