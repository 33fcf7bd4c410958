"""What happens in a random video beyond roaming and crossing: long occlusions, absences, hands,
crowds. Ways are in the image's coordinates, as those of `paths`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike

from drift_ros.synthetic.render.tracks import Array, moments, wander
from drift_ros.synthetic.settings import RandomSettings

Event = Literal['slow_crossings', 'returns', 'hands', 'crowds']
EVENTS: tuple[Event, ...] = get_args(Event)  # their names are those of their shares
CROWD = (6, 20)


@dataclass(frozen=True)
class Cover:
    """Something that objects vanish behind.

    Attributes:
        place: (2,) of its middle.
        radius: that it hides, in units of half the shorter side.
    """

    place: Array
    radius: float


@dataclass(frozen=True)
class Grasp:
    """How a hand comes, carries object number 0 and goes.

    Attributes:
        offset: (d, 2) of the point between its fingers from the object.
        angle: that its arm is turned from the right, clockwise, in rad.
        closed: (d,) 0 open to 1 closed.
    """

    offset: Array
    angle: float
    closed: Array


def draw_event(rng: np.random.Generator, settings: RandomSettings) -> Event | None:
    """One of the events or none, by their shares."""
    value = rng.random()
    for event in EVENTS:
        value -= getattr(settings, event)
        if value < 0:
            return event
    return None


def eased(times: ArrayLike, values: ArrayLike, frames: int) -> Array:
    """(frames, ...) through values (N, ...) at rising times in 0..1, at rest at each of them."""
    at, points = np.asarray(times, np.float64), np.asarray(values, np.float64)
    now = moments(frames)
    i = np.clip(np.searchsorted(at, now, 'right') - 1, 0, len(at) - 2)
    t = np.clip((now - at[i]) / np.maximum(at[i + 1] - at[i], 1e-9), 0, 1)
    t = (t * t * (3 - 2 * t)).reshape(-1, *[1] * (points.ndim - 1))
    return points[i] + (points[i + 1] - points[i]) * t


def slow_crossings(rng: np.random.Generator, frames: int, radii: Array, half: Array) -> Array:
    """Ways (n, d, 2) of pairs that hide each other by 60 to 100 % for a third or more of the time.

    Args:
        frames: number of frames.
        radii: (n,) of the objects.
        half: (2,) half the width and height of the image.
    """
    count = len(radii)
    order = rng.permutation(count)
    ways = np.empty((count, frames, 2))
    for k in range(0, count, 2):
        meeting = rng.uniform(-0.5, 0.5, 2) * half + wander(rng, frames, [0.12, 0.12])
        if k + 1 == count:
            ways[order[k]] = meeting * 1.5
            continue
        first, second = order[k : k + 2]
        reach = float(radii[first] + radii[second])
        turn = rng.uniform(0, 2 * np.pi)
        along = np.array([np.cos(turn), np.sin(turn)])
        across = np.array([-along[1], along[0]]) * rng.uniform(-0.25, 0.25) * reach
        start = -rng.uniform(0.7, 1.5)
        begin, end = rng.uniform(0, 0.3), rng.uniform(0.65, 1.2)
        kind = rng.random()
        back = 1 if kind < 0.6 else -1  # the others turn back, or stay where they are hidden
        stop = rng.uniform(0.7, 1.5) * back if kind < 0.85 else 0.0
        hidden = begin + 0.25 * (end - begin), end - 0.25 * (end - begin)
        times = [0, begin, *hidden, end, max(1.0, end + 1e-3)]
        halfway = rng.uniform(0.02, 0.15)
        shares = [start, 0.9 * start, -halfway, halfway * back, 0.7 * stop, stop]
        apart = eased(times, reach * np.array(shares), frames)[:, None] * along + across
        share = rng.uniform(0.2, 1)
        ways[first], ways[second] = meeting + share * apart, meeting - (1 - share) * apart
    return ways


def returns(
    rng: np.random.Generator, frames: int, starts: Array, radii: Array, half: Array
) -> tuple[Array, list[Cover]]:
    """Ways (n, d, 2) of objects that go out of sight and come back, and what they vanish behind.

    They come back where they went, or elsewhere, one after the other in any order.
    """
    covers: list[Cover] = []
    if rng.random() < 0.55:
        places = rng.uniform(-0.6, 0.6, (20, 2)) * half
        clear = np.linalg.norm(places[:, None] - starts, axis=-1).min(1)  # of what is seen first
        radius = float(radii.max()) * rng.uniform(1.15, 1.6)
        covers.append(Cover(places[clear.argmax()], radius))
    ways = []
    far = float(np.linalg.norm(half)) + 1.5 * float(radii.max())
    for start in starts:
        gone = rng.uniform(0.15, 0.4)
        back = min(gone + rng.uniform(0.15, 0.5), 0.9)
        target = rng.uniform(-0.85, 0.85, 2) * half
        if rng.random() < 0.15:  # one that stays in sight
            ways.append(start + wander(rng, frames, [0.25, 0.25]))
        elif covers:
            behind = covers[0].place + 0.1 * covers[0].radius * rng.standard_normal(2)
            away = target - behind
            away *= max(1.0, 2.5 * covers[0].radius / max(float(np.linalg.norm(away)), 1e-6))
            path = eased([0, gone, back, 1], [start, behind, behind, behind + away], frames)
            ways.append(path)
        else:
            angle = float(np.arctan2(start[1], start[0]) + rng.normal(0, 0.4))
            other = angle + (rng.normal(0, 0.3) if rng.random() < 0.4 else rng.uniform(-3, 3))
            # It goes around the image, so that it is never seen on its way.
            around = np.linspace(angle, other, 8)
            outside = far * np.stack([np.cos(around), np.sin(around)], -1)
            leave, enter = 0.6 * gone, back + 0.4 * (1 - back)
            times = [0, leave, *np.linspace(gone, back, 8), enter, 1]
            on_way = start + 0.3 * rng.standard_normal(2)
            ways.append(eased(times, [start, on_way, *outside, target, target], frames))
    return np.stack(ways), covers


def hands(
    rng: np.random.Generator, frames: int, starts: Array, radii: Array, half: Array
) -> tuple[Array, Grasp]:
    """Ways (n, d, 2) of objects, the first of which a hand takes and carries, and the hand."""
    count = len(starts)
    ways = starts[:, None] + np.stack([wander(rng, frames, [0.15, 0.15]) for _ in range(count)])
    take, leave = rng.uniform(0.1, 0.35), rng.uniform(0.65, 1.3)
    start = starts[0] * 0.7
    goal = np.clip(start + 0.6 * rng.standard_normal(2), -0.7 * half, 0.7 * half)
    middle = (start + goal) / 2 + 0.3 * rng.standard_normal(2)
    times = [0, take, (take + leave) / 2, leave, leave + 1]
    ways[0] = eased(times, [start, start, middle, goal, goal], frames)
    borders = np.array([half[0] - start[0], half[1] - start[1], half[0] + start[0]])
    side = int(rng.choice(3, p=[0.25, 0.5, 0.25]) if rng.random() < 0.5 else borders.argmin())
    angle = (0.0, np.pi / 2, np.pi)[side] + rng.normal(0, 0.3)
    out = np.array([np.cos(angle), np.sin(angle)]) * (2.0 * float(half.max()))
    hold = 0.15 * float(radii[0]) * rng.standard_normal(2)
    times = [0, take, leave, leave + 0.25, leave + 1]
    offset = eased(times, [out + hold, hold, hold, out + hold, out + hold], frames)
    shut = [take - 0.05, take + 0.03, leave, leave + 0.08]
    return ways, Grasp(offset, angle, np.interp(moments(frames), shut, [0, 1, 1, 0]))


def crowds(rng: np.random.Generator, frames: int, count: int, half: Array) -> Array:
    """Ways (n, d, 2) of many that move about together, or in two streams against each other."""
    columns = int(np.ceil(np.sqrt(count * half[0] / half[1])))
    rows = -(-count // columns)
    cells = rng.permutation(columns * rows)[:count]
    grid = np.stack([cells % columns, cells // columns], -1) + rng.uniform(0.15, 0.85, (count, 2))
    starts = (grid / (columns, rows) * 2 - 1) * half * rng.uniform(0.5, 1)
    stream = rng.normal(0, 0.5, 2)
    common = stream * moments(frames)[:, None] + wander(rng, frames, [0.15, 0.15])
    sides = np.where(rng.random(count) < rng.choice([0, 0.5]), -1.0, 1.0)
    own = np.stack([wander(rng, frames, [0.1, 0.1]) for _ in range(count)])
    return starts[:, None] + sides[:, None, None] * common + own


def approach(rng: np.random.Generator, frames: int) -> Array:
    """(d,) factor on a distance: nearer, farther, or to and fro by 2 to 4 times; at most 1."""
    times = float(np.exp(rng.uniform(np.log(2), np.log(4))))
    steps = [[0, 0.2, 1, 1], [1, 0.8, 0, 0], [0, 1, 1, 0.2], [1, 0, 0.2, 1]][int(rng.integers(4))]
    return np.exp(-np.log(times) * eased([0, 0.35, 0.75, 1], steps, frames))
