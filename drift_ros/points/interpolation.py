"""What images show between their pixels."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

ROWS = 2**14  # of places that are given to OpenCV at a time, which takes less than 2^15


def interpolated(
    image: NDArray[Any], x: NDArray[np.float32], y: NDArray[np.float32]
) -> NDArray[Any]:
    """(n, k) or (n, k, C) values of an image (H, W) or (H, W, C) at x and y (n, k) in px, of its
    type, bilinear; beyond the image those of its edge.
    """
    shape = (len(x), x.shape[1], *image.shape[2:])
    found = np.empty(shape, image.dtype)
    for start in range(0, len(x), ROWS):
        rows = slice(start, start + ROWS)
        found[rows] = cv2.remap(
            image, x[rows], y[rows], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        ).reshape(found[rows].shape)
    return found
