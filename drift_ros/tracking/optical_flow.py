"""Optical flow between two images of a stream, there and back."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

SIDE = 240  # px, of the short side to which larger images are brought
TRIP = 1.0  # px from which the way there and back must not miss its start

Floats = NDArray[np.float32]
Image = NDArray[np.uint8]


def small_grey(image: Image) -> Image:
    """(h, w) grey levels of an image (H, W, 3) uint8 RGB, shrunk for the flow."""
    grey = np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.uint8)
    scale = min(grey.shape) / SIDE
    if scale > 1:
        size = (round(grey.shape[1] / scale), round(grey.shape[0] / scale))
        grey = np.asarray(cv2.resize(grey, size, interpolation=cv2.INTER_AREA), np.uint8)
    return grey


@dataclass(frozen=True, slots=True, eq=False)
class Flow:
    """Dense flow in px of the small images.

    Attributes:
        forth: (h, w, 2) from the earlier image to the later one.
        back: (h, w, 2) from the later one to the earlier.
    """

    forth: Floats
    back: Floats

    @classmethod
    def between(cls, before: Image, now: Image) -> Flow:
        """DIS (Kroeger et al. 2016) as OpenCV has it, down to every other pixel; cells are coarser.

        Args:
            before, now: (h, w) uint8, at least 16 px a side.
        """
        dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
        dis.setFinestScale(1)
        dis.setGradientDescentIterations(8)
        dis.setPatchStride(4)
        dis.setVariationalRefinementIterations(1)
        threads = cv2.getNumThreads()
        cv2.setNumThreads(1)  # results depend on the stripes that threads take
        try:
            return cls(dis.calc(before, now, None), dis.calc(now, before, None))
        finally:
            cv2.setNumThreads(threads)

    def carried(self, labels: Image) -> Image:
        """Labels (h, w) below 255 of the earlier image in the later one; 255 where nothing of the
        earlier one is to be seen: the way back and there again misses its start, or leaves the
        image.
        """
        places = _grid(labels.shape) + self.back
        found = cv2.remap(
            labels, places, None, cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT, borderValue=255
        )
        trip = self.back + cv2.remap(self.forth, places, None, cv2.INTER_LINEAR)
        return np.where(np.hypot(trip[..., 0], trip[..., 1]) < TRIP, found, 255).astype(np.uint8)

    def movement(self, mask: NDArray[np.bool_], least: int) -> Floats | None:
        """(x, y) in px, the median flow of a mask (h, w) of the earlier image, of the pixels that
        are still seen; None if they are fewer than `least`.
        """
        rows, columns = np.nonzero(mask)
        if not len(rows):
            return None
        forth = self.forth[rows, columns]
        places = np.stack([columns, rows], 1).astype(np.float32) + forth
        trip = forth + cv2.remap(self.back, places[None], None, cv2.INTER_LINEAR)[0]
        seen = np.hypot(trip[:, 0], trip[:, 1]) < TRIP
        return np.median(forth[seen], 0) if seen.sum() >= least else None


def _grid(shape: tuple[int, ...]) -> Floats:
    """(h, w, 2) (x, y) of each pixel."""
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    return np.stack([columns, rows], 2).astype(np.float32)
