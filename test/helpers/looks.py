"""Frames with planted descriptors: objects of the same look have the same ones, others none."""

from __future__ import annotations

import torch
from torch import Tensor

from drift_ros.tracking.anchors import Anchor

GRID = (40, 60)  # more cells than a frame is searched in
LOOKS = torch.nn.functional.normalize(
    torch.randn((8, 48), generator=torch.Generator().manual_seed(0)), dim=1
)


def frame(*things: tuple[int, int, int, int, int]) -> tuple[Tensor, Tensor]:
    """(48, h, w) descriptors, with some noise, and (h, w) looks of boxes (look, top, left, height,
    width) before a background that differs from cell to cell but not from frame to frame.
    """
    looks = torch.zeros(GRID, dtype=torch.int64)
    for look, top, left, height, width in things:
        looks[top : top + height, left : left + width] = look
    behind = torch.randn((*GRID, 48), generator=torch.Generator().manual_seed(1)) / 48**0.5
    noise = torch.randn((*GRID, 48), generator=torch.Generator().manual_seed(len(things)))
    features = torch.where((looks > 0)[..., None], LOOKS[looks], behind) + 0.03 * noise
    return torch.nn.functional.normalize(features, dim=2).permute(2, 0, 1), looks


def anchor(*things: tuple[int, int, int, int, int]) -> Anchor:
    """Of the first of them; the others are no targets."""
    features, looks = frame(*things)
    label = (looks == things[0][0]).float()
    return Anchor.of(0, features, label, label)
