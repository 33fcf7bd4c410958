"""Balls that roll, bounce and collide on a floor, seen by a camera that looks down on them.

What the Kubric renderer (Greff et al., CVPR 2022) makes of rigid bodies, rebuilt for balls.
"""

from __future__ import annotations

import numpy as np

from drift_ros.synthetic.render.balls import BallActor, rolling
from drift_ros.synthetic.render.planes import Plane, floor, wall
from drift_ros.synthetic.render.tracks import wander
from drift_ros.synthetic.render.world import World
from drift_ros.synthetic.scenes.ball_layout import Viewpoint, place_balls
from drift_ros.synthetic.scenes.camera_paths import disturbed
from drift_ros.synthetic.scenes.imaging import random_world
from drift_ros.synthetic.scenes.skins import ball_skin, random_turn
from drift_ros.synthetic.seeds import Seed
from drift_ros.synthetic.settings import RandomSettings
from drift_ros.synthetic.textures.colours import colourise, palette
from drift_ros.synthetic.textures.materials import GROUNDS, material, surroundings
from drift_ros.synthetic.textures.noise import COARSE, NoiseBank, bank
from drift_ros.synthetic.textures.patterns import gradient
from drift_ros.synthetic.textures.surfaces import backdrop, grained, texture

LAYOUT, MOTION, TEXTURES, SCENERY = range(4)
REAL, CAMERA = 8, 9


def ball_world(
    name: str,
    settings: RandomSettings,
    seed: Seed,
    count: int | None = None,
    identical: bool | None = None,
    cross: bool | None = None,
) -> World:
    """A random video of balls.

    Args:
        count: number of balls; None draws it.
        identical: whether all have one appearance; None draws it.
        cross: whether at least two hide each other in the image at some time; None: as it comes.
    """
    rng = seed.child(LAYOUT).generator()
    count = count or int(rng.integers(max(settings.fewest, 2), max(settings.most, 2) + 1))
    identical = rng.random() < settings.identical if identical is None else identical
    cross = (rng.random() < settings.crossing or None) if cross is None else cross
    viewpoint, radii, positions = place_balls(seed.child(MOTION), settings, count, identical, cross)
    noise = bank(seed.split)
    skins = [
        ball_skin(seed.child(TEXTURES, 0 if identical else i).generator(), noise, settings)
        for i in range(1 if identical else count)
    ]
    rng = seed.child(MOTION, 0).generator()
    # Identical balls start with one orientation, so that only their motion tells them apart.
    turns = [random_turn(rng)] * count if identical else [random_turn(rng) for _ in range(count)]
    actors = [
        BallActor(
            i + 1,
            f'ball {i + 1}',
            float(radii[i]),
            skins[0 if identical else i],
            positions[i],
            rolling(positions[i], float(radii[i]), turns[i]),
        )
        for i in range(count)
    ]
    rng = seed.child(LAYOUT, 1).generator()
    eye = np.zeros((settings.frames, 6))
    eye[:, 4] = -viewpoint.pitch
    if rng.random() < 0.6:
        amount = settings.camera * rng.exponential(0.5)
        eye += wander(
            rng, settings.frames, amount * np.array([0.12, 0.05, 0.12, 0.02, 0.015, 0.01])
        )
    eye = disturbed(seed.child(CAMERA).generator(), eye, settings)
    planes = _planes(seed, noise, settings, viewpoint)
    distance = viewpoint.distance
    return random_world(name, settings, seed, viewpoint.camera, eye, planes, actors, distance)


def _planes(
    seed: Seed, noise: NoiseBank, settings: RandomSettings, viewpoint: Viewpoint
) -> list[Plane]:
    """A floor that fades into the horizon, and a dim wall behind it."""
    rng, real = (seed.child(word).generator() for word in (SCENERY, REAL))
    real_floor, real_wall = real.random(2) < settings.materials
    side = int(1.5 * max(settings.width, settings.height))
    size = (side, side)
    sky = palette(rng, 3)
    if real_floor:
        ground = material(size, real, noise, kinds=GROUNDS)
    elif rng.random() < 0.6:
        ground = colourise(noise.view(size, rng, side / 200, COARSE), palette(rng, 2))
        ground = grained(ground, rng, noise, rng.uniform(0, 0.3))
    else:
        ground = texture(size, rng, noise)
    if real_wall:
        back = surroundings(size, real, noise)
    elif rng.random() < 0.5:
        back = colourise(gradient(size, rng, noise), sky)
    else:
        back = backdrop(size, rng, noise)
    far = viewpoint.distance * rng.uniform(2, 4)
    red, green, blue = (float(c) for c in sky.mean(0))
    haze = (red, green, blue) if rng.random() < 0.5 else None
    width, reach = 3 * far, viewpoint.reach
    return [
        wall(back, far, width),
        floor(ground, viewpoint.height, 2.5 * viewpoint.distance, reach, haze, 1.5 * far),
    ]
