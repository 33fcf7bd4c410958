"""What is around the objects of a video of cutouts: planes, clutter, occluders, layers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from drift_ros.synthetic.ground_truth import Camera
from drift_ros.synthetic.render.cutouts import CutoutActor
from drift_ros.synthetic.render.planes import Plane, floor, wall
from drift_ros.synthetic.render.tracks import Array, Track
from drift_ros.synthetic.scenes.events import Cover
from drift_ros.synthetic.seeds import Seed
from drift_ros.synthetic.settings import RandomSettings
from drift_ros.synthetic.sprites.layers import layer, screen
from drift_ros.synthetic.sprites.random_cutout import random_cutout
from drift_ros.synthetic.textures.colours import Colours
from drift_ros.synthetic.textures.materials import (
    GROUNDS,
    foliage,
    grass,
    material,
    metal,
    surroundings,
    wood,
)
from drift_ros.synthetic.textures.noise import NoiseBank
from drift_ros.synthetic.textures.surfaces import backdrop, leaves, texture

REAL, SCREENS, LAYERS = 100, 101, 102  # words above the numbers of things
TEXELS = (48, 512)  # least and most texels along a cutout's raster
GROWTH = (wood, foliage, grass, metal)  # what layers are made of


@dataclass(frozen=True)
class Layout:
    """Where things are.

    Attributes:
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


def scenery(
    seed: Seed,
    settings: RandomSettings,
    layout: Layout,
    noise: NoiseBank,
    colours: Colours,
    covers: Sequence[Cover] = (),
) -> tuple[list[CutoutActor], list[Plane]]:
    """Unlabelled things and planes.

    Args:
        seed: of all of them.
        colours: of the objects, which some things share.
    """
    rng = seed.generator()
    short = min(settings.width, settings.height)
    # The texture spans more than the camera sees at rest.
    size = (int(1.5 * settings.height), int(1.5 * settings.width))
    width = 1.5 * settings.width * layout.wall / layout.camera.focal
    real = seed.child(REAL).generator()
    real_wall, real_floor = real.random(2) < settings.materials
    picture = surroundings(size, real, noise) if real_wall else backdrop(size, rng, noise)
    planes = [wall(picture, layout.wall, width, rng.uniform(-0.25, 0.25))]
    if layout.ground is not None:
        whole = (size[1], size[1])
        if real_floor:
            ground = material(whole, real, noise, kinds=GROUNDS)
        else:
            cover = leaves if rng.random() < 0.3 else texture
            ground = cover(whole, rng, noise, colours if rng.random() < 0.5 else None)
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
        cutout = random_cutout(seed.child(i, 0), noise, texels, palette_, settings, limbs=False)
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
    things += [
        _screen(seed.child(SCREENS, i).generator(), settings, layout, noise, cover)
        for i, cover in enumerate(covers)
    ]
    return things + _layers(seed.child(LAYERS), settings, layout, noise), planes


def _screen(
    rng: np.random.Generator,
    settings: RandomSettings,
    layout: Layout,
    noise: NoiseBank,
    cover: Cover,
) -> CutoutActor:
    depth = layout.depth * rng.uniform(0.5, 0.62)
    pixels = cover.radius * min(settings.width, settings.height)
    side = int(np.clip(1.2 * pixels, *TEXELS)) // 16 * 16
    cutout = screen(rng, material((side, side), rng, noise))
    at = layout.metres(depth) * cover.place
    track = Track.at(np.tile([*at, depth], (settings.frames, 1)))
    return CutoutActor(0, 'screen', cutout, cover.radius * layout.metres(depth), track, drop=0)


def _layers(
    seed: Seed, settings: RandomSettings, layout: Layout, noise: NoiseBank
) -> list[CutoutActor]:
    """One behind the objects, and perhaps one before them."""
    rng = seed.generator()
    if rng.random() >= settings.layers:
        return []
    far = 0.9 * layout.wall / layout.depth
    depths = [rng.uniform(1.25, far)]
    if rng.random() < 0.5:
        depths.append(rng.uniform(0.45, 0.7))
    side = int(np.clip(0.8 * max(settings.width, settings.height), *TEXELS)) // 16 * 16
    layers = []
    for share in depths:
        colours = material((side, side), rng, noise, kinds=GROWTH)
        cutout = layer(rng, noise, colours)
        depth = layout.depth * share
        size = 1.3 * float(layout.half.max()) * layout.metres(depth)
        place = layout.metres(depth) * rng.normal(0, 0.15, 2)
        track = Track.at(np.tile([*place, depth], (settings.frames, 1)))
        layers.append(CutoutActor(0, cutout.name, cutout, size, track, drop=0))
    return layers
