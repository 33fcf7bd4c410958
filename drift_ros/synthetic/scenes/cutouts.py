"""Cutouts before a textured background: the most varied of the generated videos."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from drift_ros.synthetic.ground_truth import Camera
from drift_ros.synthetic.render.cutouts import CutoutActor
from drift_ros.synthetic.render.planes import Plane, floor, wall
from drift_ros.synthetic.render.tracks import Array, Track, wander
from drift_ros.synthetic.render.world import World
from drift_ros.synthetic.scenes.camera_paths import camera_path
from drift_ros.synthetic.scenes.imaging import random_lens, random_light, random_sensor
from drift_ros.synthetic.scenes.paths import apart, crossing, roaming
from drift_ros.synthetic.seeds import Seed
from drift_ros.synthetic.settings import RandomSettings
from drift_ros.synthetic.sprites.cutout import Cutout
from drift_ros.synthetic.sprites.random_cutout import random_cutout
from drift_ros.synthetic.textures.colours import Colours, palette
from drift_ros.synthetic.textures.noise import NoiseBank, bank
from drift_ros.synthetic.textures.surfaces import backdrop, leaves, texture

LAYOUT, MOTION, TEXTURES, SCENERY, LIGHT, SENSOR, NOISE, POINTS = range(8)
TEXELS = (48, 512)  # least and most texels along a cutout's raster


@dataclass(frozen=True)
class Layout:
    """Where things are.

    Attributes:
        camera: the intrinsics.
        depth: of the objects in m, about.
        wall: distance of the background in m.
        ground: y of the floor in m; None: there is none.
        half: (2,) half the width and height of the image in units of half its shorter side.
    """

    camera: Camera
    depth: float
    wall: float
    ground: float | None
    half: Array

    def metres(self, depth: float) -> float:
        """How many m is a unit of the image's coordinates at a depth in m."""
        return min(self.camera.width, self.camera.height) / 2 * depth / self.camera.focal


def cutout_world(
    name: str, settings: RandomSettings, seed: Seed, identical: bool | None = None
) -> World:
    """A random video of cutouts; each aspect has a random stream of its own.

    Args:
        name: its name.
        settings: what it is like.
        seed: of everything in it.
        identical: whether all objects have one appearance; None draws it, and how many do.
    """
    rng = seed.child(LAYOUT).generator()
    layout = _layout(rng, settings)
    noise = bank(seed.split)
    colours = palette(rng, 5)
    count = int(rng.integers(settings.fewest, settings.most + 1))
    radii = _radii(rng, count, settings)
    drawn = rng.random() < settings.identical and count > 1
    groups = np.zeros(count, int) if identical else _groups(rng, count, drawn and identical is None)
    identical = drawn if identical is None else identical
    radii = radii[groups]
    depths = layout.depth * (1 + np.where(identical, 0.06, 0.2) * rng.permutation(_spread(count)))
    cutouts = _cutouts(seed.child(TEXTURES), settings, layout, noise, colours, groups, radii)
    ways = _ways(seed.child(MOTION).generator(), settings, layout, radii)
    actors = [
        CutoutActor(
            i + 1,
            f'{cutouts[group].name} {i + 1}',
            cutouts[group],
            radius * layout.metres(layout.depth),
            _track(
                seed.child(MOTION, i).generator(),
                settings,
                layout,
                cutouts[group],
                ways[i],
                float(depths[i]),
                radius * layout.metres(layout.depth),
            ),
            drop=0.25,
        )
        for i, (group, radius) in enumerate(zip(groups, radii, strict=True))
    ]
    things, planes = _scenery(seed.child(SCENERY), settings, layout, noise, colours)
    rng = seed.child(LAYOUT, 1).generator()
    leader = actors[0].track.positions
    follow = np.arctan2(leader[:, :2], leader[:, 2:]) if rng.random() < 0.35 else None
    eye = camera_path(rng, settings.frames, settings.camera, follow)
    imaging = seed.child(SENSOR).generator()
    return World(
        name,
        settings,
        layout.camera,
        eye,
        planes,
        [*things, *actors],
        random_light(seed.child(LIGHT).generator(), settings),
        random_lens(imaging, settings, layout.depth),
        random_sensor(imaging, settings, seed.child(NOISE)),
        seed.child(POINTS),
    )


def _layout(rng: np.random.Generator, settings: RandomSettings) -> Layout:
    longer = max(settings.width, settings.height)
    camera = Camera(settings.width, settings.height, longer * rng.uniform(0.8, 1.5))
    depth = rng.uniform(2, 4)
    size = np.array([settings.width, settings.height])
    below = rng.uniform(0.35, 0.8) * settings.height / 2 * depth / camera.focal
    ground = below if rng.random() < settings.floor else None
    return Layout(camera, depth, depth * rng.uniform(1.6, 4), ground, size / size.min())


def _radii(rng: np.random.Generator, count: int, settings: RandomSettings) -> Array:
    """In units of half the shorter side; the more objects, the smaller."""
    low, high = 2 * settings.smallest, 2 * settings.largest
    high = max(low, high / max(1.0, count / 2.0) ** 0.5)
    return np.exp(rng.uniform(np.log(low), np.log(high), count))


def _groups(rng: np.random.Generator, count: int, identical: bool) -> np.ndarray:
    """The index of its appearance for every object."""
    groups = np.arange(count)
    if identical:
        groups[rng.permutation(count)[: int(rng.integers(2, count + 1))]] = count - 1
        groups[groups == count - 1] = groups.max()
    return groups


def _spread(count: int) -> Array:
    return np.linspace(-1, 1, count) if count > 1 else np.zeros(1)


def _cutouts(
    seed: Seed,
    settings: RandomSettings,
    layout: Layout,
    noise: NoiseBank,
    colours: Colours,
    groups: np.ndarray,
    radii: Array,
) -> dict[int, Cutout]:
    cutouts: dict[int, Cutout] = {}
    for group, radius in zip(groups, radii, strict=True):
        if int(group) in cutouts:
            continue
        rng = seed.child(int(group)).generator()
        kind = seed.child(int(group), 0)
        own = colours if rng.random() < settings.camouflage else None
        pixels = 1.6 * radius * min(settings.width, settings.height)
        texels = int(np.clip(pixels, *TEXELS))
        cutouts[int(group)] = random_cutout(kind, noise, texels, own, settings.deformation)
    return cutouts


def _ways(
    rng: np.random.Generator, settings: RandomSettings, layout: Layout, radii: Array
) -> Array:
    """(count, frames, 2) in the image's coordinates."""
    margin = float(np.median(radii)) * 0.7
    starts = apart(rng, len(radii), 2 * float(radii.max()), layout.half, margin)
    if len(radii) > 1 and rng.random() < settings.crossing:
        strength = min(1.0, settings.motion * rng.uniform(0.4, 1.1))
        miss = 0.3 * float(radii.mean())
        return crossing(rng, settings.frames, starts, strength, miss)
    return roaming(rng, settings.frames, starts, settings.motion, layout.half)


def _track(
    rng: np.random.Generator,
    settings: RandomSettings,
    layout: Layout,
    cutout: Cutout,
    way: Array,
    depth: float,
    size: float,
) -> Track:
    frames, strength = settings.frames, settings.motion
    seconds = frames / settings.rate
    z = depth * np.exp(wander(rng, frames, 0.12 * strength * rng.random())[:, 0])
    unit = layout.metres(1.0)
    positions = np.stack([way[:, 0] * unit * z, way[:, 1] * unit * z, z], axis=-1)
    angles = np.zeros(frames)
    stretch = np.ones((frames, 2))
    if cutout.upright:
        angles += wander(rng, frames, 0.06 * strength)[:, 0]
    elif rng.random() < 0.7:
        turn = strength * rng.choice([0.2, 0.8, 2.5])
        angles += rng.uniform(0, 2 * np.pi) + wander(rng, frames, turn)[:, 0]
    if rng.random() < 0.5:  # it turns out of the image plane
        squeeze = 0.35 * strength * rng.random()
        stretch[:, 0] = np.cos(np.clip(wander(rng, frames, squeeze * 2.5)[:, 0], -1.1, 1.1))
    if layout.ground is not None:
        foot = cutout.foot * size * np.abs(stretch[:, 1])
        limit = layout.ground - (foot if cutout.upright else 1.1 * size)
        positions[:, 1] = limit if cutout.upright else np.minimum(positions[:, 1], limit)
    turns = seconds * strength * rng.uniform(0.4, 2.2)
    gait = rng.random() + np.linspace(0, turns, frames)
    return Track(positions, angles, stretch, gait)


def _scenery(
    seed: Seed,
    settings: RandomSettings,
    layout: Layout,
    noise: NoiseBank,
    colours: Colours,
) -> tuple[list[CutoutActor], list[Plane]]:
    rng = seed.generator()
    short = min(settings.width, settings.height)
    # The texture spans more than the camera sees at rest.
    size = (int(1.5 * settings.height), int(1.5 * settings.width))
    width = 1.5 * settings.width * layout.wall / layout.camera.focal
    planes = [wall(backdrop(size, rng, noise), layout.wall, width, rng.uniform(-0.25, 0.25))]
    if layout.ground is not None:
        cover = leaves if rng.random() < 0.3 else texture
        ground = cover((size[1], size[1]), rng, noise, colours if rng.random() < 0.5 else None)
        planes.append(floor(ground, layout.ground, 2 * layout.wall, layout.wall / 2))
    things = []
    behind = int(rng.integers(0, settings.clutter + 1))
    before = int(rng.integers(1, 4)) if rng.random() < settings.occluders else 0
    for i in range(behind + before):
        own = seed.child(i).generator()
        hides = i >= behind
        share = (
            own.uniform(0.5, 0.75) if hides else own.uniform(1.2, 0.9 * layout.wall / layout.depth)
        )
        depth = layout.depth * share
        radius = own.uniform(0.15, 0.6)
        texels = int(np.clip(1.6 * radius * short, *TEXELS))
        palette_ = colours if own.random() < 0.6 else None
        cutout = random_cutout(seed.child(i, 0), noise, texels, palette_, limbs=False)
        place = own.uniform(-1.1, 1.1, 2) * layout.half
        if hides and abs(place).max() < 0.5:  # occluders leave most of the middle free
            place[int(own.integers(2))] *= 2.5
        at = layout.metres(depth) * place
        scale = radius * layout.metres(depth)
        if layout.ground is not None:
            at[1] = min(at[1], layout.ground - max(cutout.foot, 1.1) * scale)
        track = Track.at(np.tile([*at, depth], (settings.frames, 1)))
        angle = 0.0 if cutout.upright else own.uniform(0, 2 * np.pi)
        tall = np.array([own.uniform(0.4, 1), own.uniform(1, 2)]) if hides else np.ones(2)
        track = Track(track.positions, track.angles + angle, track.stretch * tall, track.gait)
        things.append(CutoutActor(0, f'scenery {i}', cutout, scale, track))
    return things, planes
