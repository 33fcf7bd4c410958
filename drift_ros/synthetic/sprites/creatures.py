"""Cutouts with limbs and wheels: animals, people, birds, fish, vehicles.

They face the left or to the right in units of about their half length; the feet are at the
bottom. Proportions are random.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np

from drift_ros.synthetic.sprites.cutout import Bend, Cutout, Joint, Part
from drift_ros.synthetic.sprites.outlines import Polygon, box, capsule, ellipse, fill, rounded
from drift_ros.synthetic.sprites.sprite import sprite
from drift_ros.synthetic.textures.colours import Texture

REACH = 1.6  # units that the texture spans to each side

Limb = (
    tuple[list[Polygon], tuple[Joint, ...], float]
    | tuple[list[Polygon], tuple[Joint, ...], float, list[Polygon]]
)
"""A part: polygons at rest, joints, lift, and perhaps holes in it."""
Point = tuple[float, float]
Maker = Callable[[np.random.Generator, Texture], Cutout]


def at(polygon: Polygon, x: float, y: float) -> Polygon:
    """A polygon moved."""
    return polygon + np.array([x, y])


def quadruped(rng: np.random.Generator, colours: Texture) -> Cutout:
    """A dog, horse or cow: legs with knees, neck, head, ears, tail."""
    girth, height = rng.uniform(0.25, 0.42), rng.uniform(0.5, 0.95)
    parts: list[Limb] = []
    gallop = rng.random() < 0.4
    thickness = rng.uniform(0.09, 0.15)
    for x, phase, far in (
        (-0.55, 0.05 if gallop else 0.5, True),
        (0.6, 0.55 if gallop else 0.0, True),
        (-0.65, 0.0, False),
        (0.5, 0.5, False),
    ):
        hip: Point = (x, 0.1)
        knee: Point = (x + 0.03, 0.1 + 0.5 * height)
        foot: Point = (x - 0.03, 0.1 + height)
        swing = rng.uniform(0.3, 0.55)
        upper = Joint(hip, swing=swing, phase=phase)
        lower = Joint(knee, rest=0.15, swing=0.8 * swing, phase=phase - 0.2)
        lift = -0.08 if far else 0.08
        leg = [capsule(hip, knee, 1.5 * thickness, thickness)]
        parts.append((leg, (upper,), lift))
        parts.append(([capsule(knee, foot, thickness, 0.7 * thickness)], (upper, lower), lift))
    tail = Joint((0.8, -0.1), swing=rng.uniform(0.1, 0.5), phase=rng.random())
    end = (1.05 + 0.3 * rng.random(), rng.uniform(-0.4, 0.3))
    parts.append(([capsule((0.8, -0.1), end, 0.07, 0.04)], (tail,), -0.02))
    chest, hips = ellipse(0.4, 1.15 * girth), ellipse(0.4, girth)
    trunk = [ellipse(0.9, girth), at(chest, -0.45, 0), at(hips, 0.45, 0)]
    parts.append((trunk, (), 0.0))
    rise = rng.uniform(0.05, 0.5)
    head: Point = (-1.05, -0.15 - rise)
    neck = Joint((-0.7, -0.1), swing=rng.uniform(0.03, 0.2), phase=rng.random())
    nod = Joint(head, swing=rng.uniform(0, 0.2), phase=rng.random())
    parts.append(([capsule((-0.7, -0.1), head, 0.7 * girth, 0.15)], (neck,), 0.03))
    muzzle = (head[0] - rng.uniform(0.15, 0.35), head[1] + 0.12)
    ear = capsule((head[0] + 0.08, head[1] - 0.1), (head[0] + 0.15, head[1] - 0.32), 0.07, 0.03)
    parts.append(([capsule(head, muzzle, 0.2, 0.11), ear], (neck, nod), 0.06))
    return assemble('quadruped', rng, colours, parts, eye=(head[0] - 0.08, head[1] - 0.05))


def person(rng: np.random.Generator, colours: Texture) -> Cutout:
    """A walking or dancing cutout."""
    parts: list[Limb] = []
    wide, swing = rng.uniform(0.2, 0.32), rng.uniform(0.25, 0.7)
    arm, leg = rng.uniform(0.06, 0.1), rng.uniform(0.09, 0.14)
    for side, phase, lift in ((-1, 0.0, -0.06), (1, 0.5, 0.06)):
        hip, knee, foot = (0.4 * side * wide, 0.2), (0.4 * side * wide, 0.7), (0.1 * side, 1.2)
        upper = Joint(hip, swing=swing, phase=phase)
        lower = Joint(knee, rest=0.2, swing=0.7 * swing, phase=phase - 0.2)
        parts.append(([capsule(hip, knee, 1.3 * leg, leg)], (upper,), lift))
        shoe = capsule(foot, (foot[0] - 0.15, foot[1]), 0.08, 0.07)
        parts.append(([capsule(knee, foot, leg, 0.7 * leg), shoe], (upper, lower), lift))
        shoulder, elbow = (side * wide, -0.45), (side * (wide + 0.08), -0.1)
        hand = (side * (wide + 0.05), 0.25)
        raised = rng.uniform(0, 2) * side * (rng.random() < 0.3)
        upper = Joint(shoulder, rest=-raised, swing=swing, phase=phase + 0.5)
        lower = Joint(elbow, rest=-0.3, swing=0.6 * swing, phase=phase + 0.4)
        parts.append(([capsule(shoulder, elbow, 1.3 * arm, arm)], (upper,), 1.5 * lift))
        parts.append(([capsule(elbow, hand, arm, 0.8 * arm)], (upper, lower), 1.5 * lift))
    parts.append(([capsule((0, -0.42), (0, 0.2), wide, 0.8 * wide)], (), 0.0))
    nod = Joint((0, -0.6), swing=rng.uniform(0, 0.15), phase=rng.random())
    parts.append(([at(ellipse(0.17, 0.21), 0, -0.88), at(box(0.06, 0.1), 0, -0.65)], (nod,), 0.03))
    return assemble('person', rng, colours, parts)


def bird(rng: np.random.Generator, colours: Texture) -> Cutout:
    """A bird that beats its wings."""
    swing = rng.uniform(0.3, 0.9)
    wing: Point = (0.05, -0.1)
    tip: Point = (rng.uniform(0.2, 0.6), -rng.uniform(0.7, 1.1))
    flap = [capsule(wing, tip, rng.uniform(0.22, 0.35), 0.08)]
    nod = Joint((-0.5, -0.15), swing=rng.uniform(0, 0.25), phase=rng.random())
    tail = capsule((0.5, 0), (1.1, rng.uniform(-0.2, 0.2)), 0.12, rng.uniform(0.05, 0.25))
    head = [at(ellipse(0.24, 0.22), -0.72, -0.25)]
    beak = np.array([(-0.9, -0.32), (-1.25, -0.2), (-0.9, -0.16)])
    parts = [
        (flap, (Joint(wing, rest=0.5, swing=swing, phase=0.03),), -0.08),
        ([tail], (Joint((0.5, 0), swing=0.15, phase=rng.random()),), -0.02),
        ([ellipse(0.7, rng.uniform(0.25, 0.4))], (), 0.0),
        ([*head, beak], (nod,), 0.03),
        (flap, (Joint(wing, rest=0.3, swing=swing),), 0.08),
    ]
    return assemble('bird', rng, colours, parts, eye=(-0.76, -0.29), upright=False)


def fish(rng: np.random.Generator, colours: Texture) -> Cutout:
    """A fish or a snake: waves run along the body."""
    slender = rng.uniform(0.1, 0.5)
    tail = np.array([(0.7, 0), (1.2, -0.9 * slender - 0.15), (1.05, 0), (1.2, 0.9 * slender + 0.1)])
    fin = np.array([(-0.3, -0.7 * slender), (0.1, -1.6 * slender), (0.4, -0.6 * slender)])
    parts = [([ellipse(0.95, slender), tail, fin], (), 0.0)]
    steep = 2 * np.pi * (wave := rng.uniform(0.3, 0.6))
    amplitude = np.array([[0.0, min(0.25, 0.5 / steep)]]) * rng.uniform(0.5, 1)
    bend = Bend(amplitude, np.array([[wave, 0.0]]), rng.random(1), np.array([-1.0]))
    eye = (-0.7, -0.3 * slender)
    return assemble('fish', rng, colours, parts, eye=eye, upright=False, bend=bend)


def vehicle(rng: np.random.Generator, colours: Texture) -> Cutout:
    """A car, van or cart on turning wheels."""
    length, height, radius = 1.1, rng.uniform(0.25, 0.45), rng.uniform(0.2, 0.3)
    body = rounded(rng)
    body = box(length, height) if rng.random() < 0.5 else body / np.abs(body).max(0)
    body = body * (length, height)
    cabin = np.array([(-0.6, 0), (-0.4, -1), (0.5, -1), (0.9, 0)])
    cabin = cabin * (1, rng.uniform(0.2, 0.6)) + (rng.uniform(-0.2, 0.1), -0.9 * height)
    parts: list[Limb] = [([body, cabin], (), 0.0)]
    for x in (-0.65, 0.65):
        wheel = at(ellipse(radius, radius), x, height)
        parts.append(([wheel], (Joint((x, height), spin=-1.0),), 0.05))
    painted = colours.copy()
    scale = painted.shape[0] / (2 * REACH)
    window = np.rint((cabin * (0.85, 0.75) + (0, -0.15 * height) + REACH) * scale).astype(np.int32)
    cv2.fillConvexPoly(painted, window, [int(c) for c in rng.integers(20, 120, 3)])
    for x in (-0.65, 0.65):
        hub_px = tuple(round((c + REACH) * scale) for c in (x, height))
        dark = [int(c) for c in rng.integers(10, 60, 3)]
        cv2.circle(painted, hub_px, int(radius * scale) + 2, dark, -1)
        cv2.circle(painted, hub_px, max(1, int(0.55 * radius * scale)), [190, 190, 195], -1)
        end = (hub_px[0] + int(0.9 * radius * scale), hub_px[1])
        cv2.line(painted, hub_px, end, [90, 90, 90], max(1, int(0.1 * radius * scale)))
    return assemble('vehicle', rng, painted, parts, foot=height + radius)


CREATURES: tuple[Maker, ...] = (quadruped, quadruped, person, bird, fish, vehicle)


def assemble(
    name: str,
    rng: np.random.Generator,
    colours: Texture,
    limbs: Sequence[Limb],
    eye: Point | None = None,
    upright: bool = True,
    bend: Bend | None = None,
    foot: float | None = None,
    reach: float = REACH,
    flip: bool = True,
) -> Cutout:
    """A cutout that faces either side, perhaps with an eye painted on.

    Args:
        colours: (n, n, 3) uint8, what lies on it at rest.
        upright: whether it keeps its feet down.
        foot: how far it reaches down; None: as far as its parts do at rest.
        reach: units that `colours` spans to each side.
        flip: whether it may face the other side.
    """
    size = colours.shape[0]
    if eye is not None:
        colours = colours.copy()
        place = tuple(round((c + reach) * size / (2 * reach)) for c in eye)
        cv2.circle(colours, place, max(1, size // 64), (15, 12, 10), -1, cv2.LINE_AA)
    if rng.random() < 0.5 and flip:
        colours = np.ascontiguousarray(colours[:, ::-1])
        limbs = [_mirrored(limb) for limb in limbs]
        if bend is not None:
            sides = np.array([-1.0, 1.0])
            bend = Bend(bend.amplitudes * sides, bend.waves * sides, bend.phases, bend.rates)
    bulge = rng.uniform(0.1, 0.4)
    parts = []
    for polygons, joints, lift, *holes in limbs:
        outline = fill(polygons, size, reach)
        for hole in holes:
            outline[fill(hole, size, reach) > 0] = 0
        parts.append(Part(sprite(outline, colours, reach, bulge), joints, lift))
    lowest = max(float(polygon[:, 1].max()) for limb in limbs for polygon in limb[0])
    return Cutout(name, tuple(parts), bend, foot or lowest, upright)


def _mirrored(limb: Limb) -> Limb:
    polygons, joints, lift, *holes = limb
    flipped = tuple(Joint((-j.at[0], j.at[1]), -j.rest, -j.swing, j.phase, -j.spin) for j in joints)
    turned = [[polygon * (-1, 1) for polygon in group] for group in (polygons, *holes)]
    return (turned[0], flipped, lift, *turned[1:])  # type: ignore[return-value]
