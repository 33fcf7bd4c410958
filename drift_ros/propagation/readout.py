"""Between label maps in pixels and soft labels on the feature grid."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

CHUNK = 16  # channels that are brought to full size at a time; bounds memory for many targets


def resize_nearest(labels: Tensor, size: tuple[int, int]) -> Tensor:
    """Sample a label map at the centres of the new cells, as PIL's NEAREST does.

    Args:
        labels: (H, W) of any dtype.
        size: (H', W').

    Returns:
        (H', W') of the same dtype; the input itself if it has that size.
    """
    if labels.shape == size:
        return labels
    rows, columns = (
        _nearest(old, new).to(labels.device) for old, new in zip(labels.shape, size, strict=True)
    )
    return labels.index_select(1, columns).index_select(0, rows)


@lru_cache(maxsize=16)
def _nearest(old: int, new: int) -> Tensor:
    """Source index of each new cell. PIL adds up steps in float64, which decides exact ties."""
    steps = np.full(new, old / new)
    steps[0] /= 2
    return torch.from_numpy(np.cumsum(steps).astype(np.int64))


def one_hot(slots: NDArray[np.uint8], classes: int, grid: tuple[int, int]) -> Tensor:
    """Hard labels on the feature grid from a label map in pixels.

    The map is sampled at the cells' centres (NEAREST, as the protocol does). A target too small to
    be hit by any sample would be lost for good; it gets a cell of its own instead: the one nearest
    to its centre of mass, among those of the background and of targets that have several. So every
    target has a cell as long as there are as many cells as targets.

    Args:
        slots: (H, W) uint8 in 0..classes-1.
        classes: number of labels K, background included.
        grid: (h, w) of the feature grid.

    Returns:
        (K, h, w) float32 in {0, 1}, on the CPU.
    """
    cells = resize_nearest(torch.tensor(slots), grid).long()
    present = np.bincount(slots.ravel(), minlength=classes) > 0
    missed = present & (np.bincount(cells.numpy().ravel(), minlength=classes) == 0)
    missed[0] = False
    if missed.any():
        _give_cells(cells.numpy(), slots, np.flatnonzero(missed))
    return functional.one_hot(cells, classes).permute(2, 0, 1).float()


def _give_cells(
    cells: NDArray[np.int64], slots: NDArray[np.uint8], missed: NDArray[np.int64]
) -> None:
    """Give each of the targets that were missed one cell, in place."""
    rows, columns = np.indices(cells.shape)
    counts = np.bincount(cells.ravel(), minlength=256)
    for slot in missed.tolist():
        ys, xs = np.nonzero(slots == slot)
        y = (ys.mean() + 0.5) * cells.shape[0] / slots.shape[0] - 0.5
        x = (xs.mean() + 0.5) * cells.shape[1] / slots.shape[1] - 0.5
        free = (cells == 0) | (counts[cells] > 1)
        if not free.any():
            return
        distances = np.where(free, np.hypot(rows - y, columns - x), np.inf)
        place = np.unravel_index(distances.argmin(), cells.shape)
        counts[cells[place]] -= 1
        counts[slot] += 1
        cells[place] = slot


def read_labels(soft: Tensor, stride: int, size: tuple[int, int]) -> NDArray[np.uint8]:
    """The label map in pixels that soft labels stand for.

    Bilinear upsampling by the stride, min-max normalisation of each channel over the image
    (background included; a channel without any mass or without contrast stays as it is), argmax,
    NEAREST to the image's size (DINO's evaluation, `norm_mask`).

    Args:
        soft: (K, h, w) float32, channel 0 = background.
        stride: image px per cell at the resolution that the features were computed at.
        size: (H, W) of the original image.

    Returns:
        (H, W) uint8 slots in 0..K-1; the lowest slot wins ties.
    """
    fine = (soft.shape[1] * stride, soft.shape[2] * stride)
    best = torch.full(fine, -torch.inf, device=soft.device)
    slots = torch.zeros(fine, dtype=torch.uint8, device=soft.device)
    for first in range(0, len(soft), CHUNK):
        channels = functional.interpolate(
            soft[first : first + CHUNK, None], size=fine, mode='bilinear', align_corners=False
        )[:, 0]
        for slot, channel in enumerate(channels, first):
            low, high = torch.aminmax(channel)
            contrast = high - low
            scalable = (high > 0) & (contrast > 0)
            low = torch.where(scalable, low, 0)
            contrast = torch.where(scalable, contrast, 1)
            channel.sub_(low).div_(contrast)
            wins = (channel > best).view(torch.uint8)
            torch.maximum(best, channel, out=best)
            torch.maximum(slots, wins.mul_(slot), out=slots)  # slots rise, so the last one wins
    labels: NDArray[np.uint8] = resize_nearest(slots, size).cpu().numpy()
    return labels


def confidences(soft: Tensor, cells: Tensor) -> Tensor:
    """Mean soft label of each slot over the cells that it owns.

    Args:
        soft: (K, h, w) float32.
        cells: (h, w) int64 slots.

    Returns:
        (K,) float32 in the range of `soft`; the channel's maximum for a slot that owns no cell.
    """
    owned = functional.one_hot(cells, len(soft)).permute(2, 0, 1).to(soft.dtype)
    count = owned.sum((1, 2))
    mean = (soft * owned).sum((1, 2)) / count.clamp_min(1)
    return torch.where(count > 0, mean, soft.amax((1, 2)))


def corrected(soft: Tensor, after: NDArray[np.uint8], before: NDArray[np.uint8]) -> Tensor:
    """Soft labels with what a refinement changed in the label map that was read from them.

    Of each cell, the share of its pixels that a label gained or lost is added to the soft label.
    What the refinement did not change stays, so a target that is hardly seen does not become
    certain.

    Args:
        soft: (K, h, w) float32 in [0, 1].
        after: (H, W) uint8 slots, refined.
        before: (H, W) uint8 slots.

    Returns:
        (K, h, w) float32 in [0, 1].
    """
    changed = torch.from_numpy(after != before)
    result = soft.clone()
    if not bool(changed.any()):
        return result
    maps = [torch.from_numpy(each).to(soft.device) for each in (after, before)]
    for slot in torch.unique(torch.cat([each[changed.to(each.device)] for each in maps])).tolist():
        gain = (maps[0] == slot).float() - (maps[1] == slot).float()
        result[slot] += functional.adaptive_avg_pool2d(gain[None], (soft.shape[1], soft.shape[2]))[
            0
        ]
    return result.clamp_(0, 1)
