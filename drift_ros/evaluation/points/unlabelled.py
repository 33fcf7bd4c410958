"""What can be said of points in videos without known tracks: whether they stay on their object, and
whether the way back through the video ends where the way there began.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from drift_ros.evaluation.points.clips import to_raster
from drift_ros.evaluation.points.methods import PointMethod

SPACING = 12  # px between points
MARGIN = 4  # px of a mask's rim, on which annotations and interpolation are unsure
NEAR = 4.0  # px of a raster of 256x256


@dataclass(frozen=True, slots=True)
class Unlabelled:
    """Of one object in one video.

    Attributes:
        points: number of them.
        seen: share of the points and frames that are said to be visible.
        inside: share of these that lie in the object's mask; NaN without any.
        returned: share of all points that are said to be visible in the last frame, and from there,
            through the video backwards, get to within 4 px of their start and are visible there.
        error: median distance of those that were visible in the last frame from their start, in px
            of a raster of 256x256; NaN without any.
    """

    points: int
    seen: float
    inside: float
    returned: float
    error: float


def points_on(mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """(N, 2) (x, y) of a regular grid of points on a mask (H, W), away from its rim; its middle
    alone where it is too small for that.
    """
    height, width = mask.shape
    kernel = np.ones((2 * MARGIN + 1, 2 * MARGIN + 1), np.uint8)
    inner = cv2.erode(mask.astype(np.uint8), kernel, borderValue=0).astype(bool)
    x, y = np.meshgrid(
        np.arange(SPACING // 2, width, SPACING), np.arange(SPACING // 2, height, SPACING)
    )
    chosen = inner[y, x]
    if chosen.any():
        return np.stack([x[chosen], y[chosen]], 1).astype(np.float32)
    distance = cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, 5)
    row, column = np.unravel_index(int(distance.argmax()), mask.shape)
    return np.array([[column, row]], np.float32)


def measure(method: PointMethod, video: NDArray[np.uint8], masks: NDArray[np.bool_]) -> Unlabelled:
    """Follow points of an object to the end of a video and back.

    A method that never moves its points brings all of them back: read `returned` beside `inside`.

    Args:
        method: what follows points.
        video: (T, H, W, 3) uint8 RGB, T > 1.
        masks: (T, H, W) the object; it is in the first frame.
    """
    starts = points_on(masks[0])
    frames = np.zeros(len(starts), np.int64)
    found, visible = method.track(video, frames, starts)
    size = (video.shape[1], video.shape[2])
    x, y = np.moveaxis(found.round().astype(int).clip(0, np.array(size[::-1]) - 1), -1, 0)
    on = masks[np.arange(len(video)), y, x][:, 1:]
    said = visible[:, 1:]
    kept = visible[:, -1]
    error = np.full(len(starts), np.inf)
    if kept.any():
        back, seen = method.track(video[::-1], frames[kept], found[kept, -1])
        error[kept] = np.linalg.norm(
            to_raster(back[:, -1], size) - to_raster(starts[kept], size), axis=1
        )
        came = np.flatnonzero(kept)[seen[:, -1]]
    else:
        came = np.zeros(0, int)
    return Unlabelled(
        points=len(starts),
        seen=float(said.mean()),
        inside=float(on[said].mean()) if said.any() else float('nan'),
        returned=float((error[came] <= NEAR).sum() / len(starts)),
        error=float(np.median(error[kept])) if kept.any() else float('nan'),
    )
