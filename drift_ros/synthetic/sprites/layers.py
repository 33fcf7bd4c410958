"""Things as large as the view that one sees past: trunks, fences, branches, leaves, screens."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from drift_ros.synthetic.sprites.cutout import Cutout, Part
from drift_ros.synthetic.sprites.outlines import Mask, box, capsule, ellipse, fill
from drift_ros.synthetic.sprites.sprite import sprite
from drift_ros.synthetic.textures.colours import Texture
from drift_ros.synthetic.textures.noise import COARSE, NoiseBank

REACH = 1.0  # units to each side of what fills the view
SCREEN = 2.4  # of a screen, which hides at least a radius of 1
Filler = Callable[[int, np.random.Generator, NoiseBank], Mask]


def trunks(size: int, rng: np.random.Generator, bank: NoiseBank) -> Mask:
    """Trunks, poles or pillars, about upright."""
    count, wide = int(rng.integers(2, 6)), rng.uniform(0.02, 0.09)
    places = rng.uniform(-0.9, 0.9, count)
    lean = rng.normal(0, 0.06, (2, count))
    radii = wide * rng.uniform(0.5, 1.3, count)
    stems = [
        capsule((x + a, -1.2), (x + b, 1.2), 0.8 * r, r)
        for x, a, b, r in zip(places, *lean, radii, strict=True)
    ]
    return fill(stems, size, REACH)


def fence(size: int, rng: np.random.Generator, bank: NoiseBank) -> Mask:
    """Bars at equal distances, with rails or as a mesh."""
    pitch, share = rng.uniform(0.12, 0.4), rng.uniform(0.1, 0.3)
    slant = rng.choice([0.0, 0.0, 1.0])
    line = (np.arange(size, dtype=np.float32) + 0.5) * np.float32(2 * REACH / size)
    x, y = line[None], line[:, None]
    bars = ((x + slant * y) / pitch) % 1 < share
    rails = ((y - slant * x) / (pitch * rng.uniform(1, 4))) % 1 < share * (0.5 if slant == 0 else 1)
    top = y > rng.uniform(0, 0.9) if rng.random() < 0.5 else np.ones_like(y, bool)
    return np.where((bars | rails) & top, 255, 0).astype(np.uint8)


def branches(size: int, rng: np.random.Generator, bank: NoiseBank) -> Mask:
    """Boughs that fork and thin out, from a side of the view."""
    mask = np.zeros((size, size), np.uint8)
    side = rng.choice([-1.0, 1.0])
    tips = [(side * -1.1, rng.uniform(-0.9, 0.6), rng.normal(0, 0.4), rng.uniform(0.03, 0.07))]
    for _ in range(5):
        grown = []
        for x, y, turn, width in tips:
            for _ in range(2):
                way = turn + rng.normal(0, 0.45)
                step = rng.uniform(0.2, 0.5)
                end = (x + side * step * np.cos(way), y + step * np.sin(way))
                grown.append((*end, way, 0.65 * width))
                ends = [tuple(round((c + REACH) * size / 2) for c in p) for p in ((x, y), end)]
                cv2.line(mask, ends[0], ends[1], 255, max(3, int(width * size / 2)))
        tips = grown
    return mask


def leaves(size: int, rng: np.random.Generator, bank: NoiseBank) -> Mask:
    """Clumps with ragged edges, denser towards one border."""
    noise = bank.view(
        (size, size), rng, size / 160 * rng.uniform(0.6, 1.5), 2 + int(rng.integers(3))
    )
    shape = bank.view((size, size), rng, size / 160, COARSE)
    ramp = np.linspace(-1, 1, size, dtype=np.float32)
    ramp = np.rot90(np.broadcast_to(ramp, (size, size)), int(rng.integers(4)))
    level = 0.6 * noise + 0.4 * shape + 0.3 * ramp
    return np.where(level > rng.uniform(0.6, 0.75), 255, 0).astype(np.uint8)


def reeds(size: int, rng: np.random.Generator, bank: NoiseBank) -> Mask:
    """Tall grass that grows from below."""
    count, top = int(rng.integers(12, 50)), rng.uniform(-0.5, 0.5)
    x, bow = rng.uniform(-1.05, 1.05, count), rng.normal(0, 0.15, count)
    tips, width = top + rng.exponential(0.25, count), rng.uniform(0.008, 0.03)
    blades = [
        np.array(
            [
                (a - width, 1.1),
                (a + 0.4 * b - 0.6 * width, 0.5 + t / 2),
                (a + b, t),
                (a + 0.4 * b + 0.6 * width, 0.5 + t / 2),
                (a + width, 1.1),
            ]
        )
        for a, b, t in zip(x, bow, tips, strict=True)
    ]
    return fill(blades, size, REACH)


FILLERS: tuple[Filler, ...] = (trunks, trunks, fence, branches, leaves, reeds)


def layer(rng: np.random.Generator, bank: NoiseBank, colours: Texture) -> Cutout:
    """Something that fills the view -1..1 in part; `colours` are (n, n, 3)."""
    filler = FILLERS[int(rng.integers(len(FILLERS)))]
    # What is thinner than three texels would be seen, yet have no inside.
    mask = cv2.morphologyEx(filler(colours.shape[0], rng, bank), cv2.MORPH_OPEN, np.ones((3, 3)))
    if not mask.any() or mask.mean() > 160:  # nothing to see, or nothing to see past
        mask = trunks(colours.shape[0], rng, bank)
    return Cutout(filler.__name__, (Part(sprite(mask, colours, REACH, flat=True)),), upright=True)


def screen(rng: np.random.Generator, colours: Texture) -> Cutout:
    """A wall, trunk, box or bush that hides a circle of radius 1; `colours` are (n, n, 3)."""
    wide, high = rng.uniform(1, 1.5), rng.uniform(1, 2.2)
    outline = box(wide, high) if rng.random() < 0.7 else ellipse(wide + 0.1, high + 0.1)
    mask = fill([outline], colours.shape[0], SCREEN)
    part = Part(sprite(mask, colours, SCREEN, flat=True))
    return Cutout('screen', (part,), foot=high, upright=True)
