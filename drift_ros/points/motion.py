"""Where points go from one image to the next, by optical flow."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from drift_ros.points.interpolation import interpolated
from drift_ros.points.registration import way_back
from drift_ros.tracking.optical_flow import LEAST, dis, one_thread, small_grey

WINDOW = 15  # px of the flow of a side of the patches whose way back is sought

Floats = NDArray[np.float32]
Image = NDArray[np.uint8]


class Motion:
    """Takes points from one image of a stream to the next.

    The flow is DIS (Kroeger et al. 2016) as OpenCV has it, down to every pixel.

    Args:
        side: short side in px to which larger images are brought for the flow.
    """

    def __init__(self, side: int = 240) -> None:
        self._side = side
        self._flow = dis(finest=0, steps=6, stride=6, smoothing=2)

    def small(self, image: Image) -> Image:
        """(h, w) grey levels of an image (H, W, 3) uint8 RGB, at the size of the flow."""
        return small_grey(image, self._side)

    def between(self, before: Image, now: Image, size: tuple[int, int]) -> Field | None:
        """The flow from a small image (h, w) to the next, of images (H, W); None of those that are
        too small for it.
        """
        if min(size) < LEAST:
            return None
        with one_thread():
            return Field(self._flow.calc(before, now, None), before, now, size)


@dataclass(frozen=True, slots=True, eq=False)
class Field:
    """Flow from an image to the next.

    Attributes:
        flow: (h, w, 2).
        before, now: (h, w) grey levels of the earlier and the later image.
        size: (H, W) of the images in px.
    """

    flow: Floats
    before: Image
    now: Image
    size: tuple[int, int]

    @property
    def _ratio(self) -> Floats:
        height, width = self.before.shape
        return np.array([self.size[1] / width, self.size[0] / height], np.float32)

    def small(self, positions: Floats) -> Floats:
        """Positions (N, 2) in px of the images, in px of the flow."""
        return np.asarray((positions + 0.5) / self._ratio - 0.5, np.float32)

    def whole(self, positions: Floats) -> Floats:
        """Positions (N, 2) in px of the flow, in px of the images."""
        return np.asarray((positions + 0.5) * self._ratio - 0.5, np.float32)

    def move(self, positions: Floats) -> Floats:
        """(N, 2) where the flow leads from positions (N, 2) (x, y) in px of the earlier image."""
        start = self.small(positions)
        return self.whole(start + at(self.flow, start))

    def trip(self, positions: Floats, moved: Floats) -> Floats:
        """(N,) how far from positions (N, 2) in px the small patches end that lie where these moved
        to (N, 2), sought in the earlier image; infinite for what leaves the image or has no
        texture.
        """
        start, end = self.small(positions), self.small(moved)
        ratio = float(self._ratio.mean())
        trip = ratio * way_back(self.before, self.now, start, end, WINDOW)
        inside = ((moved >= -0.5) & (moved < np.array(self.size[::-1]) - 0.5)).all(1)
        return np.asarray(np.where(inside, trip, np.inf), np.float32)

    def texture(self, positions: Floats) -> Floats:
        """(N,) smaller eigenvalue of the structure of the earlier image at places (N, 2)."""
        x, y = ((positions + 0.5) / self._ratio).astype(int).T
        height, width = self.before.shape
        found = cv2.cornerMinEigenVal(self.before, 7)
        return np.asarray(found[y.clip(0, height - 1), x.clip(0, width - 1)], np.float32)


def at(flow: Floats, positions: Floats) -> Floats:
    """(N, 2) flow (H, W, 2) at positions in px, interpolated; beyond the image that of its edge."""
    x, y = np.ascontiguousarray(positions.T, np.float32)
    return np.asarray(interpolated(flow, x[:, None], y[:, None])[:, 0], np.float32)
