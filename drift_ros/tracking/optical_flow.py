"""Optical flow between two images of a stream, there and back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

SIDE = 240  # px, of the short side to which larger images are brought
LEAST = 16  # px of a side that flow needs
TRIP = 1.0  # px from which the way there and back must not miss its start

Floats = NDArray[np.float32]
Image = NDArray[np.uint8]


def small_grey(image: Image, side: int = SIDE) -> Image:
    """(h, w) grey levels of an image (H, W, 3) uint8 RGB, whose short side is shrunk to `side` px
    if it is longer.
    """
    grey = np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.uint8)
    scale = min(grey.shape) / side
    if scale > 1:
        size = (round(grey.shape[1] / scale), round(grey.shape[0] / scale))
        grey = np.asarray(cv2.resize(grey, size, interpolation=cv2.INTER_AREA), np.uint8)
    return grey


def dis(finest: int, steps: int, stride: int, smoothing: int) -> cv2.DISOpticalFlow:
    """DIS (Kroeger et al. 2016) as OpenCV has it.

    Args:
        finest: it goes down to the scale 2^-finest.
        steps: of gradient descent.
        stride: of patches in px.
        smoothing: steps of variational refinement.
    """
    flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    flow.setFinestScale(finest)
    flow.setGradientDescentIterations(steps)
    flow.setPatchStride(stride)
    flow.setVariationalRefinementIterations(smoothing)
    return flow


@contextmanager
def one_thread() -> Iterator[None]:
    """OpenCV in one thread: the result of DIS depends on the stripes that threads take."""
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(threads)


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
        """The flow down to every other pixel; cells of descriptors are coarser.

        Args:
            before, now: (h, w) uint8, `LEAST` px a side or more.
        """
        flow = dis(finest=1, steps=8, stride=4, smoothing=1)
        with one_thread():
            return cls(flow.calc(before, now, None), flow.calc(now, before, None))

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
