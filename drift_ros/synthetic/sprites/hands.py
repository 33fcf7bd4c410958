"""Hands and grippers whose fingers close around the origin; their arms come from the right."""

from __future__ import annotations

import numpy as np

from drift_ros.synthetic.sprites.creatures import Limb, Point, assemble, at
from drift_ros.synthetic.sprites.cutout import Cutout, Joint
from drift_ros.synthetic.sprites.outlines import box, capsule
from drift_ros.synthetic.textures.colours import Texture

REACH = 3.0  # units that their textures span to each side
CLOSED = 0.25  # of the gait, in turns: open at 0
BEHIND, BEFORE = -0.6, 0.5  # lift of what is behind and before the thing that they hold


def hand(rng: np.random.Generator, colours: Texture) -> Cutout:
    """A hand that holds a thing between its thumb and its fingers."""
    thick, spread = rng.uniform(0.14, 0.18), rng.uniform(0.9, 1.2)
    wrist, elbow = (1.35, 0.1), (2.9, rng.uniform(-0.3, 0.5))
    limbs: list[Limb] = [
        ([capsule(wrist, elbow, 0.32, 0.42)], (), -0.1),
        ([capsule((0.75, 0), wrist, 0.42, 0.32)], (), BEHIND if rng.random() < 0.5 else 0.1),
    ]
    for i in range(4):
        root: Point = (0.65 - 0.08 * i, -0.34 + 0.14 * i)
        middle: Point = (0.15 - 0.1 * i, (-0.62 + 0.2 * i) * spread)
        tip: Point = (-0.35 + 0.02 * i, (-0.42 + 0.2 * i) * spread)
        open_ = 0.5 + 0.1 * rng.random()
        bend = Joint(root, rest=open_, swing=-open_)
        curl = Joint(middle, rest=0.5, swing=-0.5)
        size = thick * (1 - 0.08 * abs(i - 1.5))
        limbs.append(([capsule(root, middle, size, 0.9 * size)], (bend,), BEFORE - 0.02 * i))
        limbs.append(
            ([capsule(middle, tip, 0.9 * size, 0.7 * size)], (bend, curl), BEFORE - 0.02 * i)
        )
    thumb = Joint((0.8, 0.3), rest=-0.6, swing=0.6)
    outline = [
        capsule((0.8, 0.3), (0.35, 0.62), 0.2, 0.16),
        capsule((0.35, 0.62), (-0.1, 0.5), 0.16, 0.12),
    ]
    limbs.append((outline, (thumb,), BEHIND if rng.random() < 0.5 else BEFORE))
    return assemble('hand', rng, colours, limbs, upright=False, reach=REACH, flip=False)


def gripper(rng: np.random.Generator, colours: Texture) -> Cutout:
    """Two jaws on a palm at the end of a robot's arm."""
    width, jaw = rng.uniform(0.5, 0.8), rng.uniform(0.08, 0.16)
    limbs: list[Limb] = [
        ([capsule((1.3, 0), (2.9, rng.uniform(-0.5, 0.5)), 0.28, 0.35)], (), -0.1),
        ([at(box(0.28, width), 1.05, 0)], (), 0.1),
    ]
    for side in (-1, 1):
        finger = [
            capsule((0.85, 0.75 * side * width), (0.1, 0.8 * side * width), jaw, jaw),
            capsule((0.1, 0.8 * side * width), (-0.5, 0.45 * side * width), jaw, 0.8 * jaw),
        ]
        turn = Joint((0.85, 0.75 * side * width), rest=-0.5 * side, swing=0.5 * side)
        lift = BEFORE if side > 0 or rng.random() < 0.5 else BEHIND
        limbs.append((finger, (turn,), lift))
    return assemble('gripper', rng, colours, limbs, upright=False, reach=REACH, flip=False)
