"""From the light that falls on the sensor to the picture in the file."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from drift_ros.synthetic.render.raster import Floats, times
from drift_ros.synthetic.seeds import Seed

MARGIN = 48  # px by which the field of noise is larger than the image


@dataclass(frozen=True)
class Sensor:
    """Uneven and changing light, exposure, sensor noise, compression.

    Attributes:
        gains: (d, n, n) lamp light on a coarse grid over the image, 1 on average; None: even.
        exposure: (d, 3) gain of the channels.
        vignette: loss of light in the corners, 0..1.
        gamma: of the tone curve; 1 keeps the values.
        noise: standard deviation in grey levels at middle brightness.
        quality: of JPEG compression, 1..100; 0: none.
    """

    seed: Seed
    gains: NDArray[np.float32] | None = None
    exposure: NDArray[np.float32] | None = None
    vignette: float = 0.0
    gamma: float = 1.0
    noise: float = 0.0
    quality: int = 0
    _field: Floats | None = field(default=None, init=False, repr=False)

    def apply(self, image: Floats, index: int) -> NDArray[np.uint8]:
        """The picture (H, W, 3) uint8 of frame `index`; `image` may be changed."""
        height, width = image.shape[:2]
        gain = None
        if self.gains is not None:
            grid = self.gains[index]
            gain = cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC)
        if self.vignette > 0:
            corners = self._corners(height, width)
            gain = corners if gain is None else gain * corners
        if gain is not None:
            image = times(image, gain)
        if self.exposure is not None:
            image = cv2.multiply(image, (*self.exposure[index].tolist(), 1.0))
        if self.noise > 0:
            image = self._noisy(np.maximum(image, 0), index)
        pixels = cv2.convertScaleAbs(np.maximum(image, 0, out=image))
        if self.gamma != 1:
            pixels = cv2.LUT(pixels, self._curve)
        if self.quality:
            options = [cv2.IMWRITE_JPEG_QUALITY, self.quality]
            coded = cv2.imencode('.jpg', cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), options)[1]
            pixels = cv2.cvtColor(cv2.imdecode(coded, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
        return pixels

    def _noisy(self, image: Floats, index: int) -> Floats:
        """Half of the variance is the sensor's own, half is the light's and grows with it."""
        level = image * np.float32(0.5 / 128)
        level += np.float32(0.5)
        cv2.sqrt(level, level)
        rng = self.seed.child(index).generator()
        top, left = rng.integers(MARGIN, size=2)
        height, width = image.shape[:2]
        grain = self._grain(height, width)[top : top + height, left : left + width]
        scale = self.noise if rng.random() < 0.5 else -self.noise
        return cv2.add(image, cv2.multiply(grain, level, level, scale=scale), image)

    def _grain(self, height: int, width: int) -> Floats:
        """A field of normal noise that frames are given cuts of; drawing one for each is slow."""
        if self._field is None:
            size = (height + MARGIN, width + MARGIN, 3)
            grain = self.seed.generator().standard_normal(size, np.float32)
            object.__setattr__(self, '_field', grain)
        return self._field  # type: ignore[return-value]

    def _corners(self, height: int, width: int) -> Floats:
        y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
        x = np.linspace(-1, 1, width, dtype=np.float32)
        return 1 - np.float32(self.vignette / 2) * (x * x + y * y)

    @cached_property
    def _curve(self) -> NDArray[np.uint8]:
        return np.rint(255 * (np.arange(256) / 255) ** self.gamma).astype(np.uint8)
