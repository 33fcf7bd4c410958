"""Balls under gravity on a level floor: they bounce, roll, lose speed and collide."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drift_ros.synthetic.render.tracks import Array

GRAVITY = 9.8  # m/s^2
STEPS = 4  # per frame


@dataclass(frozen=True, slots=True)
class Throw:
    """Balls at the start, in B drafts of n balls. The floor is at y = 0, y points down.

    Attributes:
        radii: (B, n) in m.
        positions: (B, n, 3) of the centres in m.
        velocities: (B, n, 3) in m/s.
        bounce: (B,) share of the speed that is left after hitting the floor or each other, 0..1.
        friction: (B,) share of the speed that rolling loses in a second.
        gravity: (B,) in shares of the Earth's.
    """

    radii: Array
    positions: Array
    velocities: Array
    bounce: Array
    friction: Array
    gravity: Array


def draw(rng: np.random.Generator, radii: Array, half: Array, seconds: float) -> Throw:
    """Balls that start around the origin, most of them towards where others are.

    Args:
        radii: (B, n) in m.
        half: (B,) how far from the origin they start, in m.
        seconds: in which they go about that far.
    """
    drafts, count = radii.shape
    at = half[:, None, None] * rng.uniform(-1, 1, (drafts, count, 3)) * (1, 0, 1.3)
    flying = rng.random((drafts, count)) < 0.4
    lifts = half[:, None] * rng.random((drafts, count))
    at[..., 1] = -radii - np.where(flying, lifts, 0)
    way = 0.5 * half[:, None, None] * rng.standard_normal((drafts, count, 3)) - at
    way[..., 1] = 0
    way /= np.maximum(np.linalg.norm(way, axis=-1, keepdims=True), 1e-6)
    speed = half[:, None] / seconds * rng.uniform(0.2, 2.2, (drafts, count))
    velocities = way * speed[..., None]
    velocities[..., 1] = np.where(flying, rng.standard_normal((drafts, count)), 0)
    low, high = np.array([0.4, 0, 0.4]), np.array([0.9, 0.5, 1])
    bounce, friction, gravity = rng.uniform(low, high, (drafts, 3)).T
    return Throw(radii, at, velocities, bounce, friction, gravity)


def simulate(throw: Throw, frames: int, rate: float) -> Array:
    """Positions (B, n, frames, 3) of the centres in m, the start first.

    Args:
        frames: number of frames.
        rate: frames per second.
    """
    at, velocity = throw.positions.copy(), throw.velocities.copy()
    step = 1 / (rate * STEPS)
    fall = (GRAVITY * throw.gravity * step)[:, None]
    slower = (1 - throw.friction * step)[:, None, None]
    positions = np.empty((*at.shape[:2], frames, 3))
    for frame in range(frames):
        positions[:, :, frame] = at
        for _ in range(STEPS):
            velocity[..., 1] += fall
            at += velocity * step
            _collide(at, velocity, throw.radii, throw.bounce)
            below = at[..., 1] > -throw.radii
            at[..., 1] = np.where(below, -throw.radii, at[..., 1])
            speed = velocity[..., 1]
            rebound = np.where(speed > 0.5, -throw.bounce[:, None] * speed, 0)
            velocity[..., 1] = np.where(below & (speed > 0), rebound, speed)
            velocity[..., ::2] *= np.where(below[..., None], slower, 1)
    return positions


def _collide(at: Array, velocity: Array, radii: Array, bounce: Array) -> None:
    """Push balls that touch apart; their masses go with their volumes."""
    mass = radii**3
    for i in range(radii.shape[1]):
        for j in range(i):
            gap = at[:, i] - at[:, j]
            distance = np.sqrt((gap * gap).sum(-1))
            overlap = radii[:, i] + radii[:, j] - distance
            hit: NDArray[np.bool_] = overlap > 0
            if not hit.any():
                continue
            normal = gap / np.maximum(distance, 1e-9)[:, None]
            share = mass[:, j] / (mass[:, i] + mass[:, j])
            push = normal * np.where(hit, overlap, 0)[:, None]
            at[:, i] += push * share[:, None]
            at[:, j] -= push * (1 - share)[:, None]
            closing = ((velocity[:, i] - velocity[:, j]) * normal).sum(-1)
            kick = np.where(hit & (closing < 0), (1 + bounce) * closing, 0)[:, None] * normal
            velocity[:, i] -= kick * share[:, None]
            velocity[:, j] += kick * (1 - share)[:, None]
