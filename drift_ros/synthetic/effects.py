"""What happens to a picture between the world and the file."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Effect = Callable[[NDArray[np.float32], np.random.Generator], NDArray[np.float32]]
"""(H, W, 3) float32 in 0..255 -> the same."""


def noise(deviation: float) -> Effect:
    """Independent normal noise of a standard deviation in grey levels."""

    def effect(image: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
        return image + np.float32(deviation) * rng.standard_normal(image.shape, np.float32)

    return effect
