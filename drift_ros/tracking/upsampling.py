"""Label maps in pixels from soft labels in cells, with the image as the guide."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from drift_ros.tracking.slots import strongest

SPATIAL = 0.7  # standard deviation in cells
COLOUR = 0.15  # standard deviation, colours in 0..1
TINY = 1e-8  # weight of a cell of another colour, so that some cell always counts
ENTRIES = 2**22  # numbers that are held at a time, 16 MiB
AREA, NEAREST = cv2.INTER_AREA, cv2.INTER_NEAREST


def joint_bilateral_labels(
    soft: Tensor, stride: int, image: NDArray[np.uint8]
) -> NDArray[np.uint8]:
    """The label map in pixels that soft labels stand for, with outlines where colours change.

    A pixel's soft labels are the mean of those of the 3x3 cells around it, weighted by distance and
    by how alike the colours of pixel and cell are (joint bilateral upsampling, Kopf et al. 2007,
    equation 3). Each channel is normalised over the frame before, as `read_labels` does. Cells
    whose neighbours all agree give their label as it is, so the time goes into outlines alone.

    Args:
        soft: (K, h, w) float32, channel 0 = background.
        stride: px per cell at the resolution that the features were computed at.
        image: (H, W, 3) uint8, of any size.

    Returns:
        (H, W) uint8 slots in 0..K-1; the lowest slot wins ties.
    """
    scores = _normalised(soft.cpu())
    cells = strongest(scores).to(torch.uint8).numpy()
    height, width = cells.shape
    fine, size = (width * stride, height * stride), image.shape[1::-1]
    slots = cv2.resize(cells, fine, interpolation=NEAREST)
    square = np.ones((3, 3), np.uint8)
    mixed = np.argwhere(cv2.dilate(cells, square) != cv2.erode(cells, square))
    if len(mixed):
        guide = image if size == fine else cv2.resize(image, fine, interpolation=AREA)
        colours = torch.from_numpy(cv2.resize(guide, (width, height), interpolation=AREA))
        known = torch.cat([colours.float().permute(2, 0, 1) / 255, scores])
        step = max(1, ENTRIES // (stride**2 * (len(known) + 9)))
        for first in range(0, len(mixed), step):
            _fill(slots, mixed[first : first + step], known, stride, guide)
    return slots if size == fine else cv2.resize(slots, size, interpolation=cv2.INTER_NEAREST_EXACT)


def _normalised(soft: Tensor) -> Tensor:
    """Each channel of (K, h, w) brought to 0..1, unless it has no mass or no contrast."""
    low, high = soft.amin((1, 2), keepdim=True), soft.amax((1, 2), keepdim=True)
    scalable = (high > 0) & (high > low)
    return (soft - torch.where(scalable, low, 0)) / torch.where(scalable, high - low, 1)


def _fill(
    slots: NDArray[np.uint8],
    cells: NDArray[np.int64],
    known: Tensor,
    stride: int,
    guide: NDArray[np.uint8],
) -> None:
    """Label the pixels of cells (n, 2) in place; `known` (3 + K, h, w) are colours and scores."""
    rows, columns = (part.ravel() for part in np.indices((stride, stride)))
    ys, xs = cells[:, :1] * stride + rows, cells[:, 1:] * stride + columns
    own = torch.from_numpy(guide[ys, xs]).float() / 255  # (n, stride^2, 3)
    down, right = (part.ravel() - 1 for part in np.indices((3, 3)))
    limit = np.array(known.shape[1:]) - 1
    y = np.clip(cells[:, :1] + down, 0, limit[0])
    x = np.clip(cells[:, 1:] + right, 0, limit[1])
    around = known[:, torch.from_numpy(y), torch.from_numpy(x)].permute(1, 2, 0)  # (n, 9, 3 + K)
    away = np.square((rows[:, None] + 0.5) / stride - 0.5 - down)
    away += np.square((columns[:, None] + 0.5) / stride - 0.5 - right)
    near = torch.from_numpy(np.exp(away / (-2 * SPATIAL**2))).float()
    other = torch.cdist(own, around[..., :3]).square_()
    weights = other.mul_(-1 / (2 * COLOUR**2)).exp_().add_(TINY).mul_(near)
    slots[ys, xs] = (weights @ around[..., 3:]).argmax(-1).to(torch.uint8).numpy()
