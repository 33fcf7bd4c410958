"""Parts of an image that move as planes do, such as the background: motion of many pixels, which
keeps to a part of a pixel where few have any texture, and goes on behind what hides them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from drift_ros.points.motion import Field

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]
Numbers = NDArray[np.int64]

NONE = -1
MOST = 4  # layers at a time
SIDE = 480  # px of the short side of an image that these are for; others in proportion:
SPACING = 16  # between samples of the flow
NEAR = 1.5  # within which a sample moves as its layer, and flow there and back ends where it began
ALIKE = 2.0  # within which a point does
NEW, OLD = 40, 12  # fewest samples of a layer when it is found, and later
ROUNDS = 3  # of weighted least squares
FLAT = 0.1  # keeps the motion of a small layer from bending


@dataclass(frozen=True, slots=True, eq=False)
class Layers:
    """Layers of an image and how they came there.

    Attributes:
        labels: (M,) layer of each sample of the image; -1 for none.
        around: (M,) layer of each sample of the image before, or else of the nearest that had one.
        texture: middle one of the samples there, as `Field.texture` gives it.
        motions: (8,) how each layer moved between the two, by its number.
        newest: largest number that a layer ever had.
    """

    labels: Numbers
    around: Numbers
    texture: float
    motions: dict[int, NDArray[np.float64]]
    newest: int

    def move(self, layer: Numbers, places: Floats, size: tuple[int, int]) -> Floats:
        """(N, 2) where layers (N,) take places (N, 2) in px of the image (H, W) before; where they
        were without a layer.
        """
        found = places.copy()
        for number, motion in self.motions.items():
            rows = layer == number
            found[rows] += _design(places[rows], size) @ motion
        return found


def follow(before: Layers | None, field: Field) -> Layers:
    """Layers of the next image, from the flow to it at samples of a grid.

    The samples of a layer vote for how it moves on. Of those that move with none, new ones are
    found by RANSAC (Fischler and Bolles 1981), as long as there are enough.

    Args:
        before: those of the image before; None if there are none.
        field: the flow.
    """
    places = _samples(field.size)
    near = NEAR * min(field.size) / SIDE
    moved, trip = field.move(places)
    design, steps = _design(places, field.size), moved - places
    texture = field.texture(places)
    middle = float(np.median(texture))
    usable = trip <= near
    sharp = usable & (texture >= middle)
    labels = np.full(len(places), NONE) if before is None else before.labels
    newest = NONE if before is None else before.newest
    motions, found = {}, np.full(len(places), NONE)

    def add(number: int, members: Bools, among: Bools, least: int) -> bool:
        """Take up a layer, if enough samples move as its members do."""
        motion = _fit(design[members], steps[members], near)
        same = usable & (np.linalg.norm(steps - design @ motion, axis=1) <= near)
        if np.count_nonzero(same & among) < least:
            return False
        motions[number] = motion
        found[same & ((found == NONE) | (labels == number))] = number
        return True

    for number in np.unique(labels[labels != NONE]).tolist():
        mine = labels == number
        members = next((m for m in (sharp & mine, usable & mine) if m.sum() >= OLD), None)
        if members is not None:
            add(number, members, mine, OLD)
    while len(motions) < MOST:
        free = np.flatnonzero(sharp & (found == NONE) & (labels == NONE))
        members = np.zeros(len(places), bool)
        members[free[_largest(places[free], moved[free], near)]] = True
        if members.sum() < NEW or not add(newest + 1, members, members, NEW):
            break
        newest += 1
    here = found[_nearest(field.origin(places), field.size)]
    return Layers(here, _filled(found, field.size), middle, motions, newest)


def choose(
    layers: Layers, places: Floats, moved: Floats, sure: Bools, clear: Bools, size: tuple[int, int]
) -> Numbers:
    """Layers (N,) that points move with; -1 for none.

    Args:
        layers: to choose from.
        places: (N, 2) in px of the image (H, W) before.
        moved: (N, 2) where the flow leads.
        sure: (N,) whether that is to be trusted.
        clear: (N,) whether there is texture, too.

    Returns:
        The layer that moves like the flow; without one, that of the surroundings where the flow is
        not clear.
    """
    found = np.where(clear, NONE, layers.around[_nearest(places, size)])
    numbers = np.array(list(layers.motions), np.int64)
    if len(numbers):
        off = np.stack(
            [
                np.linalg.norm(layers.move(np.full(len(places), n), places, size) - moved, axis=1)
                for n in numbers
            ]
        )
        alike = sure & (off.min(0) <= ALIKE * min(size) / SIDE)
        found[alike] = numbers[off.argmin(0)][alike]
    return found


def _fit(rows: NDArray[np.float64], steps: Floats, near: float) -> NDArray[np.float64]:
    """Motion (8,) of samples (n, 2, 8) with steps (n, 2) in px, whatever a few of them do."""
    weights = np.ones(len(rows))
    motion: NDArray[Any] = np.zeros(8)
    ridge = 1e-6 * np.eye(8) + np.diag([0, 0, 0, 0, 0, 0, FLAT, FLAT])
    for _ in range(ROUNDS):
        weighted = (rows * weights[:, None, None]).reshape(-1, 8).T
        motion = np.linalg.solve(weighted @ rows.reshape(-1, 8) + ridge, weighted @ steps.ravel())
        off = np.square(steps - rows @ motion).sum(1) / near**2
        weights[:] = 1 / (1 + off) ** 2
    return motion


def _largest(places: Floats, moved: Floats, near: float) -> Bools:
    """(n,) which of n samples move together, as most of them do; none if they are too few."""
    if len(places) < NEW:
        return np.zeros(len(places), bool)
    _, found = cv2.estimateAffine2D(places, moved, None, cv2.RANSAC, near, 200, 0.99, 0)
    return np.zeros(len(places), bool) if found is None else found[:, 0] > 0


def _design(places: Floats, size: tuple[int, int]) -> NDArray[np.float64]:
    """(N, 2, 8), whose products with a motion are steps in px. What a plane does from one image
    (H, W) to the next is quadratic in the place (Longuet-Higgins and Prazdny 1980).
    """
    x, y = ((places + 0.5 - np.array(size[::-1]) / 2) * 2 / max(size)).T.astype(np.float64)
    one, zero = np.ones_like(x), np.zeros_like(x)
    across = [one, x, y, zero, zero, zero, x * x, x * y]
    down = [zero, zero, zero, one, x, y, x * y, y * y]
    return np.stack([np.stack(across, 1), np.stack(down, 1)], 1)


def _grid(size: tuple[int, int]) -> tuple[float, int, int]:
    """Spacing in px of the samples of an image (H, W), and how many there are down and across."""
    step = SPACING * min(size) / SIDE
    return step, max(1, round(size[0] / step)), max(1, round(size[1] / step))


def _samples(size: tuple[int, int]) -> Floats:
    """(M, 2) (x, y) in px."""
    step, down, across = _grid(size)
    y, x = np.divmod(np.arange(down * across), across)
    return np.asarray((np.stack([x, y], 1) + 0.5) * step - 0.5, np.float32)


def _nearest(places: Floats, size: tuple[int, int]) -> Numbers:
    """(N,) numbers of the samples that are nearest to places (N, 2) in px."""
    step, down, across = _grid(size)
    x, y = np.floor((places + 0.5) / step).astype(int).T
    return np.asarray(y.clip(0, down - 1) * across + x.clip(0, across - 1), np.int64)


def _filled(labels: Numbers, size: tuple[int, int]) -> Numbers:
    """Labels (M,), where there are none that of the nearest sample that has one."""
    empty = labels == NONE
    if empty.all():
        return labels
    picture = empty.reshape(_grid(size)[1:]).astype(np.uint8)
    _, zones = cv2.distanceTransformWithLabels(
        picture, cv2.DIST_L2, 3, labelType=cv2.DIST_LABEL_PIXEL
    )
    each = np.full(zones.max() + 1, NONE)
    each[zones.ravel()[~empty]] = labels[~empty]
    return each[zones.ravel()]
