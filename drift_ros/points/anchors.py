"""Places with texture that are sought in every image as they once looked."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from drift_ros.points import registration
from drift_ros.points.motion import Field
from drift_ros.points.planes import Matrix, transform
from drift_ros.points.registration import Image, way_back

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]
Numbers = NDArray[np.int64]

NONE = -1
SIDE = 480  # px of the short side of an image that these are for; others in proportion:
SPACING = 16  # between places where anchors may be
REACH = 16.0  # px of the flow from where an anchor is expected, beyond which it is not found
WINDOW = 15  # px of the flow of a side of the patches that are compared
BACK = 11  # likewise of what is sought on the way back,
RETURN = 0.7  # px of the flow from its place beyond which that has found something else
MOST = 900  # that are chosen in an image
IMAGES = 4  # at most, in which those that are followed were chosen
BARE = 0.4  # share of the places with texture without an anchor, from which on more are chosen


@dataclass(frozen=True, slots=True, eq=False)
class Origin:
    """An image in which anchors were chosen.

    Attributes:
        image: (h, w) without light and shade, at the size of the flow.
        layers: (3, 3) homographies to it from the newest image, in px, as each layer lies in both;
            of those that were known then.
    """

    image: Image
    layers: dict[int, Matrix]


@dataclass(frozen=True, slots=True, eq=False)
class Anchors:
    """M places with texture.

    Attributes:
        origins: images in which they were chosen.
        origin: (M,) number of that image.
        places: (M, 2) in px of it.
        layer: (M,) number of its layer; -1 for none.
        now: (M, 2) in px of the newest image.
        found: (M,) whether each was found there.
    """

    origins: tuple[Origin, ...]
    origin: Numbers
    places: Floats
    layer: Numbers
    now: Floats
    found: Bools

    def __getitem__(self, rows: Bools | Numbers) -> Anchors:
        """Some of them."""
        return Anchors(
            self.origins,
            self.origin[rows],
            self.places[rows],
            self.layer[rows],
            self.now[rows],
            self.found[rows],
        )

    def knows(self, number: int) -> Bools:
        """(M,) whose origin knows a layer."""
        return np.array([number in each.layers for each in self.origins], bool)[self.origin]

    def led(self, rows: Bools, number: int, motion: Matrix) -> Floats:
        """(n, 2) px of the next image where some of them (M,) are, if their layer moves so from the
        newest one on.
        """
        led = self.places.copy()
        for index, origin in enumerate(self.origins):
            mine = rows & (self.origin == index)
            if mine.any():
                led[mine] = transform(motion @ np.linalg.inv(origin.layers[number]), led[mine])
        return led[rows]

    def advanced(self, motions: dict[int, Matrix]) -> Anchors:
        """With the next image as the newest one, to which layers moved; others are forgotten."""
        back = {number: np.linalg.inv(motion) for number, motion in motions.items()}
        origins = (
            Origin(o.image, {n: m @ back[n] for n, m in o.layers.items() if n in back})
            for o in self.origins
        )
        return replace(self, origins=tuple(origins))


def seek(anchors: Anchors, guesses: Floats, image: Image, field: Field) -> tuple[Floats, Bools]:
    """Look for anchors in the next image.

    Args:
        anchors: of the images before.
        guesses: (M, 2) px where they are expected.
        image: (h, w) without light and shade, at the size of the flow.
        field: the flow.

    Returns:
        (M, 2) px where they are, and (M,) whether they were found.
    """
    now, found = guesses.copy(), np.zeros(len(guesses), bool)
    reach = REACH * min(image.shape) / SIDE
    for index, origin in enumerate(anchors.origins):
        rows = np.flatnonzero(anchors.origin == index)
        start, near = (field.small(each[rows]) for each in (anchors.places, guesses))
        at, good = registration.seek(origin.image, image, start, near, WINDOW)
        good &= np.linalg.norm(at - near, axis=1) <= reach
        good &= way_back(origin.image, image, start, at, BACK) <= RETURN
        now[rows[good]] = field.whole(at[good])
        found[rows[good]] = True
    return now, found


def plant(
    anchors: Anchors | None, image: Image, field: Field, layers: Iterable[int] = ()
) -> Anchors:
    """Choose more anchors in the newest image, if much of what has texture is without.

    Args:
        anchors: those that there are.
        image: (h, w) without light and shade, at the size of the flow.
        field: a flow of its size.
        layers: numbers of those that are known.
    """
    step, down, across = _grid(field.size)
    y, x = np.divmod(np.arange(down * across), across)
    grid = np.asarray((np.stack([x, y], 1) + 0.5) * step - 0.5, np.float32)
    texture = _at(cv2.cornerMinEigenVal(image, 7), field.small(grid))
    wanted = np.zeros(len(grid), bool)
    wanted[np.argsort(-texture, kind='stable')[:MOST]] = True
    wanted &= texture > 0
    origin = Origin(image, {number: np.eye(3) for number in layers})
    if anchors is None:
        return _chosen(origin, grid[wanted])
    covered = np.zeros((down, across), np.uint8)
    x, y = np.floor((anchors.now[anchors.found] + 0.5) / step).astype(int).T
    covered[y.clip(0, down - 1), x.clip(0, across - 1)] = 1
    bare = wanted & (cv2.dilate(covered, np.ones((3, 3), np.uint8)).ravel() == 0)
    if bare.sum() <= BARE * wanted.sum():
        return anchors
    holding = anchors.origin[anchors.found & (anchors.layer != NONE)]
    held = np.bincount(holding, minlength=len(anchors.origins))
    kept = np.sort(np.argsort(-held, kind='stable')[: IMAGES - 1])
    old, new = anchors[np.isin(anchors.origin, kept)], _chosen(origin, grid[bare])
    return Anchors(
        (*(anchors.origins[n] for n in kept), *new.origins),
        np.concatenate([np.searchsorted(kept, old.origin), new.origin + len(kept)]),
        np.concatenate([old.places, new.places]),
        np.concatenate([old.layer, new.layer]),
        np.concatenate([old.now, new.now]),
        np.concatenate([old.found, new.found]),
    )


def _chosen(origin: Origin, places: Floats) -> Anchors:
    count = len(places)
    first = np.zeros(count, np.int64)
    return Anchors((origin,), first, places, np.full(count, NONE), places, np.ones(count, bool))


def _grid(size: tuple[int, int]) -> tuple[float, int, int]:
    """Spacing in px of places of an image (H, W), and how many there are down and across."""
    step = SPACING * min(size) / SIDE
    return step, max(1, round(size[0] / step)), max(1, round(size[1] / step))


def _at(picture: Floats, places: Floats) -> Floats:
    """(N,) values of a picture (h, w) at places (N, 2) in px of it."""
    x, y = np.floor(places + 0.5).astype(int).T
    height, width = picture.shape
    return np.asarray(picture[y.clip(0, height - 1), x.clip(0, width - 1)], np.float32)
