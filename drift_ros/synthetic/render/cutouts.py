"""Cutouts in the world: they face the camera, as cut-outs with a relief do."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from drift_ros.synthetic.render.light import Light, drop_shadow
from drift_ros.synthetic.render.raster import Blur, Floats, Raster, Region, put, region, times
from drift_ros.synthetic.render.tracks import Track
from drift_ros.synthetic.render.view import View
from drift_ros.synthetic.sprites.cutout import Affine, Cutout, Part
from drift_ros.synthetic.sprites.sprite import DISTANCE, Sprite
from drift_ros.synthetic.textures.colours import Texture

Array = NDArray[np.float64]
FRINGE = 2.0  # px around an outline that it can touch


@dataclass(frozen=True)
class Placement:
    """Where units of a cutout are in the image.

    Attributes:
        centre: (2,) px.
        matrix: (2, 2) px per unit.
        scale: mean px per unit.
        z: depth of its trunk in m.
    """

    centre: Array
    matrix: Array
    scale: float
    z: float


@dataclass(frozen=True, slots=True)
class Patch:
    """A part as it is seen in a frame.

    Attributes:
        affine: (2, 3) from its units to the cutout's.
        colour: (h, w, 3) uint8.
        geometry: (h, w, 4) or (h, w), as a sprite's.
    """

    number: int
    part: Part
    affine: Affine
    where: Region
    colour: Texture
    geometry: Floats


@dataclass(frozen=True)
class CutoutActor:
    """A cutout on its way.

    Attributes:
        id: in the label map, 1..254; 0: it is scenery.
        size: m per unit.
        drop: how far what lies behind it is away, as a share of its size: the way of its shadow.
        gloss: strength of its highlights, 0..1.
    """

    id: int
    name: str
    cutout: Cutout
    size: float
    track: Track
    drop: float = 0.3
    gloss: float = 0.0

    @property
    def surfaces(self) -> int:
        """Number of its parts."""
        return len(self.cutout.parts)

    @cached_property
    def affines(self) -> list[Array]:
        """Of every part, (d, 2, 3) from its units to the cutout's."""
        return [part.affines(self.track.gait) for part in self.cutout.parts]

    def centre(self, index: int) -> Array:
        """(3,) in the world in m."""
        return self.track.positions[index]

    def placement(self, view: View, index: int) -> Placement | None:
        """Where it is in the image, or None if it is not before the camera."""
        centre = view.optical(self.track.positions[index])
        z = float(centre[2])
        if z < 0.05:
            return None
        scale = view.camera.focal * self.size / z
        angle = self.track.angles[index] + view.roll
        c, s = np.cos(angle), np.sin(angle)
        matrix = np.array([[c, -s], [s, c]]) * self.track.stretch[index] * scale
        return Placement(view.pixels(centre), matrix, scale, z)

    def paint(
        self, raster: Raster, view: View, index: int, first: int, light: Light, blur: Blur
    ) -> list[tuple[Region, NDArray[np.bool_]]]:
        """Add it; `first` is the number of its first surface.

        Returns:
            Regions and where in them it would be seen if nothing stood before it.
        """
        placement = self.placement(view, index)
        if placement is None:
            return []
        towards = view.rotation @ light.directions[index]
        patches = []
        for number, part in enumerate(self.cutout.parts):
            affine = self.affines[number][index]
            where = self._region(view, placement, part.sprite, affine, FRINGE + blur.reach)
            if where is None:
                continue
            colour, geometry = self._fields(placement, part.sprite, affine, where, index)
            patches.append(Patch(number, part, affine, where, colour, geometry))
        if light.shadow > 0 and self.drop > 0:
            self._shadow(raster, placement, patches, towards, light)
        full = []
        for patch in patches:
            if patch.part.sprite.flat:
                distance, raised = patch.geometry, None
            else:
                distance, x, y, raised = cv2.split(patch.geometry)
            cover = np.clip(np.float32(0.5) - distance * np.float32(placement.scale), 0, 1)
            base = np.float32(placement.z - self.size * patch.part.lift)
            inside = distance <= 0
            if raised is None:
                depth = np.full_like(distance, base)
                shaded = cv2.multiply(patch.colour, (light.level(towards),) * 4, dtype=cv2.CV_32F)
            else:
                depth = raised * np.float32(-self.size)
                depth += base
                shaded = self._shaded(patch, x, y, index, view.roll, towards, light)
            put(raster, patch.where, shaded, cover, inside, depth, first + patch.number, blur)
            full.append((patch.where, inside))
        return full

    def _region(
        self, view: View, placement: Placement, sprite: Sprite, affine: Affine, margin: float
    ) -> Region | None:
        corners = sprite.bounds @ affine[:, :2].T + affine[:, 2]
        if self.cutout.bend is not None:
            margin += self.cutout.bend.extent * float(np.abs(placement.matrix).sum(1).max())
        return region(view.camera, corners @ placement.matrix.T + placement.centre, margin)

    def _fields(
        self, placement: Placement, sprite: Sprite, affine: Affine, where: Region, index: int
    ) -> tuple[Texture, Floats]:
        """Colours (h, w, 3) and geometry (h, w, 4) of a part in a region."""
        colours, geometry, scale = sprite.level(placement.scale)
        rows, columns = where
        width, height = columns.stop - columns.start, rows.stop - rows.start
        # px of the region -> units of the cutout (bent) -> units of the sprite -> texels
        there = np.empty((2, 3))
        there[:, :2] = placement.matrix
        there[:, 2] = placement.centre - (columns.start, rows.start)
        outer = cv2.invertAffineTransform(there)
        inner = cv2.invertAffineTransform(affine) * scale
        inner[:, 2] -= scale * sprite.corner + 0.5
        # Beyond the raster the distance at its edge holds on, which lies outside the outline.
        border = cv2.BORDER_REPLICATE
        bend = self.cutout.bend
        if bend is None:
            inner[:, 2] += inner[:, :2] @ outer[:, 2]
            inner[:, :2] = inner[:, :2] @ outer[:, :2]
            flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
            picture, field = (
                cv2.warpAffine(a, inner, (width, height), flags=flags, borderMode=border)
                for a in (colours, geometry)
            )
            return picture, field
        i = np.arange(width, dtype=np.float32)
        j = np.arange(height, dtype=np.float32)[:, None]
        (a, b, c), (d, e, f) = outer.astype(np.float32)
        u, v = bend.unbend(a * i + b * j + c, d * i + e * j + f, self.track.gait[index])
        (a, b, c), (d, e, f) = inner.astype(np.float32)
        x, y = a * u + b * v + c, d * u + e * v + f
        picture = cv2.remap(colours, x, y, cv2.INTER_LINEAR, borderMode=border)
        return picture, cv2.remap(geometry, x, y, cv2.INTER_LINEAR, borderMode=border)

    def _shaded(
        self,
        patch: Patch,
        x: Floats,
        y: Floats,
        index: int,
        roll: float,
        towards: Array,
        light: Light,
    ) -> Floats:
        """Its colours in the light; x and y are its normals before it was turned."""
        a, b = patch.affine[:, 0]
        angle = self.track.angles[index] + roll + np.arctan2(b, a)
        c, s = np.cos(angle), np.sin(angle)
        turned = np.array([c * towards[0] + s * towards[1], c * towards[1] - s * towards[0]])
        lamp = np.array([*turned, towards[2]])
        shaded = times(patch.colour, light.shade(x, y, lamp))
        if self.gloss > 0:
            shaded = cv2.add(shaded, cv2.merge([light.shine(x, y, lamp, self.gloss)] * 3))
        return shaded

    def _shadow(
        self,
        raster: Raster,
        placement: Placement,
        patches: list[Patch],
        towards: Array,
        light: Light,
    ) -> None:
        if not patches:
            return
        top, left = (min(patch.where[k].start for patch in patches) for k in (0, 1))
        bottom, right = (max(patch.where[k].stop for patch in patches) for k in (0, 1))
        whole = np.zeros((bottom - top, right - left), np.float32)
        for patch in patches:
            rows, columns = patch.where
            part = whole[rows.start - top : rows.stop - top, columns.start - left :]
            part = part[:, : columns.stop - columns.start]
            distance = patch.geometry if patch.part.sprite.flat else patch.geometry[..., DISTANCE]
            np.copyto(part, np.float32(1), where=distance <= 0)
        way = -towards[:2] * self.drop * placement.scale
        blur = light.softness * placement.scale
        where = slice(top, bottom), slice(left, right)
        drop_shadow(raster, where, whole, (way[0], way[1]), blur, light.shadow)

    def sample(self, rng: np.random.Generator, count: int) -> tuple[Array, NDArray[np.intp]]:
        """Points fixed on it: places (count, 3) and the numbers of their parts (count,)."""
        shares = self.cutout.areas / self.cutout.areas.sum()
        parts = rng.choice(len(shares), count, p=shares)
        places = np.zeros((count, 3))
        for number in np.unique(parts):
            chosen = parts == number
            part = self.cutout.parts[number]
            places[chosen, :2] = part.sprite.sample(rng, int(chosen.sum()))
        return places, parts

    def locate(
        self, places: Array, parts: NDArray[np.intp], view: View, index: int
    ) -> tuple[Array, NDArray[np.bool_]]:
        """Px (N, 2) of points, NaN behind the camera, and whether they face it (N,)."""
        placement = self.placement(view, index)
        if placement is None:
            return np.full((len(places), 2), np.nan), np.zeros(len(places), bool)
        gait = self.track.gait[index]
        units = np.empty((len(places), 2))
        for number in np.unique(parts):
            chosen = parts == number
            affine = self.affines[number][index]
            units[chosen] = places[chosen, :2] @ affine[:, :2].T + affine[:, 2]
        if self.cutout.bend is not None:
            x, y = self.cutout.bend.bend(units[:, 0], units[:, 1], gait)
            units = np.stack([x, y], axis=-1)
        return units @ placement.matrix.T + placement.centre, np.ones(len(places), bool)
