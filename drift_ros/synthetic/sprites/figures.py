"""People seen from the side: walkers, runners, cyclists, in clothes of several materials."""

from __future__ import annotations

from itertools import pairwise

import cv2
import numpy as np

from drift_ros.synthetic.sprites.creatures import REACH, Limb, Maker, Point, assemble, at
from drift_ros.synthetic.sprites.cutout import Cutout, Joint
from drift_ros.synthetic.sprites.outlines import box, capsule, ellipse
from drift_ros.synthetic.textures.colours import Texture, palette
from drift_ros.synthetic.textures.materials import SKIN

SHIRT, WAIST = -0.62, 0.12  # y of the borders between clothes, in units


def dressed(rng: np.random.Generator, colours: Texture, waist: float = WAIST) -> Texture:
    """Its texture as a shirt, with a head of skin and hair above it and trousers below."""
    size = colours.shape[0]
    image = colours.copy()
    rows = [int((y + REACH) * size / (2 * REACH)) for y in (SHIRT, waist, SHIRT - 0.3)]
    tone = np.array(SKIN[int(rng.integers(len(SKIN)))], np.float32)
    grey = cv2.cvtColor(colours, cv2.COLOR_RGB2GRAY).astype(np.float32)[..., None]
    grain = 0.85 + 0.3 * (grey / max(float(grey.max()), 1.0))
    image[: rows[0]] = np.clip(tone * grain[: rows[0]], 0, 255)
    hair = palette(rng, 3, 0.05)[0]
    image[: rows[2]] = np.clip(hair * grain[: rows[2]], 0, 255)
    image[rows[1] :] = np.clip(palette(rng, 3, 0.1)[1] * grain[rows[1] :], 0, 255)
    return image


def walker(rng: np.random.Generator, colours: Texture) -> Cutout:
    """Somebody who walks or runs, seen from the side, perhaps with a bag."""
    run = rng.random() < 0.3
    swing = rng.uniform(0.6, 0.85) if run else rng.uniform(0.25, 0.5)
    leg, arm, trunk = rng.uniform(0.09, 0.14), rng.uniform(0.06, 0.09), rng.uniform(0.15, 0.24)
    limbs: list[Limb] = []
    for phase, lift in ((0.5, -0.1), (0.0, 0.1)):
        hip, knee, foot = (0.0, 0.15), (0.0, 0.66), (0.0, 1.15)
        upper = Joint(hip, rest=0.1, swing=swing, phase=phase)
        lower = Joint(knee, rest=-0.8 if run else -0.3, swing=0.7 * swing, phase=phase + 0.25)
        shoe = capsule(foot, (foot[0] - 0.17, foot[1] + 0.02), 0.07, 0.05)
        limbs.append(([capsule(hip, knee, 1.4 * leg, leg)], (upper,), lift))
        limbs.append(([capsule(knee, foot, leg, 0.6 * leg), shoe], (upper, lower), lift))
        shoulder, elbow, hand = (0.0, -0.48), (0.0, -0.1), (0.0, 0.24)
        upper = Joint(shoulder, swing=swing, phase=phase + 0.5)
        bent = rng.uniform(1.1, 1.6) if run else rng.uniform(0.1, 0.5)
        lower = Joint(elbow, rest=bent, swing=0.3 * swing, phase=phase + 0.4)
        limbs.append(([capsule(shoulder, elbow, 1.3 * arm, arm)], (upper,), 1.6 * lift))
        limbs.append(([capsule(elbow, hand, arm, 0.8 * arm)], (upper, lower), 1.6 * lift))
    body = [capsule((0, -0.45), (0, 0.15), trunk, 0.85 * trunk)]
    if rng.random() < 0.3:
        body.append(at(box(0.14, 0.25), trunk + 0.08, -0.3))
    limbs.append((body, (), 0.0))
    nod = Joint((0, -0.6), swing=rng.uniform(0, 0.1), phase=rng.random())
    head = [at(ellipse(0.16, 0.2), -0.03, -0.88), at(box(0.06, 0.1), 0, -0.66)]
    limbs.append((head, (nod,), 0.03))
    return assemble('walker', rng, dressed(rng, colours), limbs)


def cyclist(rng: np.random.Generator, colours: Texture) -> Cutout:
    """Somebody on a bicycle: turning wheels one can see through, a thin frame, pedalling legs."""
    radius, rear, front = rng.uniform(0.36, 0.42), (0.55, 0.78), (-0.55, 0.78)
    crank, saddle, bars = (0.05, 0.78), (0.2, 0.15), (-0.45, 0.1)
    tube = rng.uniform(0.025, 0.045)
    limbs: list[Limb] = []
    for hub in (rear, front):
        spokes = int(rng.integers(4, 9))
        wheel = [at(ellipse(radius, radius), *hub)]
        turn = np.linspace(0, 2 * np.pi, spokes + 1)
        inner = 0.87 * radius
        holes = [
            np.array(
                [(0.12, a + 0.05), (1, a + 0.05), (1, (a + b) / 2), (1, b - 0.05), (0.12, b - 0.05)]
            )
            for a, b in pairwise(turn)
        ]
        cut = [
            np.stack([h[:, 0] * inner * np.cos(h[:, 1]), h[:, 0] * inner * np.sin(h[:, 1])], -1)
            + hub
            for h in holes
        ]
        limbs.append((wheel, (Joint(hub, spin=-1.0),), -0.02, cut))
    frame: list[tuple[Point, Point]] = [
        (rear, crank),
        (crank, saddle),
        (saddle, rear),
        (crank, (-0.42, 0.25)),
        (saddle, (-0.42, 0.25)),
        ((-0.42, 0.25), front),
        ((-0.42, 0.25), bars),
    ]
    limbs.append(([capsule(a, b, tube, tube) for a, b in frame], (), 0.0))
    leg = rng.uniform(0.08, 0.11)
    hip: Point = (0.2, 0.0)
    for phase, lift in ((0.5, -0.08), (0.0, 0.08)):
        knee, foot = (-0.16, 0.3), (0.05, 0.78)
        upper = Joint(hip, rest=0.05, swing=0.3, phase=phase)
        lower = Joint(knee, rest=-0.1, swing=0.35, phase=phase + 0.3)
        shoe = capsule(foot, (foot[0] - 0.14, foot[1] + 0.02), 0.06, 0.05)
        limbs.append(([capsule(hip, knee, 1.4 * leg, leg)], (upper,), lift))
        limbs.append(([capsule(knee, foot, leg, 0.6 * leg), shoe], (upper, lower), lift))
    shoulder: Point = (-0.18, -0.52)
    limbs.append(([capsule(hip, shoulder, 0.15, 0.17)], (), 0.02))
    limbs.append(
        (
            [capsule(shoulder, (-0.3, -0.2), 0.08, 0.07), capsule((-0.3, -0.2), bars, 0.07, 0.05)],
            (),
            0.1,
        )
    )
    limbs.append(([at(ellipse(0.15, 0.18), -0.28, -0.82)], (Joint(shoulder, swing=0.04),), 0.03))
    return assemble('cyclist', rng, dressed(rng, colours, 0.0), limbs, foot=0.78 + radius)


FIGURES: tuple[Maker, ...] = (walker, walker, cyclist)
