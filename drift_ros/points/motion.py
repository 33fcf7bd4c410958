"""Where points go from one image to the next, by optical flow."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from drift_ros.tracking.optical_flow import LEAST, dis, one_thread, small_grey

Floats = NDArray[np.float32]
Image = NDArray[np.uint8]


class Motion:
    """Takes points from one image of a stream to the next.

    The flow is DIS (Kroeger et al. 2016) as OpenCV has it, there and back. The way there is
    computed down to every pixel; for the way back, which only confirms it, every second one does.

    Args:
        side: short side in px to which larger images are brought for the flow.
    """

    def __init__(self, side: int = 240) -> None:
        self._side = side
        self._forth = dis(finest=0, steps=6, stride=6, smoothing=2)
        self._back = dis(finest=1, steps=8, stride=4, smoothing=1)

    def between(self, before: Image, now: Image) -> Field | None:
        """The flow from an image (H, W, 3) uint8 RGB to the next, of the same size; None of images
        that are too small for it.
        """
        height, width = now.shape[:2]
        if min(height, width) < LEAST:
            return None
        small = [small_grey(image, self._side) for image in (before, now)]
        with one_thread():
            forth = self._forth.calc(small[0], small[1], None)
            back = self._back.calc(small[1], small[0], None)
        return Field(forth, back, small[0], small[1], (height, width))


@dataclass(frozen=True, slots=True, eq=False)
class Field:
    """Flow from an image to the next.

    Attributes:
        forth: (h, w, 2) flow there.
        back: (h, w, 2) flow back.
        before, now: (h, w) grey levels of the earlier and the later image.
        size: (H, W) of the images in px.
    """

    forth: Floats
    back: Floats
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

    def move(self, positions: Floats) -> tuple[Floats, Floats]:
        """Follow the flow.

        Args:
            positions: (N, 2) (x, y) in px of the earlier image.

        Returns:
            (N, 2) positions in the next image, and (N,) how far from the start the flow back from
            there leads, in px; infinite for what leaves the image.
        """
        start = self.small(positions)
        end: Floats = np.asarray(start + at(self.forth, start), np.float32)
        trip = np.linalg.norm((end + at(self.back, end) - start) * self._ratio, axis=1)
        found = self.whole(end)
        inside = ((found >= -0.5) & (found < np.array(self.size[::-1]) - 0.5)).all(1)
        return found, np.asarray(np.where(inside, trip, np.inf), np.float32)

    def texture(self, positions: Floats) -> Floats:
        """(N,) smaller eigenvalue of the structure of the earlier image at places (N, 2)."""
        x, y = ((positions + 0.5) / self._ratio).astype(int).T
        height, width = self.before.shape
        found = cv2.cornerMinEigenVal(self.before, 7)
        return np.asarray(found[y.clip(0, height - 1), x.clip(0, width - 1)], np.float32)


def at(flow: Floats, positions: Floats) -> Floats:
    """(N, 2) flow (H, W, 2) at positions in px, interpolated; beyond the image that of its edge."""
    if not len(positions):
        return np.zeros((0, 2), np.float32)
    x, y = np.ascontiguousarray(positions.T, np.float32)
    found = cv2.remap(
        flow, x[:, None], y[:, None], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(found[:, 0], np.float32)
