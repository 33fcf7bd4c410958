"""Cutouts: one or more sprites joined together that swing, spin and bend."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from drift_ros.synthetic.sprites.sprite import Sprite

Affine = NDArray[np.float64]
"""(2, 3) matrix that takes (x, y, 1) to (x, y)."""

PRECISION = 5e-4  # units
ROUNDS = 12  # at most, of the iteration that inverts a bend; each halves its error


@dataclass(frozen=True, slots=True)
class Joint:
    """Turns a part about a point of what it hangs on.

    Attributes:
        at: the point in units of the cutout.
        rest: angle in rad without motion.
        swing: amplitude in rad of the swing about it.
        phase: of the swing, in turns.
        spin: whole turns per turn of the gait, as a wheel does.
    """

    at: tuple[float, float]
    rest: float = 0.0
    swing: float = 0.0
    phase: float = 0.0
    spin: float = 0.0

    def matrices(self, gait: NDArray[np.float64]) -> NDArray[np.float64]:
        """Its turns about the point, (d, 3, 3), at moments (d,) of the gait in turns."""
        angle = self.rest + self.swing * np.sin(2 * np.pi * (gait + self.phase))
        angle = angle + 2 * np.pi * self.spin * gait
        c, s = np.cos(angle), np.sin(angle)
        x, y = self.at
        result = np.zeros((len(gait), 3, 3))
        result[:, 0] = np.stack([c, -s, x - c * x + s * y], -1)
        result[:, 1] = np.stack([s, c, y - s * x - c * y], -1)
        result[:, 2, 2] = 1
        return result


@dataclass(frozen=True)
class Part:
    """A sprite on its joints.

    Attributes:
        sprite: drawn where the part is when all joints are at 0.
        joints: from the trunk outwards, each at its place with all joints at 0.
        lift: how far it is nearer to the camera than the trunk, in units.
    """

    sprite: Sprite
    joints: tuple[Joint, ...] = ()
    lift: float = 0.0

    def affines(self, gait: NDArray[np.float64]) -> NDArray[np.float64]:
        """(d, 2, 3) from the sprite's units to the cutout's at moments (d,) of the gait."""
        matrices = np.broadcast_to(np.eye(3), (len(gait), 3, 3))
        for joint in self.joints:
            matrices = matrices @ joint.matrices(gait)
        return np.ascontiguousarray(matrices[:, :2])


@dataclass(frozen=True, slots=True)
class Bend:
    """A smooth displacement that runs through the cutout as waves.

    A place p of the bent cutout shows the place p + sum_i a_i sin(2 pi (k_i . p + t f_i + phi_i))
    of the unbent one. The sum of 2 pi |a_i| |k_i| is at most 1/2, so it can be inverted.

    Attributes:
        amplitudes: (W, 2) in units.
        waves: (W, 2) in waves per unit.
        phases: (W,) in turns.
        rates: (W,) turns per turn of the gait.
    """

    amplitudes: NDArray[np.float64]
    waves: NDArray[np.float64]
    phases: NDArray[np.float64]
    rates: NDArray[np.float64]

    @property
    def extent(self) -> float:
        """The largest displacement in units."""
        return float(np.linalg.norm(self.amplitudes, axis=-1).sum())

    def unbend(self, x: NDArray, y: NDArray, gait: float) -> tuple[NDArray, NDArray]:
        """Places of the unbent cutout shown at places of the bent one."""
        u, v = x, y
        for a, k, phase, rate in zip(
            self.amplitudes, self.waves, self.phases, self.rates, strict=True
        ):
            turns = x.dtype.type(2 * np.pi) * (
                x * x.dtype.type(k[0]) + y * y.dtype.type(k[1]) + x.dtype.type(rate * gait + phase)
            )
            wave = np.sin(turns)
            u = u + wave * x.dtype.type(a[0])
            v = v + wave * x.dtype.type(a[1])
        return u, v

    def bend(self, x: NDArray, y: NDArray, gait: float) -> tuple[NDArray, NDArray]:
        """Where places of the unbent cutout are seen."""
        p, q = x, y
        for _ in range(ROUNDS):
            u, v = self.unbend(p, q, gait)
            p, q = p + (x - u), q + (y - v)
            if max(np.abs(x - u).max(), np.abs(y - v).max()) < PRECISION:
                break
        return p, q


@dataclass(frozen=True)
class Cutout:
    """The appearance of an object and how it moves in itself.

    Attributes:
        parts: at least one.
        foot: how far it reaches down from its centre, in units.
        upright: it keeps its feet down: no rotation in the image plane.
    """

    name: str
    parts: tuple[Part, ...]
    bend: Bend | None = None
    foot: float = 1.0
    upright: bool = False
    areas: NDArray[np.float64] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, 'areas', np.array([part.sprite.area for part in self.parts]))


def waves(rng: np.random.Generator, amplitude: float, count: int = 2) -> Bend:
    """A random bend; `amplitude` of 1 is the strongest that can be inverted safely."""
    wave = rng.normal(0, 0.28, (count, 2))
    direction = rng.normal(0, 1, (count, 2))
    direction /= np.linalg.norm(direction, axis=-1, keepdims=True)
    share = rng.random(count)
    # sum 2 pi |a| |k| = amplitude / 2 at most, and no displacement above a quarter of a unit
    steep = np.maximum(2 * np.pi * np.linalg.norm(wave, axis=-1), 1e-9)
    size = np.minimum(0.25 / count, 0.5 * share / share.sum() / steep) * amplitude
    return Bend(direction * size[:, None], wave, rng.random(count), rng.uniform(0.5, 1.5, count))
