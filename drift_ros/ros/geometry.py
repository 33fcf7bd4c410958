"""From a mask and a depth image to a position in the camera's optical frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

EDGE = 8  # px at either side of the border of a mask in which depth is compared
FRONT = 0.01  # of the depth, by which what hides a target is nearer at least
HIDDEN = 0.1  # share of the rows or columns that are cut off by it, from which on a side is hidden
SPARSE = 0.004  # share of the points that is next to none, of those in one step
MOST_STEPS = 1000  # from the median depth


@dataclass(frozen=True, slots=True)
class Intrinsics:
    """A pinhole camera, for the pixels of the image as it was published.

    Attributes:
        fx, fy: focal lengths in px.
        cx, cy: principal point in px, origin at the centre of the top left pixel.
        size: (H, W) in px of the images that it describes.
    """

    fx: float
    fy: float
    cx: float
    cy: float
    size: tuple[int, int]


def intrinsics(
    matrix: Sequence[float],
    size: tuple[int, int],
    offset: tuple[int, int] = (0, 0),
    binning: tuple[int, int] = (1, 1),
    roi: tuple[int, int] = (0, 0),
) -> Intrinsics | None:
    """Pinhole camera of a sensor_msgs/CameraInfo, as seen in its images.

    K and P describe the sensor at full resolution; the region of interest shifts them, and binning
    scales them after that (REP 104).

    Args:
        matrix: K (9 values) or P (12 values), row by row.
        size: (height, width) of the full-resolution sensor in px.
        offset: (x_offset, y_offset) of the region of interest in full-resolution px.
        binning: (binning_x, binning_y); 0 means 1.
        roi: (height, width) of the region of interest in full-resolution px; 0 means all.

    Returns:
        None for a camera that is not calibrated (a focal length of 0, a value that is not finite).
    """
    row = len(matrix) // 3
    fx, cx, fy, cy = matrix[0], matrix[2], matrix[row + 1], matrix[row + 2]
    if not (fx > 0 and fy > 0 and np.isfinite([fx, fy, cx, cy]).all()):
        return None
    bx, by = (max(1, factor) for factor in binning)
    height, width = roi[0] or size[0], roi[1] or size[1]
    return Intrinsics(
        fx / bx, fy / by, (cx - offset[0]) / bx, (cy - offset[1]) / by, (height // by, width // bx)
    )


def points(
    mask: NDArray[np.bool_],
    depth: NDArray[np.float32],
    camera: Intrinsics,
    corner: tuple[int, int] = (0, 0),
) -> NDArray[np.float64]:
    """Where the measured pixels of an object are.

    Args:
        mask: (h, w) bool, a cut-out of the image.
        depth: (h, w) float in m, the same cut-out; values that are not finite or not positive are
            no measurement.
        camera: of the whole image.
        corner: (x, y) of the cut-out's top left pixel in the image.

    Returns:
        (n, 3) x, y, z in m in the optical frame (x right, y down, z forward).
    """
    rows, columns = np.nonzero(mask & np.isfinite(depth) & (depth > 0))
    z = depth[rows, columns].astype(np.float64)
    x = (columns + corner[0] - camera.cx) / camera.fx * z
    y = (rows + corner[1] - camera.cy) / camera.fy * z
    return np.stack([x, y, z], 1)


def nearby(measured: NDArray[np.float64], gap: float) -> NDArray[np.float64]:
    """The points of an object without what its mask spills over: those that are in depth on one
    stretch with most of them.

    Args:
        measured: (n, 3) in m.
        gap: how long a stretch must be in which there are next to no points (depth cameras put some
            between an object and what is behind it) to end it, in parts of the median depth; 0
            leaves all.
    """
    if not gap or not len(measured):
        return measured
    depth = measured[:, 2]
    middle = float(np.median(depth))
    steps = np.floor((depth - middle) / (gap * middle) + 0.5)
    steps = np.clip(steps, -MOST_STEPS, MOST_STEPS).astype(np.int64) + MOST_STEPS
    counts = np.bincount(steps, minlength=2 * MOST_STEPS + 1)
    empty = np.flatnonzero(counts <= SPARSE * len(measured))
    place = int(np.searchsorted(empty, MOST_STEPS))
    first = empty[place - 1] if place else -1
    last = empty[place] if place < len(empty) else len(counts)
    if last == MOST_STEPS:  # points all over the place
        return measured
    return measured[(steps > first) & (steps < last)]


def position(
    measured: NDArray[np.float64], min_pixels: int = 1
) -> tuple[float, float, float] | None:
    """Position of an object: the median over its points, each axis for itself.

    The median ignores what shines through holes of the mask or spills over its border, as long as
    that is less than half of the points.

    Args:
        measured: (n, 3) in m.
        min_pixels: smallest number of points that give a position.

    Returns:
        (x, y, z) in m, or None if it is not known.
    """
    if len(measured) < max(1, min_pixels):
        return None
    x, y, z = np.median(measured, 0)
    return float(x), float(y), float(z)


def box(measured: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The box along the axes around an object's points, but for the outermost 2 % at each side,
    which depth cameras put between an object and what is behind it.

    Args:
        measured: (n, 3) in m, n > 0.

    Returns:
        (3,) centre and (3,) size in m.
    """
    low, high = np.percentile(measured, (2, 98), axis=0)
    return (low + high) / 2, high - low


def hidden_sides(
    mask: NDArray[np.bool_],
    depth: NDArray[np.float32],
    corner: tuple[int, int],
    size: tuple[int, int],
) -> NDArray[np.bool_]:
    """At which sides an object goes on behind something nearer, or beyond the image.

    Args:
        mask: (h, w) bool of the object, a cut-out of the image with some margin.
        depth: (h, w) float in m, the same cut-out; values that are not finite are no measurement.
        corner: (x, y) of the cut-out's top left pixel in the image.
        size: (H, W) of the image in px.

    Returns:
        (2, 2) bool: left and right, top and bottom.
    """
    left, top = corner
    right, bottom = size[1] - left - mask.shape[1], size[0] - top - mask.shape[0]
    return np.array(
        [
            [_cut(mask, depth, left), _cut(mask[:, ::-1], depth[:, ::-1], right)],
            [_cut(mask.T, depth.T, top), _cut(mask.T[:, ::-1], depth.T[:, ::-1], bottom)],
        ]
    )


def _cut(mask: NDArray[np.bool_], depth: NDArray[np.float32], margin: int) -> bool:
    """Whether the left side is hidden, which is so many px from the border of the image."""
    rows = np.flatnonzero(mask.any(1))
    if not len(rows):
        return False
    first = mask[rows].argmax(1)
    reach = np.arange(1, EDGE + 1)
    inside = _median(mask, depth, rows, first[:, None] + reach - 1)
    outside = _median(~mask, depth, rows, first[:, None] - reach)
    border = first + margin == 0
    return bool((border | (outside < (1 - FRONT) * inside)).mean() > HIDDEN)


def _median(
    of: NDArray[np.bool_],
    depth: NDArray[np.float32],
    rows: NDArray[np.intp],
    columns: NDArray[np.intp],
) -> NDArray[np.float32]:
    """(n,) median depth of those of the places (n,), (n, k) that are in a mask; NaN where none."""
    within = (columns >= 0) & (columns < depth.shape[1])
    places = rows[:, None], np.clip(columns, 0, depth.shape[1] - 1)
    chosen = np.where(within & of[places], depth[places], np.nan)
    chosen.sort(1)  # what is no number goes last
    counts = np.isfinite(chosen).sum(1)
    middle = np.maximum(counts - 1, 0) // 2
    found: NDArray[np.float32] = chosen[np.arange(len(rows)), middle]
    return found
