"""How the camera moves: pans, dollies, rolls, trembles, follows, shakes."""

from __future__ import annotations

import numpy as np

from drift_ros.synthetic.render.tracks import Array, moments, wander
from drift_ros.synthetic.settings import RandomSettings

TURN = 0.6  # rad that the camera turns aside at most, so that it never looks past the background


def camera_path(
    rng: np.random.Generator, frames: int, strength: float, follow: Array | None = None
) -> Array:
    """(frames, 6) position in m and yaw, pitch, roll in rad, around the origin.

    Args:
        frames: number of frames.
        strength: factor on all motion.
        follow: (frames, 2) angles in rad to the right and down of what may be followed.
    """
    path = np.zeros((frames, 6))
    if strength <= 0:
        return path
    kind = rng.random()
    if kind > 0.15:  # the others stand still
        amount = strength * rng.exponential(0.7)
        path[:, :3] += wander(rng, frames, amount * np.array([0.15, 0.08, 0.25]))
        path[:, 3:] += wander(rng, frames, amount * np.array([0.06, 0.04, 0.04]))
    if kind > 0.5:
        trembling = strength * rng.exponential(0.003)
        knots = max(4, frames // 2)
        path[:, 3:] += wander(rng, frames, [trembling, trembling, trembling], knots, drift=0)
    if follow is not None:
        path[:, 3] += follow[:, 0] - follow[0, 0]
        path[:, 4] -= follow[:, 1] - follow[0, 1]
    path[:, 3:5] = TURN * np.tanh(path[:, 3:5] / TURN)
    return path


def disturbed(rng: np.random.Generator, path: Array, settings: RandomSettings) -> Array:
    """A path (d, 6) with the shaking of a hand, a vehicle or a robot, and with fast pans.

    Args:
        path: position and angles, as of `camera_path`.
        settings: the shares of both, and the strength of the camera's motion.
    """
    frames = len(path)
    shakes, pans = rng.random(2) < (settings.shake, settings.pans)
    if settings.camera <= 0 or not (shakes or pans):
        return path
    path = path.copy()
    if shakes:
        size = settings.camera * np.exp(rng.uniform(np.log(0.004), np.log(0.025)))
        slow = wander(rng, frames, [size] * 3, max(4, frames // 2), drift=0)
        quick = 0.4 * size * rng.standard_normal((frames, 3))
        path[:, 3:] += (slow + quick * rng.choice([0.0, 1.0])) * (1, 1, 0.6)
    if pans:
        for _ in range(int(rng.integers(1, 3))):
            middle, length = rng.uniform(0.1, 0.9), rng.uniform(3, 9) / max(frames, 9)
            turn = settings.camera * rng.normal(0, 0.3, 2) * (1, 0.4)
            step = np.clip((moments(frames) - middle) / length + 0.5, 0, 1)
            path[:, 3:5] += (step * step * (3 - 2 * step))[:, None] * turn
    # A camera that looks down keeps doing so; it never turns past the background.
    base = path[:1, 3:5]
    path[:, 3:5] = base + TURN * np.tanh((path[:, 3:5] - base) / TURN)
    return path
