"""The colours of labels: the palette that PASCAL VOC and DAVIS use for their annotations."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def _make() -> NDArray[np.uint8]:
    """Bit i of the colours' channels comes from bits 3i, 3i + 1, 3i + 2 of the label."""
    labels = np.arange(256, dtype=np.uint8)
    palette = np.zeros((256, 3), np.uint8)
    for channel in range(3):
        for bit in range(8):
            source = 3 * bit + channel
            if source < 8:
                palette[:, channel] |= ((labels >> source) & 1) << (7 - bit)
    palette.setflags(write=False)
    return palette


PALETTE = _make()
"""(256, 3) uint8 RGB, read-only; the colour of label 0, the background, is black."""
