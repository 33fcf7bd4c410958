"""Textured planes: walls, floors, the ground."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from drift_ros.synthetic.render.raster import Floats
from drift_ros.synthetic.render.view import View
from drift_ros.synthetic.textures.colours import Texture

FARTHEST = 1e4  # m


@dataclass(frozen=True)
class Plane:
    """An endless plane; its texture is mirrored beyond its edges.

    Attributes:
        origin: (3,) a point of it in m, where the middle of the texture lies.
        right, down: (3,) orthogonal unit vectors in it, along the texture's columns and rows.
        pitch: m per texel.
        haze: (3,) colour that it fades to with distance, RGB in 0..255; None: it does not.
        fade: distance in m over which it fades to 63 %.
    """

    origin: NDArray[np.float64]
    right: NDArray[np.float64]
    down: NDArray[np.float64]
    texture: Texture
    pitch: float
    haze: tuple[float, float, float] | None = None
    fade: float = 10.0

    @cached_property
    def normal(self) -> NDArray[np.float64]:
        """(3,) away from the camera for a wall before it."""
        return np.cross(self.right, self.down)

    @cached_property
    def levels(self) -> list[Texture]:
        """The texture at full, half, quarter and eighth size, smoothed."""
        levels = [self.texture]
        while len(levels) < 4 and min(levels[-1].shape[:2]) >= 16:
            levels.append(cv2.pyrDown(levels[-1]))
        return levels

    def depth(self, view: View) -> Floats:
        """(H, W) along the optical axis in m; infinite where the plane is not before the camera."""
        x, y = view.rays(0, 0, view.camera.width, view.camera.height)
        a, b, c = view.rotation @ self.normal
        gap = self.normal @ (self.origin - view.position)
        inverse = ((a * x + c) + b * y) / gap
        seen = inverse > 1 / FARTHEST
        np.maximum(inverse, 1 / FARTHEST, out=inverse)
        depth = np.divide(1, inverse, out=inverse).astype(np.float32)
        if not seen.all():
            np.copyto(depth, np.float32(np.inf), where=~seen)
        return depth

    def places(self, view: View, pixels: NDArray[np.float64]) -> NDArray[np.float64]:
        """(N, 3) points of the world seen at px (N, 2) if only the plane were there."""
        cx, cy = view.camera.centre
        rays = (pixels - (cx, cy)) / view.camera.focal
        rays = np.concatenate([rays, np.ones((len(rays), 1))], -1) @ view.rotation
        gap = self.normal @ (self.origin - view.position)
        return view.position + rays * (gap / (rays @ self.normal))[:, None]

    def picture(self, view: View, depth: Floats) -> Floats:
        """(H, W, 3) its colours where depth (H, W) is finite; unspecified elsewhere."""
        camera = view.camera
        rows = np.flatnonzero(np.isfinite(depth).any(1))
        if not len(rows):
            return np.zeros((camera.height, camera.width, 3), np.float32)
        band = slice(int(rows[0]), int(rows[-1]) + 1)
        near = float(depth[band].min())
        known = depth[band][:, camera.width // 2]
        known = known[np.isfinite(known)]  # depth rises or falls along a column
        far = float(known[len(known) // 2]) if len(known) else near
        density = camera.focal * self.pitch  # px per texel at 1 m
        first = _level(density / max(near, 1e-3) * 0.7, len(self.levels))
        last = _level(density / max(min(far, 1e3), 1e-3) * 0.7, len(self.levels))
        colours = self._warp(view, band, first)
        if last > first:
            blend = np.clip((depth[band] - near) / np.float32(max(far - near, 1e-6)), 0, 1)[
                ..., None
            ]
            finer = self._warp(view, band, last)
            finer -= colours
            finer *= blend
            colours += finer
        if self.haze is not None:
            clear = np.exp(-depth[band] / np.float32(self.fade))[..., None]
            haze = np.array(self.haze, np.float32)
            colours = haze + (colours - haze) * clear
        if len(colours) == camera.height:
            return colours
        image = np.empty((camera.height, camera.width, 3), np.float32)
        image[band] = colours
        return image

    def _warp(self, view: View, band: slice, level: int) -> Floats:
        texture = self.levels[level]
        pitch = self.pitch * 2**level
        cx, cy = view.camera.centre
        focal = view.camera.focal
        rays = np.array([[1, 0, -cx], [0, 1, band.start - cy], [0, 0, focal]]) / focal
        rays = view.rotation.T @ rays  # px of the band -> direction in the world
        offset = view.position - self.origin
        gap = -self.normal @ offset
        depth = self.normal @ rays
        middle = (np.array(texture.shape[1::-1]) - 1) / 2
        across, along = (
            (axis @ offset * depth + gap * (axis @ rays)) / pitch + m * depth
            for axis, m in zip((self.right, self.down), middle, strict=True)
        )
        size = (view.camera.width, band.stop - band.start)
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        matrix = np.stack([across, along, depth])
        matrix /= np.abs(matrix).max()
        image = cv2.warpPerspective(
            texture, matrix, size, flags=flags, borderMode=cv2.BORDER_REFLECT
        )
        return image.astype(np.float32)


def wall(texture: Texture, distance: float, width: float, tilt: float = 0.0) -> Plane:
    """A plane that faces the camera at the origin.

    Args:
        distance: in m.
        width: of the texture in m.
        tilt: turn about its upright axis in rad.
    """
    right = np.array([np.cos(tilt), 0, np.sin(tilt)])
    pitch = width / texture.shape[1]
    return Plane(np.array([0.0, 0, distance]), right, np.array([0.0, 1, 0]), texture, pitch)


def floor(
    texture: Texture,
    height: float,
    width: float,
    centre: float,
    haze: tuple[float, float, float] | None = None,
    fade: float = 10.0,
) -> Plane:
    """A level plane below the camera.

    Args:
        height: y in m, positive is below the origin.
        width: of the texture in m.
        centre: z of the texture's middle in m.
    """
    pitch = width / texture.shape[1]
    origin = np.array([0.0, height, centre])
    right, back = np.array([1.0, 0, 0]), np.array([0.0, 0, -1])
    return Plane(origin, right, back, texture, pitch, haze, fade)


def _level(scale: float, count: int) -> int:
    """The level for a scale in px per texel."""
    return int(np.clip(np.floor(-np.log2(max(scale, 1e-6))), 0, count - 1))
