"""Palettes, and values made colours."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from drift_ros.synthetic.textures.noise import Values

Colours = NDArray[np.float32]
"""(N, 3) float32 RGB in 0..255."""
Texture = NDArray[np.uint8]
"""(H, W, 3) uint8 RGB."""

# Hues in degrees (from, to) that fill most of real pictures: earth, foliage, sky, skin and wood.
NATURAL = ((18, 48), (65, 150), (195, 235), (8, 32))


def palette(rng: np.random.Generator, count: int = 4, vivid: float = 0.2) -> Colours:
    """Colours that go together: natural, vivid or nearly grey, from dark to light or mixed.

    Args:
        count: number of colours.
        vivid: share of vivid palettes, 0..0.8.
    """
    kind = rng.random()
    if kind < 0.8 - vivid:
        low, high = NATURAL[int(rng.integers(len(NATURAL)))]
        hue, spread = rng.uniform(low, high), 14.0
        saturation = rng.uniform(0.05, 0.55)
    elif kind < 0.8:
        hue, spread = rng.uniform(0, 360), rng.choice([8.0, 30.0, 120.0])
        saturation = rng.uniform(0.35, 0.85)
    else:
        hue, spread = rng.uniform(0, 360), 40.0
        saturation = rng.uniform(0, 0.12)
    hues = (hue + spread * rng.standard_normal(count)) % 360
    saturations = np.clip(saturation + 0.12 * rng.standard_normal(count), 0, 1)
    middle, contrast = rng.uniform(0.3, 0.75), rng.uniform(0.1, 0.8)
    values = np.clip(middle + contrast * np.linspace(-0.5, 0.5, count), 0.03, 1)
    if rng.random() < 0.4:
        rng.shuffle(values)
    hsv = np.stack([hues, saturations, values], axis=-1).astype(np.float32)
    return cv2.cvtColor(hsv[None], cv2.COLOR_HSV2RGB)[0] * np.float32(255)


def colourise(values: Values, colours: Colours) -> Texture:
    """Colours for values in 0..1, interpolated between equally spaced ones."""
    stops = np.linspace(0, 255, len(colours))
    table = np.stack([np.interp(np.arange(256), stops, c) for c in colours.T], axis=-1)
    indices = cv2.convertScaleAbs(values, alpha=255)
    return np.take(np.rint(table).astype(np.uint8), indices, axis=0)


def scaled(image: Texture, gain: Values) -> Texture:
    """Every pixel times its gain (H, W), clipped to what uint8 holds."""
    return cv2.multiply(image, cv2.merge([gain] * 3), dtype=cv2.CV_8U)
