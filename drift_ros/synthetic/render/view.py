"""What a moving camera sees of the world."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from drift_ros.synthetic.ground_truth import Camera

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class View:
    """A camera at a place. World and optical frame have x right, y down, z forward.

    Attributes:
        rotation: (3, 3) from the world to the optical frame.
        position: (3,) in m in the world.
    """

    camera: Camera
    rotation: Array
    position: Array

    @classmethod
    def of(cls, camera: Camera, position: ArrayLike, angles: ArrayLike = (0, 0, 0)) -> View:
        """A camera turned by yaw, pitch and roll in rad: to the right, up, clockwise."""
        yaw, pitch, roll = np.asarray(angles, np.float64)
        cy, sy = np.cos(yaw), np.sin(yaw)
        cp, sp = np.cos(pitch), np.sin(pitch)
        cr, sr = np.cos(roll), np.sin(roll)
        about_y = np.array([[cy, 0, -sy], [0, 1, 0], [sy, 0, cy]])
        about_x = np.array([[1, 0, 0], [0, cp, sp], [0, -sp, cp]])
        about_z = np.array([[cr, sr, 0], [-sr, cr, 0], [0, 0, 1]])
        return cls(camera, about_z @ about_x @ about_y, np.asarray(position, np.float64))

    def optical(self, points: Array) -> Array:
        """Points (..., 3) of the world in the optical frame."""
        return (points - self.position) @ self.rotation.T

    def world(self, points: Array) -> Array:
        """Points (..., 3) of the optical frame in the world."""
        return points @ self.rotation + self.position

    def pixels(self, points: Array) -> Array:
        """(..., 2) px of points (..., 3) in the optical frame, NaN where z is not positive."""
        z = np.where(points[..., 2:] > 1e-9, points[..., 2:], np.nan)
        return np.array(self.camera.centre) + self.camera.focal * points[..., :2] / z

    @property
    def roll(self) -> float:
        """How far the world is turned clockwise in the image, in rad."""
        return float(np.arctan2(self.rotation[1, 0], self.rotation[0, 0]))

    def rays(self, left: int, top: int, right: int, bottom: int) -> tuple[Array, Array]:
        """Rays (x, y, 1) through the px of a region: x (1, w) and y (h, 1)."""
        cx, cy = self.camera.centre
        x = (np.arange(left, right, dtype=np.float64) - cx) / self.camera.focal
        y = (np.arange(top, bottom, dtype=np.float64) - cy) / self.camera.focal
        return x[None], y[:, None]
