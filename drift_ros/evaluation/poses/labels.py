"""Between joints in px and soft labels on the feature grid.

As in the evaluation of Jabri et al. 2020 (Space-Time Correspondence as a Contrastive Random Walk),
which the papers that report JHMDB share.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from drift_ros.evaluation.poses.pose_sequence import LOST, Joints

SIGMA = 0.5  # cells
TOP = 3  # cells that a joint is read from


def draw_joints(joints: Joints, size: tuple[int, int], grid: tuple[int, int]) -> Tensor:
    """Soft labels of a known pose.

    A joint is a Gaussian with a peak of 1 on the cell nearest to it, cut off after 2 cells on one
    side and 1 on the other; background is 1 where no joint is. One that lies outside leaves no
    mark. Cell (0, 0) has its centre at (0, 0) px, as in the original code, and so has its cut:
    within 1.5 cells of the upper and the left border the peak moves inwards by a cell.

    Args:
        joints: (J, 2) in px.
        size: (H, W) of the image in px.
        grid: (h, w) of the feature grid.

    Returns:
        (1 + J, h, w) float32 in [0, 1], channel 0 = background.
    """
    height, width = grid
    cells = joints * np.array([width / size[1], height / size[0]])
    maps = np.zeros((len(joints) + 1, *grid), np.float32)
    reach = 3 * SIGMA
    offsets = np.arange(int(2 * reach + 1)) - (2 * reach + 1) // 2
    bell = np.exp(-(offsets[:, None] ** 2 + offsets**2) / (2 * SIGMA**2))
    for channel, (x, y) in zip(maps[1:], cells, strict=True):
        left, top = int(x - reach), int(y - reach)  # cut towards 0, as the original does
        right, bottom = int(x + reach + 1), int(y + reach + 1)
        if left >= width or top >= height or right < 0 or bottom < 0:
            continue
        rows, columns = slice(max(0, top), max(0, bottom)), slice(max(0, left), max(0, right))
        place = channel[rows, columns]
        first = max(0, -top), max(0, -left)
        place[:] = bell[first[0] : first[0] + len(place), first[1] : first[1] + place.shape[1]]
    maps[0] = maps[1:].sum(0) == 0
    return torch.from_numpy(maps)


def read_joints(soft: Tensor, size: tuple[int, int]) -> Joints:
    """The pose that soft labels stand for: per joint the mean of its strongest cells, weighted.

    Args:
        soft: (1 + J, h, w) float32, channel 0 = background.
        size: (H, W) of the image in px.

    Returns:
        (J, 2) in px; (-1, -1) for a joint without any mass.
    """
    _, height, width = soft.shape
    flat = soft[1:].flatten(1).double()
    weights, places = torch.topk(flat, min(TOP, flat.shape[1]), dim=1)
    seen = flat.sum(1) != 0
    weights = weights / weights.sum(1, keepdim=True)
    x = (places % width * weights).sum(1) * size[1] / width
    y = (places // width * weights).sum(1) * size[0] / height
    joints = torch.where(seen[:, None], torch.stack([x, y], 1), LOST)
    return np.asarray(joints.cpu().numpy(), np.float64)
