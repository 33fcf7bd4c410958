"""How far a target can have got since the last frame, and what lies beyond."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from drift_ros.structures import TargetState
from drift_ros.tracking.slots import strongest
from drift_ros.tracking.states import Track

DEVIATIONS = 3.0  # of a predicted place


def drop_unreachable(
    soft: Tensor, slots: Mapping[int, int], expected: Mapping[int, Track], size: tuple[int, int]
) -> Tensor:
    """Labels of targets that were in sight in the frame before, without what is out of their reach.

    Propagation compares looks, so it labels a twin anywhere in the image, and more so as the target
    itself goes out of sight. A connected part of a target's cells stays if any of it lies within
    reach: what a target is stretched to stays whole.

    Args:
        soft: (K, h, w) soft labels.
        slots: id -> its channel.
        expected: id -> what is expected of each target in this frame.
        size: (H, W) of the frame in px.

    Returns:
        (K, h, w) soft labels; `soft` itself if nothing changes.
    """
    seen = [t for t, track in expected.items() if track.state != TargetState.LOST and t in slots]
    if not seen:
        return soft
    owners = strongest(soft).cpu().numpy()
    found = soft
    for target in seen:
        mine = owners == slots[target]
        near = within_reach(expected[target], size, mine.shape)
        if not (mine & ~near).any():
            continue
        _, parts = cv2.connectedComponents(mine.astype(np.uint8), connectivity=8)
        far = torch.from_numpy(mine & ~np.isin(parts, parts[mine & near])).to(soft.device)
        if bool(far.any()):
            found = soft.clone() if found is soft else found
            found[0, far] += found[slots[target], far]
            found[slots[target], far] = 0
    return found


def within_reach(track: Track, size: tuple[int, int], grid: Sequence[int]) -> NDArray[np.bool_]:
    """(h, w) the cells that a target may reach: at most its larger side and 3 standard deviations
    away from its predicted place along each axis.

    Args:
        track: what is expected of it.
        size: (H, W) of the frame in px.
        grid: (h, w) cells.
    """
    reach = DEVIATIONS * track.motion.deviation + max(track.extent)
    near = []
    for axis, cells in ((1, grid[0]), (0, grid[1])):
        middles = (np.arange(cells) + 0.5) * (size[1 - axis] / cells) - 0.5
        near.append(np.abs(middles - track.motion.place[axis]) <= reach)
    return np.asarray(near[0][:, None] & near[1])
