"""Balls: spheres in exact perspective, which roll, shine and throw shadows on the floor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from drift_ros.synthetic.render.light import Light
from drift_ros.synthetic.render.raster import Blur, Floats, Raster, Region, put, region, times
from drift_ros.synthetic.render.view import View
from drift_ros.synthetic.textures.colours import Texture

Array = NDArray[np.float64]
Planes = Sequence[Floats]
"""The x, y and z (h, w) of vectors: three planes are quicker than vectors side by side."""
SHININESS = 40.0  # exponent of the highlight
GROUND, SKY = 0.75, 1.2  # ambient light from below and from above, 1 on average


@dataclass(frozen=True)
class BallActor:
    """A ball on its way.

    Attributes:
        id: in the label map, 1..254.
        radius: in m.
        texture: what each half of it shows, mirrored at the circle between them.
        positions: (d, 3) of its centre in m in the world.
        turns: (d, 3, 3) rotation from its own frame to the world's.
        shades: whether it throws a shadow.
    """

    id: int
    name: str
    radius: float
    texture: Texture
    positions: Array
    turns: Array
    shades: bool = True

    surfaces = 1

    def centre(self, index: int) -> Array:
        """(3,) in the world in m."""
        return self.positions[index]

    def paint(
        self, raster: Raster, view: View, index: int, first: int, light: Light, blur: Blur
    ) -> list[tuple[Region, NDArray[np.bool_]]]:
        """Add it; `first` is the number of its surface.

        Returns:
            Region and where in it would be seen if nothing stood before it.
        """
        centre = view.optical(self.positions[index])
        if centre[2] <= 1.05 * self.radius:
            return []
        # The cone around the ball is at most this wide in the image.
        reach = view.camera.focal * self.radius / (centre[2] - self.radius)
        corners = view.pixels(centre) + reach * np.array([(-1.0, -1.0), (1.0, 1.0)]) * 1.3
        where = region(view.camera, corners, 2 + blur.reach)
        if where is None:
            return []
        x, y = view.rays(where[1].start, where[0].start, where[1].stop, where[0].stop)
        a = x * x + y * y + 1
        b = centre[0] * x + centre[1] * y + centre[2]
        gap = float(centre @ centre) - b * b / a  # squared distance of the ray from the centre
        inside = gap <= self.radius**2
        depth = b / a - np.sqrt(np.maximum(self.radius**2 - gap, 0) / a)
        offset = np.sqrt(np.maximum(gap, 0)) - self.radius
        cover = np.clip(0.5 - offset * (view.camera.focal / centre[2]), 0, 1).astype(np.float32)
        towards = [
            (place - c).astype(np.float32)
            for place, c in zip((x * depth, y * depth, depth), centre, strict=True)
        ]
        normal = _unit(towards)
        colour = self._colours(normal, view, index, self.radius * view.camera.focal / centre[2])
        lit = self._lit(colour, normal, x, y, view, light, index)
        put(raster, where, lit, cover, inside, depth.astype(np.float32), first, blur)
        return [(where, inside)]

    def _colours(self, normal: Planes, view: View, index: int, pixels: float) -> Texture:
        turn = (view.rotation @ self.turns[index]).T
        own = [_dot(normal, row) for row in turn]
        # Lambert's azimuthal projection of each half onto the circle in the texture.
        scale = 1 / np.sqrt(1 + np.abs(own[2]))
        texture = self.texture
        while texture.shape[0] > 4 * max(pixels, 6) and texture.shape[0] >= 32:
            texture = cv2.resize(texture, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
        height, width = texture.shape[:2]
        u = (own[0] * scale + 1) * np.float32((width - 1) / 2)
        v = (own[1] * scale + 1) * np.float32((height - 1) / 2)
        return cv2.remap(texture, u, v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)

    def _lit(
        self,
        colour: Texture,
        normal: Planes,
        x: Array,
        y: Array,
        view: View,
        light: Light,
        index: int,
    ) -> Floats:
        towards = view.rotation @ light.directions[index]
        up = _dot(normal, view.rotation @ (0.0, -1.0, 0.0))
        around = np.float32((SKY + GROUND) / 2) + up * np.float32((SKY - GROUND) / 2)
        gain = np.float32(light.ambient) * around
        gain += np.float32(light.diffuse * 1.25) * np.maximum(_dot(normal, towards), 0)
        lit = times(colour, gain)
        if light.gloss > 0:
            length = np.sqrt(x * x + y * y + 1)
            eye = [(-ray / length).astype(np.float32) for ray in (x, y, 1)]
            between = _unit([e + np.float32(t) for e, t in zip(eye, towards, strict=True)])
            shine = sum(n * h for n, h in zip(normal, between, strict=True))
            shine = np.maximum(shine, 0) ** np.float32(SHININESS) * np.float32(235 * light.gloss)
            lit = cv2.add(lit, cv2.merge([shine] * 3))
        return lit

    def shadow(self, points: Planes, light: Light, index: int) -> Floats:
        """Share of light (h, w) that its shadow leaves at points, three (h, w) of the world.

        The lamp's shadow is soft in proportion to the way from the ball; where the ball stands
        close, it also keeps the light from around away.
        """
        offset = [p - np.float32(c) for p, c in zip(points, self.positions[index], strict=True)]
        # In place where it can be: fresh memory costs more than the arithmetic.
        squared = offset[0] * offset[0]
        squared += offset[1] * offset[1]
        squared += offset[2] * offset[2]
        along = -_dot(offset, light.directions[index])  # > 0 where the ball is on the lamp's side
        lit = squared - np.multiply(along, along, out=offset[0])
        np.sqrt(np.maximum(lit, 0, out=lit), out=lit)
        lit -= np.float32(self.radius)
        width = np.maximum(along, 0, out=offset[0])
        width += np.float32(0.3 * self.radius)
        width *= np.float32(light.softness)
        lit /= width
        lit *= np.float32(0.5)
        lit += np.float32(0.5)
        np.clip(lit, 0, 1, out=lit)
        lamp = lit * lit
        lamp *= 3 - 2 * lit
        np.subtract(1, lamp, out=lamp)
        lamp *= np.float32(light.shadow)
        along *= np.float32(5 / self.radius)
        along += np.float32(0.5)
        lamp *= np.clip(along, 0, 1, out=along)
        np.subtract(1, lamp, out=lamp)
        squared *= np.float32(1 / self.radius**2)
        near = np.maximum(squared, 1, out=squared)
        near *= np.sqrt(near, out=along)
        np.divide(np.float32(0.35), near, out=near)
        lamp *= np.subtract(1, near, out=near)
        return lamp

    def sample(self, rng: np.random.Generator, count: int) -> tuple[Array, NDArray[np.intp]]:
        """Points fixed on it: directions (count, 3) in its own frame, and zeros (count,)."""
        directions = rng.standard_normal((count, 3))
        directions /= np.linalg.norm(directions, axis=-1, keepdims=True)
        return directions, np.zeros(count, np.intp)

    def locate(
        self, places: Array, parts: NDArray[np.intp], view: View, index: int
    ) -> tuple[Array, NDArray[np.bool_]]:
        """Px (N, 2) of points, and whether they are on the side that faces the camera (N,)."""
        normals = places @ self.turns[index].T
        points = self.positions[index] + self.radius * normals
        facing = ((view.position - points) * normals).sum(-1) > 0
        return view.pixels(view.optical(points)), facing


def _dot(planes: Planes, vector: Array) -> Floats:
    a, b, c = (np.float32(v) for v in vector)
    result = planes[0] * a
    result += planes[1] * b
    result += planes[2] * c
    return result


def _unit(planes: Planes) -> Planes:
    length = np.sqrt(planes[0] * planes[0] + planes[1] * planes[1] + planes[2] * planes[2])
    inverse = 1 / np.maximum(length, np.float32(1e-9))
    return [plane * inverse for plane in planes]


def rolling(positions: Array, radius: float, start: Array) -> Array:
    """(d, 3, 3) turns of a ball that rolls without slip on a level floor along positions (d, 3).

    Args:
        positions: of its centre in m.
        radius: in m.
        start: (3, 3) its first turn.
    """
    turns = [start]
    for step in np.diff(positions, axis=0):
        # y points down: the ball turns about the axis that is level and across its way.
        axis = np.array([-step[2], 0.0, step[0]]) / radius
        turns.append(cv2.Rodrigues(axis)[0] @ turns[-1])
    return np.stack(turns)
