"""Pictures of discs, their masks in cells, and anchors of them."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from drift_ros.tracking.anchors import Anchor

SIZE, GRID = (240, 320), (30, 40)
RED, BLUE, GREEN = (220, 30, 30), (30, 30, 220), (40, 160, 60)
ANYWHERE = torch.ones(GRID, dtype=torch.bool)
Image = NDArray[np.uint8]


def disc(x: float, y: float, radius: float) -> NDArray[np.bool_]:
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]] + 0.5
    return np.hypot(columns - x, rows - y) <= radius


def picture(mask: NDArray[np.bool_], colour: tuple[int, int, int] = RED) -> Image:
    return np.where(mask[..., None], np.uint8(colour), np.uint8(GREEN))


def cells(mask: NDArray[np.bool_]) -> torch.Tensor:
    share = cv2.resize(mask.astype(np.float32), GRID[::-1], interpolation=cv2.INTER_AREA)
    return torch.from_numpy(share)


def anchor_of(mask: NDArray[np.bool_], number: int = 0) -> Anchor:
    look = torch.from_numpy(picture(mask)).float().permute(2, 0, 1)
    look = torch.nn.functional.avg_pool2d(look[None], 8)[0]
    return Anchor.of(number, look / look.norm(dim=0), cells(mask), cells(mask))
