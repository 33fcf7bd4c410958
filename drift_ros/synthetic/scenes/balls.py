"""Balls that roll, bounce and collide on a floor, seen by a camera that looks down on them.

What the Kubric renderer (Greff et al., CVPR 2022) makes of rigid bodies, rebuilt for balls.
"""

from __future__ import annotations

import numpy as np

from drift_ros.synthetic.looks.bank import COARSE, NoiseBank, bank
from drift_ros.synthetic.looks.colours import Texture, colourise, palette
from drift_ros.synthetic.looks.patterns import flat, gradient
from drift_ros.synthetic.looks.surfaces import backdrop, grained, texture
from drift_ros.synthetic.render.balls import BallActor, rolling
from drift_ros.synthetic.render.planes import Plane, floor, wall
from drift_ros.synthetic.render.tracks import Array, wander
from drift_ros.synthetic.render.world import World
from drift_ros.synthetic.scenes.finishing import random_finish, random_lens, random_light
from drift_ros.synthetic.scenes.staging import Stage, stage_balls
from drift_ros.synthetic.seeds import Seed
from drift_ros.synthetic.settings import RandomSettings

LAYOUT, MOTION, LOOKS, SCENERY, LIGHT, FINISH, NOISE, POINTS = range(8)


def ball_world(
    name: str,
    settings: RandomSettings,
    seed: Seed,
    count: int | None = None,
    alike: bool | None = None,
    cross: bool | None = None,
) -> World:
    """A random video of balls.

    Args:
        name: its name.
        settings: what it is like.
        seed: of everything in it.
        count: number of balls; None draws it.
        alike: whether all look the same; None draws it.
        cross: whether at least two hide each other in the image at some time; None: as it comes.
    """
    rng = seed.child(LAYOUT).generator()
    count = count or int(rng.integers(max(settings.fewest, 2), max(settings.most, 2) + 1))
    alike = rng.random() < settings.identical if alike is None else alike
    cross = (rng.random() < settings.crossing or None) if cross is None else cross
    stage, radii, positions = stage_balls(seed.child(MOTION), settings, count, alike, cross)
    noise = bank(seed.split)
    looks = [
        _skin(seed.child(LOOKS, 0 if alike else i).generator(), noise, settings)
        for i in range(1 if alike else count)
    ]
    rng = seed.child(MOTION, 0).generator()
    # Look-alikes also start turned alike, so that only their motion tells them apart.
    turns = [_turn(rng)] * count if alike else [_turn(rng) for _ in range(count)]
    actors = [
        BallActor(
            i + 1,
            f'ball {i + 1}',
            float(radii[i]),
            looks[0 if alike else i],
            positions[i],
            rolling(positions[i], float(radii[i]), turns[i]),
        )
        for i in range(count)
    ]
    rng = seed.child(LAYOUT, 1).generator()
    eye = np.zeros((settings.frames, 6))
    eye[:, 4] = -stage.pitch
    if rng.random() < 0.6:
        amount = settings.camera * rng.exponential(0.5)
        eye += wander(
            rng, settings.frames, amount * np.array([0.12, 0.05, 0.12, 0.02, 0.015, 0.01])
        )
    finishing = seed.child(FINISH).generator()
    return World(
        name,
        settings,
        stage.camera,
        eye,
        _planes(seed.child(SCENERY).generator(), noise, settings, stage),
        actors,
        random_light(seed.child(LIGHT).generator(), settings),
        random_lens(finishing, settings, stage.distance),
        random_finish(finishing, settings, seed.child(NOISE)),
        seed.child(POINTS),
    )


def _turn(rng: np.random.Generator) -> Array:
    q, _ = np.linalg.qr(rng.standard_normal((3, 3)))
    return q * np.sign(np.linalg.det(q))


def _skin(rng: np.random.Generator, noise: NoiseBank, settings: RandomSettings) -> Texture:
    side = int(np.clip(0.6 * min(settings.width, settings.height), 64, 320))
    size = (side, side)
    if rng.random() < 0.45:
        plain = colourise(flat(size, rng, noise), palette(rng))
        return grained(plain, rng, noise, rng.uniform(0, 0.15))
    return texture(size, rng, noise)


def _planes(
    rng: np.random.Generator, noise: NoiseBank, settings: RandomSettings, stage: Stage
) -> list[Plane]:
    """A floor that fades into the horizon, and a dim wall behind it."""
    side = int(1.5 * max(settings.width, settings.height))
    size = (side, side)
    sky = palette(rng, 3)
    if rng.random() < 0.6:
        ground = colourise(noise.view(size, rng, side / 200, COARSE), palette(rng, 2))
        ground = grained(ground, rng, noise, rng.uniform(0, 0.3))
    else:
        ground = texture(size, rng, noise)
    if rng.random() < 0.5:
        back = colourise(gradient(size, rng, noise), sky)
    else:
        back = backdrop(size, rng, noise)
    far = stage.distance * rng.uniform(2, 4)
    haze = tuple(float(c) for c in sky.mean(0)) if rng.random() < 0.5 else None
    width = 3 * far
    return [
        wall(back, far, width),
        floor(ground, stage.height, 2.5 * stage.distance, float(stage.reach), haze, 1.5 * far),  # type: ignore[arg-type]
    ]
