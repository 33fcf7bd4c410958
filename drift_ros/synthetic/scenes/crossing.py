"""Two balls that look alike and cross: one passes in front and hides the other, all or in part."""

from __future__ import annotations

import numpy as np

from drift_ros.synthetic.body import Background, Body
from drift_ros.synthetic.effects import noise
from drift_ros.synthetic.motion import through
from drift_ros.synthetic.scene import Scene
from drift_ros.synthetic.settings import SceneSettings
from drift_ros.synthetic.shapes import Ball
from drift_ros.synthetic.textures import marble, patches
from drift_ros.synthetic.types import Camera

NAME, PARTLY = 'crossing', 'passing'
NEAR, FAR, WALL = 1.6, 2.0, 3.0  # m
RADIUS = 0.16  # m, of the near ball
WALL_COLOURS = [(58, 66, 74), (122, 118, 108), (92, 104, 88), (150, 140, 122), (78, 84, 104)]
BALL_COLOURS = [(150, 46, 30), (232, 120, 44), (250, 214, 150), (196, 74, 38)]


def build(settings: SceneSettings) -> Scene:
    """The scene in which the near ball hides the far one almost wholly."""
    return _build(NAME, settings, 0.0)


def build_passing(settings: SceneSettings) -> Scene:
    """The scene in which the near ball passes lower, and hides more than half of the far one."""
    return _build(PARTLY, settings, 0.15)


def _build(name: str, settings: SceneSettings, apart: float) -> Scene:
    """Balls with one texture that look equally large, and meet at heights that far apart, in shares
    of half the image.
    """
    rng = np.random.default_rng(settings.seed)
    camera = Camera(settings.width, settings.height, focal=0.9 * settings.width)
    margin = settings.width // 8
    size = settings.height + 2 * margin, settings.width + 2 * margin
    wall = Background(patches(size, rng, WALL_COLOURS, count=150), WALL)
    skin = marble((256, 256), rng, BALL_COLOURS)

    def across(z: float, heights: tuple[float, ...], direction: int) -> np.ndarray:
        """Points of a path from side to side at a distance, in shares of half the image."""
        half = camera.focal * 2 / np.array([camera.width, camera.height])
        xs = direction * np.linspace(-0.68, 0.68, len(heights))
        return np.stack([xs * z / half[0], np.array(heights) * z / half[1], np.full(len(xs), z)], 1)

    near = Body(
        1,
        'near ball',
        Ball(),
        RADIUS,
        skin,
        through(across(NEAR, (-0.35, 0.12, 0.06 + apart / 2, 0.3, -0.1), 1), turns=0.45),
    )
    far = Body(
        2,
        'far ball',
        Ball(),
        RADIUS * FAR / NEAR,
        skin,
        through(across(FAR, (0.4, -0.2, 0.06 - apart / 2, -0.3, 0.2), -1), turns=-0.45),
    )
    eye = through([(-0.06, 0.02, 0), (0.03, -0.02, 0), (0.06, 0.02, 0)])
    return Scene(name, settings, camera, wall, (near, far), eye, (noise(settings.noise),))
