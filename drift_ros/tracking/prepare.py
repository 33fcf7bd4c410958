"""Brings images to the size that the networks take."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

LONGEST = 8  # long side of the network's input, in units of the wanted short side


def network_size(size: tuple[int, int], resolution: int, multiple: int) -> tuple[int, int]:
    """Size of the network's input for an image.

    The short side becomes `resolution`, the long one follows, and both are cut down to a multiple,
    so the aspect is kept up to that (DIFT's evaluation: 854x480 -> 832x480 for 480 and 32). A strip
    is scaled until its long side is `LONGEST` times the resolution: a few rows of pixels must not
    become an input that no memory holds.

    Args:
        size: (H, W) of the image in px.
        resolution: wanted short side in px, 0 for the image's own.
        multiple: both sides become multiples of this, at least one of it.

    Returns:
        (H', W') in px.
    """
    scale = min(resolution / min(size), LONGEST * resolution / max(size)) if resolution else 1
    height, width = (max(multiple, int(side * scale / multiple + 1e-6) * multiple) for side in size)
    return height, width


def to_input(image: NDArray[np.uint8], size: tuple[int, int], device: torch.device) -> Tensor:
    """Resize an image and move it to the device.

    Bilinear, as in the papers' evaluation; by area when the image is more than twice as large,
    where bilinear would skip pixels.

    Args:
        image: (H, W, 3) uint8 RGB.
        size: (H', W') in px.
        device: where to.

    Returns:
        (3, H', W') uint8.
    """
    height, width = size
    if image.shape[:2] != size:
        shrink = min(image.shape[0] / height, image.shape[1] / width)
        method = cv2.INTER_AREA if shrink > 2 else cv2.INTER_LINEAR
        image = cv2.resize(image, (width, height), interpolation=method)
    if not image.flags.writeable:
        image = image.copy()
    return torch.from_numpy(np.ascontiguousarray(image)).to(device).permute(2, 0, 1)
