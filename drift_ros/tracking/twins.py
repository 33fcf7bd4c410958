"""Labels of a target on something beside it that looks the same."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import cv2
import numpy as np
import torch
from torch import Tensor

from drift_ros.structures import TargetState
from drift_ros.tracking.gallery import Gallery
from drift_ros.tracking.recognition import Image
from drift_ros.tracking.search import Point
from drift_ros.tracking.slots import strongest
from drift_ros.tracking.states import Track

PIECES = 0.05  # of a target's area: what lies apart from its largest part, not to be looked at
LARGER = 1.25  # times the largest known area of a target that its labels have, likewise
MARGIN = 0.25  # sizes of a target, about its outline, that labels may be off
OVERLAP = 0.2  # IoU of two outlines from which on they are of one thing


def cut_off_twins(
    soft: Tensor,
    slots: Mapping[int, int],
    expected: Mapping[int, Track],
    gallery: Gallery,
    image: Image,
    alike: Tensor | None = None,
) -> tuple[Tensor, dict[int, Point]]:
    """Labels of targets that are in sight without what is on a twin that is no target.

    Where the labels of a target are in pieces, or more than it has ever covered, the network that
    recognizes it says which of them it covers; what is far from that is background, if the network
    finds the target there a second time.

    Args:
        soft: (K, h, w) soft labels.
        slots: id -> its channel.
        expected: id -> what is expected of each target in this frame.
        gallery: how they looked.
        image: (H, W, 3) the frame.
        alike: (K, K) bool, which targets could be taken for each other: those have rules of their
            own; None if there is one.

    Returns:
        (K, h, w) soft labels, `soft` itself if nothing changes; id -> place of a twin in cells.
    """
    found, twins = soft, {}
    owners: Tensor | None = None
    for target, track in expected.items():
        if track.state != TargetState.VISIBLE or target not in slots or not gallery.of(target):
            continue
        if alike is not None and bool(alike[slots[target]].any()):
            continue
        owners = strongest(soft) if owners is None else owners
        mine = owners == slots[target]
        middle = _suspicious(mine, gallery.areas(target), _cell(track, image, mine.shape))
        twin = _twin(middle, target, mine, gallery, image) if middle else None
        if twin is None:
            continue
        far, twins[target] = twin
        found = soft.clone() if found is soft else found
        found[0, far] += found[slots[target], far]
        found[slots[target], far] = 0
    return found, twins


def _twin(
    middle: Point, target: int, mine: Tensor, gallery: Gallery, image: Image
) -> tuple[Tensor, Point] | None:
    """Which cells (h, w) of a target with that middle are on a twin, and where that is."""
    free = torch.ones_like(mine)
    own = gallery.look(middle, target, image, free)
    if own is None:
        return None
    side = 2 * max(1, round(MARGIN * math.sqrt(own.area))) + 1
    outline = (own.label > 0.5).cpu().numpy().astype(np.uint8)
    around = torch.from_numpy(cv2.dilate(outline, np.ones((side, side), np.uint8)) > 0)
    far = mine & ~around.to(mine.device)
    if float(far.sum()) < PIECES * own.area:
        return None
    row, column = far.nonzero().float().mean(0).tolist()
    other = gallery.look((row, column), target, image, free)
    if other is None:
        return None
    first, second = own.label > 0.5, other.label > 0.5
    apart = float((first & second).sum()) <= OVERLAP * float((first | second).sum())
    covered = 2 * float((second & far).sum()) >= float(far.sum())
    return (far, other.middle) if apart and covered else None


def _suspicious(mine: Tensor, areas: Sequence[float], expected: Point) -> Point | None:
    """Middle of the large part of cells (h, w) that is nearest to where a target of some areas must
    be, if they are too many, or in pieces; None if not.
    """
    cells = mine.cpu().numpy().astype(np.uint8)
    _, _, stats, middles = cv2.connectedComponentsWithStats(cells, connectivity=8)
    parts = stats[1:, cv2.CC_STAT_AREA]
    if not len(parts):
        return None
    total, largest = int(parts.sum()), int(parts.max())
    if total < LARGER * max(areas) and total - largest < PIECES * min(areas):
        return None
    large = [middles[i + 1] for i in range(len(parts)) if 2 * parts[i] >= largest]
    column, row = min(large, key=lambda at: math.dist(at, expected[::-1]))
    return float(row), float(column)


def _cell(track: Track, image: Image, grid: Sequence[int]) -> Point:
    """Where a target is expected, in cells."""
    x, y = track.motion.place
    (rows, columns), (height, width) = grid, image.shape[:2]
    return (y + 0.5) * rows / height - 0.5, (x + 0.5) * columns / width - 0.5
