"""Where a target is expected: constant velocity with uncertainty, beside the camera's motion."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from drift_ros.tracking.constant_velocity import ConstantVelocity, Vector

ACCELERATION = 1.2  # sizes per s^1.5: white noise that velocities change by
STANDSTILL = 2.0  # sizes per s: standard deviation of the velocity when nothing is known of it
RESPONSE = 0.1  # of phase correlation, from which on a shift is believed
WIDTH = 160  # px of the small pictures that the camera's motion is found on


@dataclass(frozen=True, slots=True)
class Motion(ConstantVelocity):
    """The motion of a target in an image: in px, and beside the camera's.

    Attributes:
        size: square root of the target's area in px, the unit of its noise.
    """

    size: float

    @property
    def deviation(self) -> float:
        """Standard deviation of the place along an axis in px."""
        return float(np.sqrt(self.variance))

    @classmethod
    def start(cls, place: tuple[float, float], size: float, deviation: float) -> Motion:
        """A target that was seen for the first time.

        Args:
            place: (x, y) in px.
            size: in px.
            deviation: standard deviation of the place in px.
        """
        covariance = np.diag([deviation**2, (STANDSTILL * size) ** 2])
        return cls(np.asarray(place, float), np.zeros(2), covariance, size)

    def after(self, seconds: float, camera: Vector) -> Motion:
        """The expectation for a later frame.

        Args:
            seconds: how much later, 0 or more.
            camera: (x, y) shift of the background in px.
        """
        moved = self.predicted(seconds, ACCELERATION * self.size)
        return replace(moved, place=moved.place + camera)

    def corrected(self, place: tuple[float, float], size: float, deviation: float) -> Motion:
        """The estimate once the target was seen; arguments as of `start`."""
        return replace(self.updated(np.asarray(place, float), deviation), size=size)


def thumbnail(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """A small grey picture (h, w) of an (H, W, 3) uint8 image, for `camera_shift`."""
    height = max(2, round(WIDTH * image.shape[0] / image.shape[1]))
    # every fourth pixel at most is read: a picture this small needs no more
    step = max(1, image.shape[1] // (4 * WIDTH))
    small = cv2.resize(image[::step, ::step], (WIDTH, height), interpolation=cv2.INTER_AREA)
    return cv2.cvtColor(small, cv2.COLOR_RGB2GRAY).astype(np.float32)


def camera_shift(
    before: NDArray[np.float32], now: NDArray[np.float32], size: tuple[int, int]
) -> Vector:
    """(x, y) in px by which most of the picture moved, by phase correlation of thumbnails; zeros if
    they do not agree.

    Args:
        before, now: thumbnails of two frames.
        size: (H, W) of the frames in px.
    """
    if before.shape != now.shape:
        return np.zeros(2)
    taper = _taper(now.shape[1], now.shape[0])
    (x, y), response = cv2.phaseCorrelate(before * taper, now * taper)
    if response < RESPONSE:
        return np.zeros(2)
    return np.array([x * size[1] / now.shape[1], y * size[0] / now.shape[0]])


@lru_cache(maxsize=4)
def _taper(width: int, height: int) -> NDArray[np.float32]:
    window: NDArray[np.float32] = cv2.createHanningWindow((width, height), cv2.CV_32F)
    return window
