"""Bodies and backgrounds, and how they get onto the canvas."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from drift_ros.synthetic.motion import Path, Pose
from drift_ros.synthetic.shapes import Shape
from drift_ros.synthetic.textures import Texture
from drift_ros.synthetic.types import Camera

LIGHT = np.array([-0.45, -0.65, -0.61])  # towards the light, of length 1
AMBIENT, DIFFUSE = 0.45, 0.75


@dataclass(slots=True)
class Canvas:
    """A frame in the making.

    Attributes:
        image: (H, W, 3) float32 RGB in 0..255.
        labels: (H, W) uint8 ids.
        depth: (H, W) float32 in m.
    """

    image: NDArray[np.float32]
    labels: NDArray[np.uint8]
    depth: NDArray[np.float32]


@dataclass(frozen=True)
class Background:
    """A textured plane that faces the camera and fills the image.

    Attributes:
        texture: at least as large as the image; the excess is what camera motion can uncover, the
            edge is mirrored beyond.
        depth: its distance in m.
    """

    texture: Texture
    depth: float

    def paint(self, camera: Camera, eye: NDArray[np.float64]) -> Canvas:
        """A canvas with nothing but the plane, seen from `eye` (3,) in m."""
        size = (camera.width, camera.height)
        depth = self.depth - eye[2]
        scale = depth / self.depth
        shift = camera.focal * eye[:2] / self.depth
        middle = (np.array(self.texture.shape[1::-1]) - 1) / 2
        offset = middle + shift - scale * np.array(camera.centre)
        matrix = np.array([[scale, 0, offset[0]], [0, scale, offset[1]]])
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        image = cv2.warpAffine(
            self.texture, matrix, size, flags=flags, borderMode=cv2.BORDER_REFLECT_101
        )
        height, width = camera.height, camera.width
        return Canvas(
            image,
            np.zeros((height, width), np.uint8),
            np.full((height, width), depth, np.float32),
        )


@dataclass(frozen=True)
class Body:
    """One object.

    Attributes:
        id: its value in the label map, 1..254.
        name: its name.
        shape: its outline and relief.
        size: m per unit of the shape.
        texture: what is painted on it; it spans -1..1 in the coordinates of the shape's `unwrap`
            and is mirrored beyond.
        path: its motion.
    """

    id: int
    name: str
    shape: Shape
    size: float
    texture: Texture
    path: Path

    def paint(self, canvas: Canvas, camera: Camera, pose: Pose) -> int:
        """Add the body at a pose in the optical frame, hidden by what is nearer.

        Returns:
            Number of pixels in the image that it would cover if nothing hid it.
        """
        z = float(pose.position[2])
        scale = camera.focal * self.size / z  # px per unit
        if scale <= 0:
            return 0
        centre = camera.project(pose.position)
        reach = scale * self.shape.extent + 2
        left, top = (max(0, int(np.floor(c - reach))) for c in centre)
        right = min(camera.width, int(np.ceil(centre[0] + reach)) + 1)
        bottom = min(camera.height, int(np.ceil(centre[1] + reach)) + 1)
        if right <= left or bottom <= top:
            return 0
        region = slice(top, bottom), slice(left, right)
        x = (np.arange(left, right, dtype=np.float64) - centre[0]) / scale
        y = (np.arange(top, bottom, dtype=np.float64) - centre[1])[:, None] / scale
        c, s = np.cos(pose.angle), np.sin(pose.angle)
        u = (c * x + s * y).astype(np.float32)
        v = (c * y - s * x).astype(np.float32)

        distance = self.shape.distance(u, v)
        inside = distance <= 0
        depth = (z - self.size * self.shape.height(u, v)).astype(np.float32)
        nearer = depth < canvas.depth[region]
        seen = inside & nearer
        # The label asks for the pixel's centre, the image for the covered share of the pixel.
        cover = np.clip(0.5 - distance * np.float32(scale), 0, 1) * nearer
        colour = self._colours(u, v, pose)
        image = canvas.image[region]
        image += cover[..., None] * (colour - image)
        canvas.labels[region][seen] = self.id
        canvas.depth[region][seen] = depth[seen]
        return int(np.count_nonzero(inside))

    def _colours(
        self, u: NDArray[np.float32], v: NDArray[np.float32], pose: Pose
    ) -> NDArray[np.float32]:
        height, width = self.texture.shape[:2]
        a, b = self.shape.unwrap(u, v, pose.turn)
        colour = cv2.remap(
            self.texture,
            (a + 1) * np.float32((width - 1) / 2),
            (b + 1) * np.float32((height - 1) / 2),
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REFLECT_101,
        )
        relief = self.shape.height(u, v)
        if not relief.any():
            return colour
        # On a dome the normal is the place itself; the light stays while the body spins.
        c, s = np.float32(np.cos(pose.angle)), np.float32(np.sin(pose.angle))
        x, y = c * u - s * v, s * u + c * v
        light = np.maximum(0, x * LIGHT[0] + y * LIGHT[1] - relief * LIGHT[2])
        return colour * (AMBIENT + DIFFUSE * light)[..., None].astype(np.float32)
