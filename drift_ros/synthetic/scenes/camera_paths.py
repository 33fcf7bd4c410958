"""How the camera moves: pans, dollies, rolls, trembles, follows."""

from __future__ import annotations

import numpy as np

from drift_ros.synthetic.render.tracks import Array, wander

TURN = 0.6  # rad that the camera turns aside at most, so that it never looks past the background


def camera_path(
    rng: np.random.Generator, frames: int, strength: float, follow: Array | None = None
) -> Array:
    """(frames, 6) position in m and yaw, pitch, roll in rad, around the origin.

    Args:
        rng: source of randomness.
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
