"""Where points go from one image to the next, by optical flow."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

LEAST = 16  # px that it needs


class Motion:
    """Takes points from one image of a stream to the next.

    The flow is DIS (Kroeger et al. 2016) as OpenCV has it, there and back. The way there is
    computed down to every pixel; for the way back, which only confirms it, every second one does.

    Args:
        side: short side in px to which larger images are brought for the flow.
    """

    def __init__(self, side: int = 240) -> None:
        self._side = side
        self._forth = _dis(finest=0, steps=6, stride=6, smoothing=2)
        self._back = _dis(finest=1, steps=8, stride=4, smoothing=1)

    def move(
        self, before: NDArray[np.uint8], now: NDArray[np.uint8], positions: Floats
    ) -> tuple[Floats, Floats]:
        """Follow the flow.

        Args:
            before: (H, W, 3) uint8 RGB, the earlier image.
            now: the next one, of the same size.
            positions: (N, 2) (x, y) in px of the earlier image.

        Returns:
            (N, 2) positions in the next image, and (N,) how far from the start the flow back from
            there leads, in px; infinite for what leaves the image.
        """
        height, width = now.shape[:2]
        if min(height, width) < LEAST:
            return positions, np.full(len(positions), np.inf, np.float32)
        scale = max(1.0, min(height, width) / self._side)
        small = [_small(image, scale) for image in (before, now)]
        threads = cv2.getNumThreads()
        cv2.setNumThreads(1)  # results depend on the stripes that threads take
        try:
            forth = self._forth.calc(small[0], small[1], None)
            back = self._back.calc(small[1], small[0], None)
        finally:
            cv2.setNumThreads(threads)
        sides = small[0].shape[1], small[0].shape[0]
        ratio = np.array([width, height], np.float32) / np.array(sides, np.float32)
        start: Floats = np.asarray((positions + 0.5) / ratio - 0.5, np.float32)
        end: Floats = np.asarray(start + at(forth, start), np.float32)
        trip = np.linalg.norm((end + at(back, end) - start) * ratio, axis=1)
        found: Floats = np.asarray((end + 0.5) * ratio - 0.5, np.float32)
        inside = ((found >= -0.5) & (found < [width - 0.5, height - 0.5])).all(1)
        return found, np.asarray(np.where(inside, trip, np.inf), np.float32)


def _dis(finest: int, steps: int, stride: int, smoothing: int) -> cv2.DISOpticalFlow:
    """DIS with steps of descent and of refinement, patches every `stride` px, down to the scale
    2^-finest.
    """
    flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    flow.setFinestScale(finest)
    flow.setGradientDescentIterations(steps)
    flow.setPatchStride(stride)
    flow.setVariationalRefinementIterations(smoothing)
    return flow


def at(flow: Floats, positions: Floats) -> Floats:
    """(N, 2) flow (H, W, 2) at positions in px, interpolated; beyond the image that of its edge."""
    if not len(positions):
        return np.zeros((0, 2), np.float32)
    x, y = np.ascontiguousarray(positions.T, np.float32)
    found = cv2.remap(
        flow, x[:, None], y[:, None], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(found[:, 0], np.float32)


def _small(image: NDArray[np.uint8], scale: float) -> NDArray[np.uint8]:
    """(h, w) grey levels."""
    grey = np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.uint8)
    if scale > 1:
        size = (round(grey.shape[1] / scale), round(grey.shape[0] / scale))
        grey = np.asarray(cv2.resize(grey, size, interpolation=cv2.INTER_AREA), np.uint8)
    return grey
