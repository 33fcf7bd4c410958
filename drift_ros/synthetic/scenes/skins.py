"""What balls look like."""

from __future__ import annotations

import numpy as np

from drift_ros.synthetic.render.tracks import Array
from drift_ros.synthetic.settings import RandomSettings
from drift_ros.synthetic.textures.colours import Texture, colourise, palette
from drift_ros.synthetic.textures.materials import material
from drift_ros.synthetic.textures.noise import NoiseBank
from drift_ros.synthetic.textures.patterns import flat
from drift_ros.synthetic.textures.surfaces import grained, texture


def ball_skin(rng: np.random.Generator, noise: NoiseBank, settings: RandomSettings) -> Texture:
    """A plain or textured surface that suits the size of the image."""
    side = int(np.clip(0.6 * min(settings.width, settings.height), 64, 320))
    size = (side, side)
    if settings.materials > 0 and rng.random() < settings.materials:
        return material(size, rng, noise)
    if rng.random() < 0.45:
        plain = colourise(flat(size, rng, noise), palette(rng))
        return grained(plain, rng, noise, rng.uniform(0, 0.15))
    return texture(size, rng, noise)


def random_turn(rng: np.random.Generator) -> Array:
    """(3, 3) a random rotation."""
    q, _ = np.linalg.qr(rng.standard_normal((3, 3)))
    return q * np.sign(np.linalg.det(q))
