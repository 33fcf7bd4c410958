"""Where balls and the camera are: draws many drafts and takes the first good one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drift_ros.synthetic.ground_truth import Camera
from drift_ros.synthetic.render.tracks import Array
from drift_ros.synthetic.render.view import View
from drift_ros.synthetic.scenes import physics
from drift_ros.synthetic.seeds import Seed
from drift_ros.synthetic.settings import RandomSettings

DRAFTS, ROUNDS = 128, 24  # drafts per round, of which those that start well are played
PLAYED = 24
APART = 1.15  # least distance in the first image, in sums of the radii
CROSSED = 0.6  # distance in the image at which balls count as crossing


@dataclass(frozen=True)
class Viewpoint:
    """A camera over a floor; its optical axis meets the floor straight ahead.

    Attributes:
        pitch: angle in rad that it looks down.
        distance: in m along the optical axis to the floor.
    """

    camera: Camera
    pitch: float
    distance: float

    @property
    def height(self) -> float:
        """Of the camera over the floor in m."""
        return float(self.distance * np.sin(self.pitch))

    @property
    def reach(self) -> float:
        """How far ahead the axis meets the floor, z in m."""
        return float(self.distance * np.cos(self.pitch))

    @property
    def view(self) -> View:
        """The camera at rest."""
        return View.of(self.camera, np.zeros(3), (0, -self.pitch, 0))


def place_balls(
    seed: Seed, settings: RandomSettings, count: int, identical: bool, cross: bool | None
) -> tuple[Viewpoint, Array, Array]:
    """A camera, radii (n,) in m and positions (n, d, 3) in m, with all balls seen apart at first.

    Args:
        seed: of all draws.
        settings: size, length, rate, sizes of objects, strength of motion.
        count: number of balls.
        identical: whether all have one size.
        cross: whether two hide each other at some time; None: as it comes.
    """
    high = min(2 * settings.largest, 0.65 / count**0.5)
    low = min(2 * settings.smallest, high)
    best, best_rank = None, 0
    for round_ in range(ROUNDS):
        rng = seed.child(round_ + 1).generator()
        viewpoint = _viewpoint(rng, settings)
        half = (
            min(settings.width, settings.height) / 2 / viewpoint.camera.focal * viewpoint.distance
        )
        if round_:  # where there is no room, balls shrink
            low, high = 0.93 * low, 0.93 * high
        shape = (DRAFTS, 1 if identical else count)
        radii = half * np.exp(rng.uniform(np.log(low), np.log(max(low, high)), shape))
        radii = np.broadcast_to(radii, (DRAFTS, count))
        seconds = settings.frames / settings.rate / max(settings.motion, 1e-3)
        throw = physics.draw(rng, radii, np.full(DRAFTS, half), seconds)
        good = np.flatnonzero(_starts_well(viewpoint, throw.positions, radii))[:PLAYED]
        if not len(good):
            continue
        throw = physics.Throw(*(getattr(throw, name)[good] for name in physics.Throw.__slots__))
        ways = physics.simulate(throw, settings.frames, settings.rate)
        ways = ways + np.array([0, viewpoint.height, viewpoint.reach])
        fine, crossed = _judge(viewpoint, ways, throw.radii)
        wanted = fine if cross is None else fine & (crossed == cross)
        rank = 1 + fine.astype(int) + wanted
        chosen = int(rank.argmax())
        if rank[chosen] > best_rank:
            best, best_rank = (viewpoint, throw.radii[chosen], ways[chosen]), int(rank[chosen])
        if best_rank == 3:
            break
    if best is None:
        raise ValueError(f'no room for {count} balls in {settings.width}x{settings.height} px')
    return best


def _viewpoint(rng: np.random.Generator, settings: RandomSettings) -> Viewpoint:
    longer = max(settings.width, settings.height)
    camera = Camera(settings.width, settings.height, longer * rng.uniform(0.9, 1.5))
    return Viewpoint(camera, float(rng.uniform(0.15, 0.6)), float(rng.uniform(4, 7)))


def _seen(viewpoint: Viewpoint, positions: Array, radii: Array) -> tuple[Array, Array, Array]:
    """Px (..., 2) and radii in px (...) of balls, and the distances (..., n, n) of the first axis.

    Positions are (B, n, ..., 3), radii (B, n); distances are in sums of the radii.
    """
    view = viewpoint.view
    optical = view.optical(positions)
    pixels = view.pixels(optical)
    metres = radii.reshape(*radii.shape, *[1] * (positions.ndim - 3))
    sizes = viewpoint.camera.focal * metres / np.maximum(optical[..., 2] - metres, 1e-3)
    gaps = np.linalg.norm(pixels[:, :, None] - pixels[:, None], axis=-1)
    return pixels, sizes, gaps / (sizes[:, :, None] + sizes[:, None])


def _starts_well(viewpoint: Viewpoint, positions: Array, radii: Array) -> NDArray[np.bool_]:
    """Whether all balls of a draft are wholly in the image and apart at first."""
    at = positions + np.array([0, viewpoint.height, viewpoint.reach])
    pixels, sizes, gaps = _seen(viewpoint, at, radii)
    gaps = gaps + 9 * np.eye(radii.shape[1])
    border = np.array([viewpoint.camera.width, viewpoint.camera.height]) - 1
    reach = 1.05 * sizes[..., None]
    inside = ((pixels > reach) & (pixels < border - reach)).all((1, 2))
    return inside & (gaps.min((1, 2)) >= APART)


def _judge(
    viewpoint: Viewpoint, positions: Array, radii: Array
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Whether all balls stay in the image for three of four frames, and whether any cross."""
    pixels, _, gaps = _seen(viewpoint, positions, radii)
    border = np.array([viewpoint.camera.width, viewpoint.camera.height]) - 1
    inside = ((pixels > 0) & (pixels < border)).all(-1).mean(-1).min(-1) >= 0.75
    before = (viewpoint.view.optical(positions)[..., 2] > 2 * radii[..., None]).all((1, 2))
    gaps = gaps + 9 * np.eye(radii.shape[1])[..., None]
    return inside & before, gaps.min((1, 2, 3)) < CROSSED
