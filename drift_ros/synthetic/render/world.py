"""A world: actors before a backdrop, seen by a moving camera, with the truth about every frame."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from drift_ros.synthetic.ground_truth import (
    Camera,
    Clip,
    ObjectTruth,
    PointTruth,
    SyntheticFrame,
    stamp,
)
from drift_ros.synthetic.render.balls import BallActor
from drift_ros.synthetic.render.light import Light
from drift_ros.synthetic.render.planes import FARTHEST, Plane
from drift_ros.synthetic.render.raster import Blur, Raster, Region, times
from drift_ros.synthetic.render.sensor import Sensor
from drift_ros.synthetic.render.tracks import Array
from drift_ros.synthetic.render.view import View
from drift_ros.synthetic.seeds import Seed
from drift_ros.synthetic.settings import VideoSettings

Inside = list[tuple[Region, NDArray[np.bool_]]]


class Actor(Protocol):
    """Something in the world that is seen in front of the backdrop."""

    @property
    def id(self) -> int:
        """Its value in the label map, 1..254; 0: it is scenery."""
        ...

    @property
    def name(self) -> str:
        """Its name."""
        ...

    @property
    def surfaces(self) -> int:
        """How many surfaces it has."""
        ...

    def centre(self, index: int) -> Array:
        """(3,) in the world in m."""
        ...

    def paint(
        self, raster: Raster, view: View, index: int, first: int, light: Light, blur: Blur
    ) -> Inside:
        """Add it with surfaces numbered from `first`; where it would be seen unhidden."""
        ...

    def sample(self, rng: np.random.Generator, count: int) -> tuple[Array, NDArray[np.intp]]:
        """Points fixed on it: places (count, 3) and numbers of their surfaces (count,)."""
        ...

    def locate(
        self, places: Array, parts: NDArray[np.intp], view: View, index: int
    ) -> tuple[Array, NDArray[np.bool_]]:
        """Px (N, 2) of points, and whether they face the camera (N,)."""
        ...


@dataclass(frozen=True, slots=True)
class Lens:
    """What the camera does to light before the sensor.

    Attributes:
        shutter: exposure as a share of the time between frames, 0..1.
        focus: distance in m that is sharp.
        aperture: blur in px of something infinitely far, were the focus at 1 m; 0: all is sharp.
    """

    shutter: float = 0.0
    focus: float = 2.0
    aperture: float = 0.0

    def defocus(self, depth: float) -> float:
        """Standard deviation of the blur in px at a depth in m."""
        return self.aperture * abs(1 / max(depth, 0.1) - 1 / self.focus)


@dataclass(repr=False, eq=False)
class World:
    """A video; every frame is rendered on its own and always the same.

    Attributes:
        settings: size, length and rate.
        eye: (d, 6) position in m and yaw, pitch, roll in rad of the camera in every frame.
        backdrop: planes; together they fill the image.
        actors: with ids of their own, scenery aside; at most 240 surfaces altogether.
    """

    name: str
    settings: VideoSettings
    camera: Camera
    eye: Array
    backdrop: Sequence[Plane]
    actors: Sequence[Actor]
    light: Light
    lens: Lens
    sensor: Sensor
    seed: Seed

    def __post_init__(self) -> None:
        ids = [actor.id for actor in self.actors if actor.id]
        if len(set(ids)) < len(ids) or not all(0 < i < 255 for i in ids):
            raise ValueError(f'actors need distinct ids in 1..254, got {ids}')
        firsts = np.cumsum([len(self.backdrop), *(actor.surfaces for actor in self.actors)])
        if firsts[-1] > 255:
            raise ValueError(f'{firsts[-1]} surfaces are more than a label map can tell apart')
        self._firsts = [int(first) for first in firsts[:-1]]
        self._ids = np.zeros(256, np.uint8)
        for actor, first in zip(self.actors, self._firsts, strict=True):
            self._ids[first : first + actor.surfaces] = actor.id

    def __len__(self) -> int:
        return self.settings.frames

    def __iter__(self) -> Iterator[SyntheticFrame]:
        return (self.render(index) for index in range(len(self)))

    def view(self, index: int) -> View:
        """The camera in a frame."""
        return self._views[index]

    @cached_property
    def _views(self) -> list[View]:
        return [View.of(self.camera, row[:3], row[3:]) for row in self.eye]

    def render(self, index: int) -> SyntheticFrame:
        """Frame number `index`.

        Raises:
            IndexError: the video has no such frame.
        """
        if not 0 <= index < len(self):
            raise IndexError(f'{self.name!r} has frames 0 to {len(self) - 1}, not {index}')
        view = self.view(index)
        raster, insides = self._draw(view, index)
        labels = cv2.LUT(raster.surface, self._ids)
        points = self._locate(view, index, raster.surface)
        objects = tuple(
            ObjectTruth.of(
                actor.id,
                actor.name,
                labels,
                raster.depth,
                _full(insides[i], labels.shape),
                view.optical(actor.centre(index)),
                self.camera,
            )
            for i, actor in sorted(enumerate(self.actors), key=lambda item: item[1].id)
            if actor.id
        )
        image = self.sensor.apply(raster.image, index)
        moment = stamp(index, self.settings.rate)
        return SyntheticFrame(index, moment, image, labels, raster.depth, objects, points)

    def clip(self) -> Clip:
        """The whole video as arrays."""
        shape = (len(self), self.camera.height, self.camera.width)
        images, labels = np.empty((*shape, 3), np.uint8), np.empty(shape, np.uint8)
        depth = np.empty(shape, np.float32)
        objects = sorted((a.id, i) for i, a in enumerate(self.actors) if a.id)
        ids = np.array([id_ for id_, _ in objects], np.uint8)
        visibility = np.zeros((len(self), len(ids)), np.float32)
        centres = np.empty((len(self), len(ids), 3), np.float32)
        points = []
        for index in range(len(self)):
            view = self.view(index)
            raster, insides = self._draw(view, index)
            cv2.LUT(raster.surface, self._ids, labels[index])
            depth[index] = raster.depth
            points.append(self._locate(view, index, raster.surface))
            areas = cv2.calcHist([labels[index]], [0], None, [256], [0, 256]).ravel()
            for column, (id_, i) in enumerate(objects):
                full = _full(insides[i], labels.shape[1:])
                visibility[index, column] = areas[id_] / max(full, 1)
                centres[index, column] = view.optical(self.actors[i].centre(index))
            images[index] = self.sensor.apply(raster.image, index)
        return Clip(
            self.name,
            images,
            labels,
            depth,
            ids,
            visibility,
            centres,
            PointTruth(
                np.stack([p.positions for p in points]),
                np.stack([p.visible for p in points]),
                points[0].ids,
            ),
        )

    def _draw(self, view: View, index: int) -> tuple[Raster, list[Inside]]:
        raster = self._background(view, index)
        insides: list[Inside] = [[] for _ in self.actors]
        centres = [view.optical(actor.centre(index)) for actor in self.actors]
        for i in sorted(range(len(self.actors)), key=lambda i: -centres[i][2]):
            blur = self._blur(view, index, self.actors[i].centre, float(centres[i][2]))
            first = self._firsts[i]
            insides[i] = self.actors[i].paint(raster, view, index, first, self.light, blur)
        self._shadows(raster, view, index)
        return raster, insides

    def _background(self, view: View, index: int) -> Raster:
        height, width = self.camera.height, self.camera.width
        surface = np.zeros((height, width), np.uint8)
        depth = np.minimum(self.backdrop[0].depth(view), np.float32(FARTHEST))
        image = self.backdrop[0].picture(view, depth)
        for number, plane in enumerate(self.backdrop[1:], 1):
            distance = plane.depth(view)
            nearer = distance < depth
            picture = plane.picture(view, np.where(nearer, distance, np.float32(np.inf)))
            np.copyto(image, picture, where=nearer[..., None])
            np.copyto(depth, distance, where=nearer)
            np.copyto(surface, np.uint8(number), where=nearer)
        raster = Raster(image, surface, depth)
        centre = depth[height // 2, width // 2]
        place = view.world(np.array([0.0, 0.0, float(centre)]))
        blur = self._blur(view, index, lambda _: place, float(centre))
        raster.image = blur.apply(raster.image)
        return raster

    def _shadows(self, raster: Raster, view: View, index: int) -> None:
        """The shadows of balls, on everything but themselves."""
        balls = [
            (actor, first)
            for actor, first in zip(self.actors, self._firsts, strict=True)
            if isinstance(actor, BallActor) and actor.shades
        ]
        if not balls or self.light.shadow <= 0:
            return
        x, y = view.rays(0, 0, self.camera.width, self.camera.height)
        depth = raster.depth
        optical = (x.astype(np.float32) * depth, y.astype(np.float32) * depth, depth)
        points = []
        for row, place in zip(view.rotation.T, view.position.astype(np.float32), strict=True):
            a, b, c = row.astype(np.float32)
            point = optical[0] * a
            point += optical[1] * b
            point += optical[2] * c
            point += place
            points.append(point)
        gain = np.ones(raster.depth.shape, np.float32)
        for ball, first in balls:
            shadow = ball.shadow(points, self.light, index)
            np.copyto(shadow, np.float32(1), where=raster.surface == first)
            gain *= shadow
        raster.image = times(raster.image, gain)

    def _blur(self, view: View, index: int, centre: Callable[[int], Array], depth: float) -> Blur:
        defocus = min(self.lens.defocus(depth), 0.03 * self.camera.width)
        if self.lens.shutter <= 0:
            return Blur((0.0, 0.0), defocus)
        before, after = max(index - 1, 0), min(index + 1, len(self) - 1)
        seen = [self.view(i).optical(centre(i)) for i in (before, after)]
        if after == before or min(p[2] for p in seen) < 0.05:
            return Blur((0.0, 0.0), defocus)
        way = (view.pixels(seen[1]) - view.pixels(seen[0])) / (after - before) * self.lens.shutter
        way *= min(1.0, 0.08 * self.camera.width / max(float(np.hypot(*way)), 1e-9))
        return Blur((float(way[0]), float(way[1])), defocus)

    # ------------------------------------------------------------------------------ points

    @cached_property
    def _points(self) -> list[tuple[int, Array, NDArray[np.intp]]]:
        """Of every actor with points, and -1 for the backdrop: places and surfaces."""
        total = self.settings.points
        if not total:
            return []
        rng = self.seed.generator()
        objects = [i for i, actor in enumerate(self.actors) if actor.id]
        share = total // (2 * len(objects)) if objects else 0
        groups = [(i, *self.actors[i].sample(rng, share)) for i in objects if share]
        return [*groups, (-1, *self._sample_backdrop(rng, total - share * len(objects)))]

    def _sample_backdrop(
        self, rng: np.random.Generator, count: int
    ) -> tuple[Array, NDArray[np.intp]]:
        """Points of the world where the backdrop is seen at some time, were there no actors."""
        places, numbers = np.empty((count, 3)), np.zeros(count, np.intp)
        last = len(self) - 1
        frames = rng.choice([0, last // 2, last], count)
        size = np.array([self.camera.width, self.camera.height])
        pixels = rng.random((count, 2)) * (size - 1)
        for index in np.unique(frames):
            chosen = np.flatnonzero(frames == index)
            view = self.view(int(index))
            found = np.stack([plane.places(view, pixels[chosen]) for plane in self.backdrop])
            z = view.optical(found)[..., 2]
            nearest = np.where(z > 0, z, np.inf).argmin(0)
            places[chosen], numbers[chosen] = found[nearest, np.arange(len(chosen))], nearest
        return places, numbers

    @cached_property
    def _owners(self) -> tuple[NDArray[np.intp], NDArray[np.uint8]]:
        """Surfaces and labels (N,) of all points."""
        surfaces = [parts + (self._firsts[i] if i >= 0 else 0) for i, _, parts in self._points]
        numbers = np.concatenate(surfaces)
        return numbers, self._ids[numbers]

    def _locate(self, view: View, index: int, surface: NDArray[np.uint8]) -> PointTruth:
        if not self._points:
            return PointTruth.none()
        positions, faces = [], []
        for i, places, parts in self._points:
            if i < 0:
                pixels, facing = view.pixels(view.optical(places)), np.ones(len(places), bool)
            else:
                pixels, facing = self.actors[i].locate(places, parts, view, index)
            positions.append(pixels)
            faces.append(facing)
        place = np.concatenate(positions).astype(np.float32)
        nearest = np.rint(np.nan_to_num(place, nan=-1)).clip(-1, 32000).astype(np.intp)
        x, y = nearest.T
        height, width = surface.shape
        inside = (x >= 0) & (y >= 0) & (x < width) & (y < height)
        x, y = np.where(inside, x, 0), np.where(inside, y, 0)
        surfaces, ids = self._owners
        visible = np.concatenate(faces) & inside & (surface[y, x] == surfaces)
        return PointTruth(place, visible, ids)


def _full(inside: Inside, shape: tuple[int, ...]) -> int:
    """Number of px that an actor would cover unhidden."""
    if len(inside) == 1:
        return int(np.count_nonzero(inside[0][1]))
    whole = np.zeros(shape, bool)
    for where, mask in inside:
        whole[where] |= mask
    return int(np.count_nonzero(whole))
