"""Textures of objects and backgrounds, put together from patterns and palettes."""

from __future__ import annotations

import cv2
import numpy as np

from drift_ros.synthetic.textures.colours import Colours, Texture, colourise, palette, scaled
from drift_ros.synthetic.textures.noise import COARSE, GRAIN, NoiseBank
from drift_ros.synthetic.textures.patterns import Size, pattern

LEAF_POINTS = 12
CALM = 0.07  # share of vivid palettes in backgrounds


def texture(
    size: Size, rng: np.random.Generator, bank: NoiseBank, colours: Colours | None = None
) -> Texture:
    """A surface of one material, or of two with a border between them, with fine grain."""
    colours = palette(rng) if colours is None else colours
    image = colourise(pattern(size, rng, bank), colours)
    if rng.random() < 0.4:
        other = palette(rng) if rng.random() < 0.5 else colours[::-1]
        second = colourise(pattern(size, rng, bank), other)
        border = bank.view(size, rng, min(size) / 150, COARSE + int(rng.integers(3)))
        image = np.where((border > rng.uniform(0.35, 0.7))[..., None], second, image)
    return grained(image, rng, bank, rng.uniform(0, 0.5))


def grained(image: Texture, rng: np.random.Generator, bank: NoiseBank, amount: float) -> Texture:
    """Lighter and darker by fine noise; `amount` is the largest change as a share."""
    noise = bank.view(image.shape[:2], rng, rng.uniform(0.7, 1.6), GRAIN + int(rng.integers(3)))
    return scaled(image, np.float32(1 - amount / 2) + np.float32(amount) * noise)


def leaves(
    size: Size, rng: np.random.Generator, bank: NoiseBank, colours: Colours | None = None
) -> Texture:
    """Textured shapes of all sizes on top of each other: edges and corners everywhere.

    Their radii follow a power law, as the objects of real pictures do (the dead leaves model: Lee,
    Mumford and Huang, Int. J. Computer Vision 41, 2001).
    """
    base = palette(rng, 5, CALM) if colours is None else colours
    index = np.zeros(size, np.uint8)
    count = int(rng.integers(40, 200))
    smallest, largest = 0.015 * min(size), 0.3 * min(size)
    radii = smallest / (1 - rng.random(count) * (1 - smallest / largest))
    corners = np.full(count, LEAF_POINTS) if rng.random() < 0.5 else rng.integers(3, 7, count)
    turns = np.arange(LEAF_POINTS) * (2 * np.pi / corners[:, None]) + rng.uniform(0, 7, (count, 1))
    lengths = np.sort(radii)[::-1, None] * rng.uniform(0.6, 1.2, (count, LEAF_POINTS))
    x = lengths * np.cos(turns) + rng.uniform(0, size[1], (count, 1))
    y = lengths * np.sin(turns) * rng.uniform(0.4, 1, (count, 1)) + rng.uniform(
        0, size[0], (count, 1)
    )
    outlines = np.rint(np.stack([x, y], -1)).astype(np.int32)
    for i in range(count):
        cv2.fillPoly(index, [outlines[i, : corners[i]]], 1 + i % 255)
    plain = base[rng.integers(len(base), size=256)] + 18 * rng.standard_normal((256, 3))
    image = np.take(np.clip(plain, 0, 255).astype(np.uint8), index, axis=0)
    first, second = (pattern(size, rng, bank) for _ in range(2))
    strength = np.take(rng.uniform(0, 0.9, 256).astype(np.float32), index)
    gain = np.where(index % 2 == 1, first, second) * strength + (1 - np.float32(0.6) * strength)
    return grained(scaled(image, gain), rng, bank, rng.uniform(0, 0.4))


def landscape(size: Size, rng: np.random.Generator, bank: NoiseBank) -> Texture:
    """A sky and bands of ground before it, each with an uneven upper edge."""
    height, width = size
    sky = np.linspace(0, 1, height, dtype=np.float32)[:, None] * np.ones(width, np.float32)
    image = colourise(sky, palette(rng, 2, CALM))
    if rng.random() < 0.5:
        clouds = bank.view(size, rng, height / 150, 4)
        image = scaled(image, np.float32(0.8) + np.float32(0.5) * clouds)
    rows = np.arange(height, dtype=np.float32)[:, None]
    for top in sorted(rng.uniform(0.15, 0.9, int(rng.integers(1, 5)))):
        line = bank.view((1, width), rng, rng.uniform(0.3, 2), int(rng.integers(1, 8)))[0]
        edge = height * (np.float32(top) + np.float32(rng.uniform(0.02, 0.25)) * (line - 0.5))
        first = min(max(0, int(edge.min())), height - 8)
        kind = leaves if rng.random() < 0.5 else texture
        ground = kind((height - first, width), rng, bank, palette(rng, 4, CALM))
        np.copyto(image[first:], ground, where=(rows[first:] > edge)[..., None])
    return image


def backdrop(size: Size, rng: np.random.Generator, bank: NoiseBank) -> Texture:
    """A background: a landscape, a wall of one material, or clutter; sharp or out of focus."""
    kind = rng.random()
    if kind < 0.3:
        image = landscape(size, rng, bank)
    elif kind < 0.55:
        image = texture(size, rng, bank, palette(rng, 4, CALM))
    else:
        image = leaves(size, rng, bank)
    if rng.random() < 0.25:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.8, 3))
    return image
