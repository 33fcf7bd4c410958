"""Random light, lens and sensor, and the worlds that are seen by them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from drift_ros.synthetic.ground_truth import Camera
from drift_ros.synthetic.render.light import Light
from drift_ros.synthetic.render.planes import Plane
from drift_ros.synthetic.render.sensor import Sensor
from drift_ros.synthetic.render.tracks import Array, spline, wander
from drift_ros.synthetic.render.world import Actor, Lens, World
from drift_ros.synthetic.seeds import Seed
from drift_ros.synthetic.settings import RandomSettings

LIGHT, SENSOR, NOISE, POINTS = range(4, 8)  # words of seeds; those before are of the scenes


def random_world(
    name: str,
    settings: RandomSettings,
    seed: Seed,
    camera: Camera,
    eye: Array,
    planes: Sequence[Plane],
    actors: Sequence[Actor],
    focus: float,
) -> World:
    """A world in random light behind a random lens, which is sharp at about `focus` m."""
    imaging = seed.child(SENSOR).generator()
    return World(
        name,
        settings,
        camera,
        eye,
        planes,
        actors,
        random_light(seed.child(LIGHT).generator(), settings),
        random_lens(imaging, settings, focus),
        random_sensor(imaging, settings, seed.child(NOISE)),
        seed.child(POINTS),
    )


def random_light(rng: np.random.Generator, settings: RandomSettings) -> Light:
    """A lamp from above or the side that may move a little."""
    start = np.array([rng.uniform(-0.8, 0.8), -rng.uniform(0.3, 1.0), -rng.uniform(0.3, 1.0)])
    way = wander(rng, settings.frames, [0.15, 0.1, 0.1]) * (rng.random() < settings.lighting)
    directions = start + way
    directions /= np.linalg.norm(directions, axis=-1, keepdims=True)
    ambient = rng.uniform(0.3, 0.75)
    return Light(
        directions,
        ambient,
        1.1 - ambient,
        gloss=rng.uniform(0, 0.7) if rng.random() < 0.4 else 0.0,
        shadow=rng.uniform(0.2, 0.65) if rng.random() < settings.shadows else 0.0,
        softness=rng.uniform(0.04, 0.3),
    )


def random_lens(rng: np.random.Generator, settings: RandomSettings, focus: float) -> Lens:
    """Motion blur and a shallow depth of field, each in some videos."""
    shutter = rng.uniform(0.2, 0.8) if rng.random() < settings.motion_blur else 0.0
    soft = rng.random() < settings.defocus
    blur = rng.uniform(0.01, 0.05) * min(settings.width, settings.height) if soft else 0.0
    return Lens(shutter, focus * rng.uniform(0.85, 1.2), blur)


def random_sensor(rng: np.random.Generator, settings: RandomSettings, seed: Seed) -> Sensor:
    """Uneven light, drifting exposure, noise and compression, each in some videos."""
    frames = settings.frames
    gains = exposure = None
    if rng.random() < settings.lighting:
        cells = int(rng.integers(3, 6))
        moves = rng.random() < 0.6
        knots = 1 + rng.uniform(0.05, 0.25) * rng.standard_normal((4, cells, cells))
        gains = spline(knots if moves else np.repeat(knots[:1], 2, 0), frames).clip(0.3, 1.6)
    if rng.random() < settings.exposure:
        level = wander(rng, frames, rng.uniform(0.03, 0.2), drift=0.7)
        balance = wander(rng, frames, rng.uniform(0.0, 0.06, 3))
        exposure = (1 + level + balance).clip(0.4, 1.8).astype(np.float32)
    grainy = rng.random() < 0.7
    return Sensor(
        seed,
        None if gains is None else gains.astype(np.float32),
        exposure,
        vignette=rng.uniform(0, 0.4) if rng.random() < 0.3 else 0.0,
        gamma=float(rng.uniform(0.75, 1.35)) if rng.random() < 0.5 else 1.0,
        noise=settings.noise * float(rng.beta(1, 2.5)) if grainy else 0.0,
        quality=int(rng.integers(30, 96)) if rng.random() < settings.compression else 0,
    )
