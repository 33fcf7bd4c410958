"""Parts of an image that move as planes do, such as the background: motion of many places, which
keeps to a part of a pixel where few have any texture, and goes on behind what hides them.

Places with texture, the anchors, are sought in every image as they once looked, so small errors do
not add up, and what moves nearly alike is separated after some images.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from drift_ros.points.anchors import NONE, SIDE, Anchors, plant, seek
from drift_ros.points.motion import Field
from drift_ros.points.planes import Matrix, fit, largest
from drift_ros.points.registration import flatten

Floats = NDArray[np.float32]

MOST = 6  # layers at a time
NEAR = 1.6  # px of an image with short sides of `SIDE` px within which an anchor moves as its layer
NEW, OLD = 40, 8  # fewest anchors of a layer when it is found, and later


@dataclass(frozen=True, slots=True, eq=False)
class Layers:
    """Layers of an image and how they came there.

    Attributes:
        anchors: by which they are found.
        motions: (3, 3) homography of each layer from the image before, in px, by its number.
        newest: largest number that a layer ever had.
    """

    anchors: Anchors
    motions: dict[int, Matrix]
    newest: int


def follow(before: Layers | None, field: Field) -> Layers:
    """Layers of the next image.

    Anchors of a layer are expected where the flow of them all leads, and sought around that place.
    How the layer moved is fitted to those that are found. An anchor that is found elsewhere
    leaves its layer. Of those that move with no layer, new ones are found by RANSAC, as long as
    there are enough.

    Args:
        before: those of the image before; None if there are none.
        field: the flow.
    """
    size, near = field.size, NEAR * min(field.size) / SIDE
    old = plant(None, flatten(field.before), field) if before is None else before.anchors
    expected, guesses = _expect(old, {} if before is None else before.motions, field, near)
    image = flatten(field.now)
    now, found = seek(old, guesses, image, field)
    anchors = replace(old, now=now, found=found)
    motions = {n: _moved(anchors, n, motion, near, size) for n, motion in expected.items()}
    anchors = _sorted(anchors, motions, near)
    newest = NONE if before is None else before.newest
    anchors, motions = _split(anchors, old.now, motions, newest, near, size)
    for number, motion in motions.items():
        hidden = ~found & (anchors.layer == number)
        now[hidden] = anchors.led(hidden, number, motion)
    inside = ((now >= 0) & (now <= np.array(size[::-1]) - 1)).all(1)
    anchors = anchors[inside & (found | (anchors.layer != NONE))].advanced(motions)
    return Layers(plant(anchors, image, field, motions), motions, max((newest, *motions)))


def _expect(
    anchors: Anchors, layers: Iterable[int], field: Field, near: float
) -> tuple[dict[int, Matrix], Floats]:
    """How layers move if they move as the flow of their anchors, and (M, 2) px where anchors are
    then; those without a layer go with the flow.
    """
    flow = field.move(anchors.now)
    expected, guesses = {}, flow.copy()
    for number in layers:
        mine = anchors.layer == number
        members = mine & anchors.found
        if members.sum() >= OLD:
            motion, _ = fit(np.eye(3), anchors.now[members], flow[members], near, field.size)
            expected[number] = motion
            guesses[mine] = anchors.led(mine, number, motion)
    return expected, guesses


def _moved(
    anchors: Anchors, number: int, expected: Matrix, near: float, size: tuple[int, int]
) -> Matrix:
    """How a layer moved, by its anchors that were found; as expected, if they are too few."""
    members = anchors.found & (anchors.layer == number)
    if members.sum() < OLD:
        return expected
    before = anchors.led(members, number, np.eye(3))
    motion, good = fit(expected, before, anchors.now[members], near, size)
    return motion if good.sum() >= OLD else expected


def _sorted(anchors: Anchors, motions: dict[int, Matrix], near: float) -> Anchors:
    """Each anchor that was found with the layer that moves like it: if it can be, with its own."""
    numbers = np.array([NONE, *motions])
    off = np.full((len(numbers), len(anchors.now)), np.inf)
    for row, (number, motion) in enumerate(motions.items(), 1):
        known = anchors.knows(number)
        led = anchors.led(known, number, motion)
        off[row, known] = np.linalg.norm(led - anchors.now[known], axis=1)
    own = np.where(np.isin(anchors.layer, numbers), anchors.layer, NONE)
    stays = off[(own[None] == numbers[:, None]).argmax(0), np.arange(len(own))] <= near
    best = np.where(off.min(0) <= near, numbers[off.argmin(0)], NONE)
    return replace(anchors, layer=np.where(~anchors.found | stays, own, best))


def _split(
    anchors: Anchors,
    before: Floats,
    motions: dict[int, Matrix],
    newest: int,
    near: float,
    size: tuple[int, int],
) -> tuple[Anchors, dict[int, Matrix]]:
    """With new layers of anchors that have none; they were at (M, 2) px in the image before."""
    motions = dict(motions)
    while len(motions) < MOST:
        free = anchors.found & (anchors.layer == NONE)
        counts = np.bincount(anchors.origin[free], minlength=1)
        which = int(counts.argmax())
        if counts[which] < NEW:
            break
        rows = np.flatnonzero(free & (anchors.origin == which))
        start, members = largest(anchors.places[rows], anchors.now[rows], near)
        rows = rows[members]
        if len(rows) < NEW:
            break
        place, good = fit(start, anchors.places[rows], anchors.now[rows], near, size)
        if good.sum() < NEW:
            break
        newest += 1
        motion, _ = fit(np.eye(3), before[rows], anchors.now[rows], near, size)
        motions[newest] = motion
        origins, layer = list(anchors.origins), anchors.layer.copy()
        known = origins[which].layers | {newest: np.linalg.inv(place) @ motion}
        origins[which] = replace(origins[which], layers=known)
        layer[rows] = newest
        anchors = _sorted(replace(anchors, origins=tuple(origins), layer=layer), motions, near)
    return anchors, motions
