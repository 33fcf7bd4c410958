"""Thin and jointed things: rods, tools, chains, cables, arms of robots, insects, frames."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from drift_ros.synthetic.sprites.creatures import Limb, Maker, Point, assemble, at
from drift_ros.synthetic.sprites.cutout import Bend, Cutout, Joint
from drift_ros.synthetic.sprites.outlines import Polygon, box, capsule, ellipse
from drift_ros.synthetic.textures.colours import Texture


def rod(rng: np.random.Generator, colours: Texture) -> Cutout:
    """A stick, pen, bottle, spoon or hammer."""
    width = rng.uniform(0.05, 0.16)
    outlines = [capsule((-1, 0), (1, 0), width, width * rng.uniform(0.5, 1))]
    kind = rng.random()
    if kind < 0.3:
        outlines.append(at(box(rng.uniform(0.1, 0.2), rng.uniform(0.2, 0.5)), -0.95, 0))
    elif kind < 0.6:
        outlines.append(at(ellipse(rng.uniform(0.2, 0.35), rng.uniform(0.15, 0.3)), -0.9, 0))
    return assemble('rod', rng, colours, [(outlines, (), 0.0)], upright=False)


def scissors(rng: np.random.Generator, colours: Texture) -> Cutout:
    """Two bars that open and close about a pivot."""
    width, open_, place = rng.uniform(0.06, 0.12), rng.uniform(0.15, 0.4), rng.uniform(-0.2, 0.3)
    limbs: list[Limb] = []
    for side, lift in ((-1, -0.03), (1, 0.03)):
        bar = capsule((-1.1, 0), (0.7, 0), 0.6 * width, width)
        grip = at(ellipse(0.27, 0.2), 0.9, 0.08 * side)
        hole = [at(ellipse(0.16, 0.11), 0.9, 0.08 * side)]
        turn = Joint((place, 0), rest=1.2 * open_ * side, swing=open_ * side)
        limbs.append(([bar, grip], (turn,), lift, hole))
    return assemble('scissors', rng, colours, limbs, upright=False)


def chain(rng: np.random.Generator, colours: Texture) -> Cutout:
    """Links in a row, each turning about the one before: a caterpillar, a chain, a tail."""
    count, width = int(rng.integers(4, 8)), rng.uniform(0.07, 0.2)
    step, lag, swing = 2.2 / count, rng.uniform(-0.3, 0.3), rng.uniform(0.15, 0.45)
    limbs: list[Limb] = []
    joints: tuple[Joint, ...] = ()
    for i in range(count):
        start = (-1.1 + i * step, 0.0)
        if i:
            joints = (*joints, Joint(start, swing=swing, phase=i * lag))
        link = capsule(start, (start[0] + step, 0), width, width * rng.uniform(0.8, 1))
        limbs.append(([link], joints, 0.02 * (i % 2)))
    return assemble('chain', rng, colours, limbs, upright=False)


def cable(rng: np.random.Generator, colours: Texture) -> Cutout:
    """A cable, rope or snake that winds."""
    width = rng.uniform(0.05, 0.12)
    x = np.linspace(-1.1, 1.1, 16)
    curve, turn = rng.uniform(0, 0.35), rng.uniform(2, 5)
    points = list(zip(x.tolist(), (curve * np.sin(turn * x)).tolist(), strict=True))
    outlines = [capsule(a, b, width, width) for a, b in pairwise(points)]
    wave = np.array([[rng.uniform(0.4, 0.8), 0.0]])
    amplitude = np.array([[0.0, min(0.2, 0.08 / float(wave[0, 0]))]])
    bend = Bend(amplitude, wave, rng.random(1), np.array([rng.choice([-1.0, 1.0])]))
    return assemble('cable', rng, colours, [(outlines, (), 0.0)], upright=False, bend=bend)


def arm(rng: np.random.Generator, colours: Texture) -> Cutout:
    """A robot's arm, crane or lamp on a foot: three links that move slowly."""
    width = rng.uniform(0.08, 0.15)
    base, elbow, wrist = (0.3, 0.9), (0.6, -0.1), (-0.4, -0.6)
    first = Joint(base, swing=rng.uniform(0.1, 0.3), phase=rng.random())
    second = Joint(elbow, swing=rng.uniform(0.2, 0.5), phase=rng.random())
    third = Joint(wrist, swing=rng.uniform(0.3, 0.8), phase=rng.random())
    tip = (wrist[0] - 0.35, wrist[1] + 0.3)
    jaw: list[Polygon] = [
        capsule(wrist, tip, 0.7 * width, 0.6 * width),
        capsule(tip, (tip[0] - 0.22, tip[1] + 0.05), 0.05, 0.04),
        capsule(tip, (tip[0] - 0.05, tip[1] + 0.22), 0.05, 0.04),
    ]
    limbs: list[Limb] = [
        ([at(box(0.35, 0.12), 0.3, 1.0)], (), -0.04),
        ([capsule(base, elbow, width, 0.9 * width)], (first,), 0.0),
        ([capsule(elbow, wrist, 0.9 * width, 0.8 * width)], (first, second), 0.04),
        (jaw, (first, second, third), 0.08),
    ]
    return assemble('arm', rng, colours, limbs)


def insect(rng: np.random.Generator, colours: Texture) -> Cutout:
    """A body on six or eight thin legs with knees."""
    pairs, width = int(rng.integers(3, 5)), rng.uniform(0.03, 0.06)
    limbs: list[Limb] = []
    for i in range(pairs):
        for side in (-1, 1):
            hip: Point = (-0.35 + 0.7 * i / (pairs - 1), 0.0)
            knee: Point = (hip[0] * 1.9, 0.5 * side)
            foot: Point = (hip[0] * 2.3, 0.95 * side)
            turn = Joint(hip, swing=rng.uniform(0.15, 0.35), phase=(i * 0.5 + (side > 0) * 0.5) % 1)
            outline = [
                capsule(hip, knee, 1.3 * width, width),
                capsule(knee, foot, width, 0.6 * width),
            ]
            limbs.append((outline, (turn,), -0.05))
    body = [at(ellipse(0.35, 0.24), 0.35, 0), at(ellipse(0.25, 0.18), -0.2, 0)]
    limbs.append((body, (), 0.0))
    head = Joint((-0.4, 0), swing=0.15)
    limbs.append(([at(ellipse(0.16, 0.14), -0.52, 0)], (head,), 0.02))
    return assemble('insect', rng, colours, limbs, upright=False)


def frame(rng: np.random.Generator, colours: Texture) -> Cutout:
    """A chair, ladder, rack or racket: bars one can see between."""
    width = rng.uniform(0.05, 0.1)
    kind = rng.random()
    bars: list[tuple[Point, Point]]
    if kind < 0.4:  # a chair from the side
        bars = [((-0.5, 0.1), (-0.6, 1)), ((0.5, 0.1), (0.6, 1)), ((-0.55, 0.1), (0.55, 0.1))]
        bars += [((0.5, 0.1), (0.65, -1)), ((-0.55, 0.5), (0.55, 0.5))]
    elif kind < 0.75:  # a ladder
        wide = rng.uniform(0.25, 0.5)
        bars = [((side * wide, -1.1), (side * wide, 1.1)) for side in (-1, 1)]
        bars += [((-wide, y), (wide, y)) for y in np.linspace(-0.9, 0.9, int(rng.integers(3, 7)))]
    else:  # a racket
        outline = [at(ellipse(0.5, 0.62), 0, -0.5), capsule((0, 0.1), (0, 1.1), width, 1.2 * width)]
        xs, ys = (np.linspace(-0.36, 0.36, 5), np.linspace(-0.92, -0.08, 6))
        holes = [
            at(box(0.07, 0.06), x, y)
            for x in xs
            for y in ys
            if (x / 0.42) ** 2 + ((y + 0.5) / 0.54) ** 2 < 0.8
        ]
        return assemble('racket', rng, colours, [(outline, (), 0.0, holes)], upright=False)
    outlines = [capsule(a, b, width, width) for a, b in bars]
    return assemble('frame', rng, colours, [(outlines, (), 0.0)])


THIN: tuple[Maker, ...] = (rod, scissors, chain, cable, arm, insect, frame)
