"""Tiles of coloured noise, made once per process and cut out anew for every texture."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from drift_ros.synthetic.seeds import Seed, Split

TILE = 512  # px
SLOPES = (0.6, 0.9, 1.1, 1.3, 1.5, 1.8, 2.2, 2.6)  # spectral amplitude falls as frequency^-slope
GRAIN, COARSE = 0, 5  # the finest tile, and the first of those without visible grain

Values = NDArray[np.float32]
"""(H, W) float32 in 0..1."""


class NoiseBank:
    """Periodic noise tiles with the power-law spectra of natural images.

    Args:
        split: each split has tiles of its own.
    """

    def __init__(self, split: Split) -> None:
        rng = Seed(split, (0,)).generator()
        self.tiles = [_tile(rng, slope) for slope in SLOPES]

    def view(
        self,
        size: tuple[int, int],
        rng: np.random.Generator,
        zoom: float = 1.0,
        tile: int | None = None,
    ) -> Values:
        """A cut at a random place and angle.

        Args:
            size: (H, W) in px.
            zoom: px of the result per px of the tile, along a random axis a little more.
            tile: which slope; None draws one.
        """
        chosen = self.tiles[int(rng.integers(len(SLOPES))) if tile is None else tile]
        angle = rng.uniform(0, 2 * np.pi)
        stretch = rng.uniform(1, 1.6)
        c, s = np.cos(angle) / zoom, np.sin(angle) / zoom
        x, y = rng.uniform(0, TILE, 2)
        matrix = np.array([[c, -s * stretch, x], [s, c * stretch, y]])
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        return cv2.warpAffine(chosen, matrix, size[::-1], flags=flags, borderMode=cv2.BORDER_WRAP)


@lru_cache(maxsize=3)
def bank(split: Split) -> NoiseBank:
    """The tiles of a split."""
    return NoiseBank(split)


def _tile(rng: np.random.Generator, slope: float) -> Values:
    frequency = np.hypot(np.fft.fftfreq(TILE)[:, None], np.fft.rfftfreq(TILE))
    frequency[0, 0] = np.inf
    white = np.fft.rfft2(rng.standard_normal((TILE, TILE)))
    noise = np.fft.irfft2(white * frequency**-slope, s=(TILE, TILE))
    # A smooth squash makes the values about evenly spread.
    return (0.5 + 0.5 * np.tanh(0.9 * noise / noise.std())).astype(np.float32)
