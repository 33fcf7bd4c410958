"""Masks without any weights: GrabCut on a small view around the prompt.

GrabCut (Rother et al., SIGGRAPH 2004) fits one colour model to the object and one to its
surroundings and cuts between them along edges. It needs to know where to look: a box says so, a
rough mask says so, a lone point does not, so for points a handful of scales is tried and the one
with the best outline is kept. It is a stand-in for Segment Anything that runs everywhere, no match
for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from drift_ros.interruption import checkpoint
from drift_ros.prompts.prompt import OBJECT_POINT, Prompt
from drift_ros.prompts.queries import Query, is_given, pixels, queries

Mask = NDArray[np.bool_]
Image = NDArray[np.uint8]

OBJECT_SIZE = 160  # px of the object's long side in the view: time is bounded, texture averages out
MAX_ZOOM = 2.0
ITERATIONS = 3
BOX_MARGIN = 0.3  # of the box's long side: the surroundings that the colour model sees
BOX_ELLIPSE = 0.8  # of the box's half axes: where the object is looked for at first
MIN_FILL = 0.05  # of the box; a smaller object means that the colours were confused
MIN_PART = 0.1  # of the largest part; smaller parts are dropped unless a point is on them
SEED_RADIUS = 2  # px of the view around a point
# Radii that a lone point may mean, in fractions of the image's short side.
POINT_SCALES = (1 / 20, 1 / 12, 1 / 8, 1 / 5, 1 / 3.3, 1 / 2.2)
POINT_SIZE = 32  # px of the view per radius
POINT_SEED, POINT_PROBABLE, POINT_LIMIT, POINT_VIEW = 0.15, 0.7, 1.3, 1.8  # radii
SCALE_PRIOR = 0.4  # exponent: of two equally good outlines the larger one is the object


class GrabCutSegmenter:
    """Segments with OpenCV's GrabCut; no weights, no GPU, the same answer every time."""

    name = 'grabcut'

    def segment(self, image: Image, prompts: Sequence[Prompt]) -> list[Mask]:
        """Segment the prompted objects of one image, each by itself (see `Segmenter`)."""
        return [_segment(image, prompt) for prompt in prompts]


def _segment(image: Image, prompt: Prompt) -> Mask:
    if prompt.mask is not None and is_given(prompt):
        return prompt.mask.copy()
    height, width = image.shape[:2]
    mask = np.zeros((height, width), bool)
    for query in queries(prompt, (height, width)):
        checkpoint()
        if query.box is not None:
            mask |= _in_box(image, query, query.box)
        elif query.mask is not None:
            mask |= _near_mask(image, query, query.mask)
        else:
            mask |= _around_points(image, query)
    # What the user pointed at holds to the pixel, whatever was lost by scaling.
    columns, rows = pixels(prompt.points).T
    mask[rows, columns] = prompt.point_labels == OBJECT_POINT
    return mask


@dataclass(frozen=True, slots=True)
class _View:
    """A part of an image, scaled and smoothed."""

    image: Image  # the view itself, (h, w, 3)
    left: int
    top: int
    width: int  # of the part, in px of the image
    height: int
    size: tuple[int, int]  # (H, W) of the image

    @classmethod
    def cut(cls, image: Image, box: Sequence[float], scale: float) -> _View:
        """View of a box (left, top, right, bottom), as far as it is inside the image."""
        height, width = image.shape[:2]
        left, top = max(0, int(np.floor(box[0]))), max(0, int(np.floor(box[1])))
        right, bottom = min(width, int(np.ceil(box[2]))), min(height, int(np.ceil(box[3])))
        size = (max(1, round((right - left) * scale)), max(1, round((bottom - top) * scale)))
        part = image[top:bottom, left:right]
        interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        small = cv2.resize(part, size, interpolation=interpolation)
        smooth = np.ascontiguousarray(cv2.bilateralFilter(small, 5, 30, 3), np.uint8)
        return cls(smooth, left, top, right - left, bottom - top, (height, width))

    @property
    def step(self) -> float:
        """Px of the image per px of the view."""
        height, width = self.image.shape[:2]
        return max(self.width / width, self.height / height)

    def grid(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Image coordinates x (1, w) and y (h, 1) of the view's pixels, 0.5 at the first centre."""
        height, width = self.image.shape[:2]
        x = self.left + (np.arange(width) + 0.5) * self.width / width
        y = self.top + (np.arange(height) + 0.5) * self.height / height
        return x[None], y[:, None]

    def shrink(self, mask: Mask) -> Mask:
        """Mask of the image -> mask of the view."""
        part = mask[self.top : self.top + self.height, self.left : self.left + self.width]
        size = self.image.shape[1::-1]
        return cv2.resize(part.astype(np.float32), size, interpolation=cv2.INTER_AREA) > 0.5

    def grow(self, mask: Mask) -> Mask:
        """Mask of the view -> mask of the image."""
        part = cv2.resize(
            mask.astype(np.float32), (self.width, self.height), interpolation=cv2.INTER_LINEAR
        )
        full = np.zeros(self.size, bool)
        full[self.top : self.top + self.height, self.left : self.left + self.width] = part > 0.5
        return full

    def place(self, points: NDArray[np.float64]) -> NDArray[np.int64]:
        """Points (N, 2) of the image -> column and row of those that lie in the view."""
        height, width = self.image.shape[:2]
        scale = np.array([width / self.width, height / self.height])
        spots = np.floor((points + 0.5 - [self.left, self.top]) * scale).astype(np.int64)
        inside = (spots >= 0).all(axis=1) & (spots < [width, height]).all(axis=1)
        return spots[inside]


def _in_box(image: Image, query: Query, box: NDArray[np.float64]) -> Mask:
    left, top, right, bottom = box
    side = max(right - left, bottom - top)
    margin = BOX_MARGIN * side + 4
    around = [left - margin, top - margin, right + margin, bottom + margin]
    view = _View.cut(image, around, min(MAX_ZOOM, OBJECT_SIZE / side))
    x, y = view.grid()
    # Distances from the centre in half axes; the thinnest box still holds a pixel of the view.
    u = np.abs(x - (left + right) / 2) / max((right - left) / 2, 0.5 * view.step)
    v = np.abs(y - (top + bottom) / 2) / max((bottom - top) / 2, 0.5 * view.step)
    inside = (u <= 1) & (v <= 1)
    radius = np.hypot(u, v)
    probable = radius <= BOX_ELLIPSE if query.mask is None else view.shrink(query.mask)
    trimap = _trimap(inside, probable & inside)
    _plant(trimap, view, query)
    mask = _solve(view, trimap, query)
    if mask.sum() < MIN_FILL * inside.sum():
        core = radius <= BOX_ELLIPSE / 3
        trimap[core & (trimap != cv2.GC_BGD)] = cv2.GC_FGD
        mask = _solve(view, trimap, query)
    return view.grow(mask)


def _near_mask(image: Image, query: Query, rough: Mask) -> Mask:
    """The object of a rough mask: its core is kept, its outline is found anew nearby."""
    rows, columns = np.nonzero(rough)
    on = query.points[query.labels == OBJECT_POINT] + 0.5
    x, y = np.concatenate([columns, on[:, 0]]), np.concatenate([rows, on[:, 1]])
    side = max(np.ptp(x), np.ptp(y)) + 1
    margin = BOX_MARGIN * side + 4
    around = [x.min() - margin, y.min() - margin, x.max() + 1 + margin, y.max() + 1 + margin]
    view = _View.cut(image, around, min(MAX_ZOOM, OBJECT_SIZE / side))
    probable = view.shrink(rough)
    reach = max(2.0, 0.06 * np.sqrt(rough.sum()) / view.step)
    spots = probable.astype(np.uint8)
    for column, row in view.place(query.points[query.labels == OBJECT_POINT]):
        cv2.circle(spots, (int(column), int(row)), int(reach), 1, -1)
    probable = spots > 0
    depth = cv2.distanceTransform(probable.astype(np.uint8), cv2.DIST_L2, 5)
    distance = cv2.distanceTransform((~probable).astype(np.uint8), cv2.DIST_L2, 5)
    trimap = _trimap(distance <= reach, probable)
    trimap[depth > max(reach, 0.3 * depth.max())] = cv2.GC_FGD
    _plant(trimap, view, query)
    return view.grow(_solve(view, trimap, query))


def _around_points(image: Image, query: Query) -> Mask:
    """The object of points alone: the scale whose outline stands out most, then a closer look."""
    short = min(image.shape[:2])
    on = query.points[query.labels == OBJECT_POINT]
    extent = float(np.ptp(on, axis=0).max()) / 2
    best, best_score = None, 0.0
    for scale in POINT_SCALES:
        radius = max(2.0, scale * short)
        if extent > 2 * radius and scale != POINT_SCALES[-1]:
            continue  # the points lie too far apart for an object of this size
        mask, score = _at_scale(image, query, on, radius)
        score *= radius**SCALE_PRIOR
        if mask is not None and score > best_score:
            best, best_score = mask, score
    if best is None:
        return np.zeros(image.shape[:2], bool)
    return _near_mask(image, query, best)


def _at_scale(
    image: Image, query: Query, on: NDArray[np.float64], radius: float
) -> tuple[Mask | None, float]:
    """The object of about this radius in px, and how much its outline stands out."""
    reach = POINT_VIEW * radius
    low, high = on.min(axis=0) - reach, on.max(axis=0) + reach + 1
    zoom = POINT_SIZE / (radius + float(np.ptp(on, axis=0).max()) / 2)
    view = _View.cut(image, [*low, *high], min(MAX_ZOOM, zoom))
    seeds = np.zeros(view.image.shape[:2], np.uint8)
    cv2.fillConvexPoly(seeds, cv2.convexHull(view.place(on).astype(np.int32)), 1)
    distance = cv2.distanceTransform(1 - seeds, cv2.DIST_L2, 5) * view.step / radius
    trimap = _trimap(distance <= POINT_LIMIT, distance <= POINT_PROBABLE)
    trimap[distance <= POINT_SEED] = cv2.GC_FGD
    _plant(trimap, view, query)
    if not (trimap == cv2.GC_BGD).any():
        return None, 0.0
    mask = _solve(view, trimap, query)
    edges = edge_strength(view.image)
    kernel = np.ones((3, 3), np.uint8)
    # The image's own border is no outline.
    inner = cv2.erode(mask.astype(np.uint8), kernel, borderType=cv2.BORDER_CONSTANT, borderValue=1)
    outline = mask & (inner == 0)
    if not outline.any():
        return None, 0.0
    contrast = edges[outline].mean() / (edges[distance <= POINT_LIMIT].mean() + 1e-6)
    leaked = (outline & (distance > POINT_LIMIT - 0.12)).sum() / outline.sum()
    return view.grow(mask), float(contrast * (1 - leaked))


def edge_strength(image: Image) -> NDArray[np.float64]:
    """Local range of the colours (CIE L*a*b*, summed over channels) in 3x3 px."""
    lab = cv2.GaussianBlur(cv2.cvtColor(image, cv2.COLOR_RGB2LAB), (0, 0), 1)
    kernel = np.ones((3, 3), np.uint8)
    return (cv2.dilate(lab, kernel).astype(np.float64) - cv2.erode(lab, kernel)).sum(axis=2)


def _trimap(possible: Mask, probable: Mask) -> NDArray[np.uint8]:
    trimap = np.full(possible.shape, cv2.GC_BGD, np.uint8)
    trimap[possible] = cv2.GC_PR_BGD
    trimap[probable] = cv2.GC_PR_FGD
    return trimap


def _plant(trimap: NDArray[np.uint8], view: _View, query: Query) -> None:
    """Write the points into a trimap: small discs, and no disc hides another point."""
    spots = [
        (view.place(query.points[query.labels == OBJECT_POINT]), cv2.GC_FGD),
        (view.place(query.points[query.labels != OBJECT_POINT]), cv2.GC_BGD),
    ]
    for places, value in spots:
        for column, row in places:
            cv2.circle(trimap, (int(column), int(row)), SEED_RADIUS, value, -1)
    for places, value in spots:
        trimap[places[:, 1], places[:, 0]] = value


def _solve(view: _View, trimap: NDArray[np.uint8], query: Query) -> Mask:
    """Cut, and keep the parts that the prompt speaks of."""
    labels = trimap.copy()
    on = np.isin(labels, (cv2.GC_FGD, cv2.GC_PR_FGD))
    if on.all() or not on.any():
        return on  # nothing to tell apart
    cv2.setRNGSeed(0)
    models = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.grabCut(view.image, labels, None, *models, ITERATIONS, cv2.GC_INIT_WITH_MASK)
    mask = np.isin(labels, (cv2.GC_FGD, cv2.GC_PR_FGD))
    count, parts, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    if count <= 2:
        return mask
    spots = view.place(query.points[query.labels == OBJECT_POINT])
    keep = np.zeros(count, bool)
    if query.box is not None or query.mask is not None or not len(spots):
        areas = stats[:, cv2.CC_STAT_AREA]
        keep = areas >= MIN_PART * areas[1:].max()
    keep[parts[spots[:, 1], spots[:, 0]]] = True
    keep[0] = False
    return np.asarray(keep[parts], bool)
