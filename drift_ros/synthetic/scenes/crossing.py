"""Two identical balls that cross: one passes in front and hides the other, all or in part."""

from __future__ import annotations

import cv2
import numpy as np

from drift_ros.synthetic.ground_truth import Camera
from drift_ros.synthetic.render.balls import BallActor
from drift_ros.synthetic.render.light import Light
from drift_ros.synthetic.render.planes import wall
from drift_ros.synthetic.render.sensor import Sensor
from drift_ros.synthetic.render.tracks import Array, moments, spline
from drift_ros.synthetic.render.world import Lens, World
from drift_ros.synthetic.seeds import Seed
from drift_ros.synthetic.settings import SceneSettings, VideoSettings
from drift_ros.synthetic.textures.colours import colourise
from drift_ros.synthetic.textures.noise import bank
from drift_ros.synthetic.textures.patterns import veins
from drift_ros.synthetic.textures.surfaces import leaves

NAME, PARTLY = 'crossing', 'passing'
CROSSINGS = 3  # the word of these scenes below a split
TEXTURES, NOISE, POINTS = range(3)
NEAR, FAR, WALL = 1.6, 2.0, 3.0  # m
RADIUS = 0.16  # m, of the near ball
TURNS = 0.45  # that the balls make about their upright axes
LAMP = (-0.45, -0.65, -0.61)  # towards it, of length 1
WALL_COLOURS = [(58, 66, 74), (122, 118, 108), (92, 104, 88), (150, 140, 122), (78, 84, 104)]
BALL_COLOURS = [(150, 46, 30), (232, 120, 44), (250, 214, 150), (196, 74, 38)]


def build(settings: SceneSettings) -> World:
    """The scene in which the near ball hides the far one almost wholly."""
    return _build(NAME, settings, 0.0)


def build_passing(settings: SceneSettings) -> World:
    """The scene in which the near ball passes lower, and hides more than half of the far one."""
    return _build(PARTLY, settings, 0.15)


def _build(name: str, settings: SceneSettings, apart: float) -> World:
    """Balls with one texture and one size in the image that meet at heights that far apart, in
    shares of half the image.
    """
    seed = Seed('test', (CROSSINGS, settings.seed))
    rng, noise = seed.child(TEXTURES).generator(), bank(seed.split)
    camera = Camera(settings.width, settings.height, focal=0.9 * settings.width)
    margin = settings.width // 8
    size = settings.height + 2 * margin, settings.width + 2 * margin
    backdrop = leaves(size, rng, noise, np.array(WALL_COLOURS, np.float32))
    skin = colourise(veins((256, 256), rng, noise), np.array(BALL_COLOURS, np.float32))

    def ball(id_: int, name: str, z: float, heights: tuple[float, ...], way: int) -> BallActor:
        """From side to side at a distance, through heights in shares of half the image."""
        half = np.array([camera.width, camera.height]) / 2 * z / camera.focal
        xs = way * np.linspace(-0.68, 0.68, len(heights))
        knots = np.stack([xs * half[0], np.array(heights) * half[1], np.full(len(xs), z)], 1)
        turns = _upright_turns(way * TURNS * moments(settings.frames))
        positions = spline(knots, settings.frames)
        return BallActor(id_, name, RADIUS * z / NEAR, skin, positions, turns)

    near = ball(1, 'near ball', NEAR, (-0.35, 0.12, 0.06 + apart / 2, 0.3, -0.1), 1)
    far = ball(2, 'far ball', FAR, (0.4, -0.2, 0.06 - apart / 2, -0.3, 0.2), -1)
    eye = np.zeros((settings.frames, 6))
    eye[:, :3] = spline([(-0.06, 0.02, 0), (0.03, -0.02, 0), (0.06, 0.02, 0)], settings.frames)
    shape = settings.model_dump(include={'width', 'height', 'frames', 'rate'})
    return World(
        name,
        VideoSettings(**shape),
        camera,
        eye,
        [wall(backdrop, WALL, size[1] * WALL / camera.focal)],
        [near, far],
        Light(np.tile(LAMP, (settings.frames, 1)), diffuse=0.6, shadow=0.0),
        Lens(),
        Sensor(seed.child(NOISE), noise=settings.noise),
        seed.child(POINTS),
    )


def _upright_turns(turns: Array) -> Array:
    """(d, 3, 3) rotations by turns (d,) about the y axis."""
    return np.stack([cv2.Rodrigues(np.array([0.0, -2 * np.pi * t, 0.0]))[0] for t in turns])
