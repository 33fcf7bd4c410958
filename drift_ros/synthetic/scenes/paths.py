"""Ways across the image: where objects are over time, in coordinates of the image.

A place (x, y) has -1 and 1 at the borders of the image, whose shorter side counts.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from drift_ros.synthetic.render.tracks import Array, spline

TRIES = 200


def apart(
    rng: np.random.Generator, count: int, distance: float, half: NDArray[np.float64], margin: float
) -> Array:
    """Places (count, 2) at least a distance apart, or as far as could be found.

    Args:
        count: number of places.
        half: (2,) half the width and height of the image.
    """
    room = np.maximum(half - margin, 0.1 * half)
    places: list[Array] = []
    for _ in range(count):
        candidates = rng.uniform(-room, room, (TRIES, 2))
        if places:
            gaps = np.linalg.norm(candidates[:, None] - np.array(places), axis=-1).min(1)
            far = np.flatnonzero(gaps >= distance)
            places.append(candidates[far[0] if len(far) else gaps.argmax()])
        else:
            places.append(candidates[0])
    return np.array(places)


def crossing(
    rng: np.random.Generator, frames: int, starts: Array, strength: float, miss: float
) -> Array:
    """Ways (count, frames, 2) from starts (count, 2) that meet in pairs and go on.

    Args:
        frames: number of frames.
        starts: first places.
        strength: share of the way to the meeting point and beyond that is gone.
        miss: how far from each other they pass.
    """
    count = len(starts)
    order = rng.permutation(count)
    knots = np.repeat(starts[:, None], 5, axis=1)
    for k in range(0, count, 2):
        pair = order[k : k + 2] if k + 1 < count else np.array([order[k], order[max(k - 1, 0)]])
        meeting = starts[pair].mean(0) + 0.2 * rng.standard_normal(2)
        when = int(rng.integers(1, 4))
        for i in pair if k + 1 < count else pair[:1]:
            way = (meeting - starts[i]) * strength + miss * rng.standard_normal(2)
            side = np.array([-way[1], way[0]]) * rng.normal(0, 0.2)
            for j in range(1, 5):
                bow = np.sin(np.pi * j / (2 * when)) if j < 2 * when else 0.0
                knots[i, j] = starts[i] + way * j / when * (0.85 if j > when else 1) + side * bow
    return np.stack([spline(knot, frames) for knot in knots])


def roaming(
    rng: np.random.Generator, frames: int, starts: Array, strength: float, half: Array
) -> Array:
    """Ways (count, frames, 2) of all kinds: slow, straight, to and fro, out of the image and back.

    Args:
        frames: number of frames.
        starts: (count, 2) first places.
        strength: factor on all motion.
        half: (2,) half the width and height of the image.
    """
    ways = []
    for start in starts:
        kind = rng.random()
        size = strength * np.exp(rng.uniform(np.log(0.04), np.log(0.7)))
        if kind < 0.55:
            steps = rng.standard_normal(2) + 0.5 * rng.standard_normal((4, 2))
            knots = start + size / 3 * np.concatenate([np.zeros((1, 2)), np.cumsum(steps, 0)])
        elif kind < 0.85:
            knots = start + size * rng.standard_normal((4, 2)) / 2
        else:
            direction = rng.standard_normal(2)
            direction /= np.linalg.norm(direction)
            outside = start + direction * 1.5 * half.max()
            knots = np.array([start, outside, start + 0.3 * rng.standard_normal(2)])
        ways.append(spline(knots, frames))
    return np.stack(ways)
