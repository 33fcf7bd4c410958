"""Cutouts: joints, bends, and points that stay on the paint."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drift_ros.synthetic import Camera, RandomSettings, VideoSettings
from drift_ros.synthetic.render.cutouts import CutoutActor
from drift_ros.synthetic.render.light import Light
from drift_ros.synthetic.render.planes import wall
from drift_ros.synthetic.render.sensor import Sensor
from drift_ros.synthetic.render.tracks import Track
from drift_ros.synthetic.render.world import Lens, World
from drift_ros.synthetic.seeds import Seed
from drift_ros.synthetic.sprites import outlines
from drift_ros.synthetic.sprites.creatures import CREATURES, REACH
from drift_ros.synthetic.sprites.cutout import Cutout, Joint, Part, waves
from drift_ros.synthetic.sprites.random_cutout import random_cutout
from drift_ros.synthetic.sprites.sprite import DISTANCE, sprite
from drift_ros.synthetic.textures.noise import bank

SEED = Seed('val', (7,))
CAMERA = Camera(96, 80, 90.0)
FRAMES = 5
PLAIN = RandomSettings(materials=0, thin=0, figures=0)


def ramp(size: int) -> np.ndarray:
    """A texture that tells every place by its colour."""
    x, y = np.meshgrid(np.linspace(20, 230, size), np.linspace(20, 230, size))
    return np.stack([x, y, 250 - x / 2 - y / 2], -1).astype(np.uint8)


def world(cutout: Cutout, track: Track, size: float = 0.5) -> World:
    frames = len(track.positions)
    even = np.tile([0.0, 0.0, -1.0], (frames, 1))
    return World(
        'test',
        VideoSettings(width=96, height=80, frames=frames, points=400),
        CAMERA,
        np.zeros((frames, 6)),
        [wall(np.full((64, 64, 3), 90, np.uint8), 6.0, 12.0)],
        [CutoutActor(1, 'cutout', cutout, size, track)],
        Light(even, ambient=1.0, diffuse=0.0, shadow=0.0),
        Lens(),
        Sensor(SEED),
        SEED,
    )


def moving(frames: int = FRAMES) -> Track:
    t = np.linspace(0, 1, frames)
    return Track(
        np.stack([0.3 * t - 0.15, 0.1 * np.sin(3 * t), 1.6 + 0.3 * t], -1),
        0.9 * t,
        np.stack([1 - 0.2 * t, 1 + 0.1 * t], -1),
        1.3 * t,
    )


@given(st.integers(0, 10_000), st.floats(0.05, 1), st.floats(-2, 2))
@settings(max_examples=60, deadline=None)
def test_a_bend_is_undone(seed, amplitude, gait):
    bend = waves(np.random.default_rng(seed), amplitude)
    x, y = np.random.default_rng(seed + 1).uniform(-1.5, 1.5, (2, 40))
    u, v = bend.unbend(*bend.bend(x, y, gait), gait)
    np.testing.assert_allclose([u, v], [x, y], atol=2e-3)
    steep = 2 * np.pi * np.linalg.norm(bend.amplitudes, axis=-1)
    assert (steep * np.linalg.norm(bend.waves, axis=-1)).sum() <= 0.5 + 1e-9
    moved = np.hypot(*(np.array(bend.unbend(x, y, gait)) - (x, y)))
    assert moved.max() <= bend.extent + 1e-9


def test_a_joint_turns_about_its_point():
    joint = Joint((0.3, -0.2), rest=0.4, swing=0.5, phase=0.1, spin=1.0)
    gait = np.linspace(0, 1, 7)
    matrices = joint.matrices(gait)
    np.testing.assert_allclose(matrices @ (0.3, -0.2, 1), np.tile([0.3, -0.2, 1], (7, 1)))
    np.testing.assert_allclose(np.linalg.det(matrices[:, :2, :2]), 1)
    angle = np.arctan2(matrices[:, 1, 0], matrices[:, 0, 0])
    expected = 0.4 + 0.5 * np.sin(2 * np.pi * (gait + 0.1)) + 2 * np.pi * gait
    np.testing.assert_allclose(np.exp(1j * angle), np.exp(1j * expected))


def test_joints_hang_on_each_other():
    knee, hip = Joint((1.0, 0.0), rest=np.pi / 2), Joint((0.0, 0.0), rest=np.pi / 2)
    mask = outlines.fill([outlines.ellipse(0.5, 0.5)], 64, 1.0)
    part = Part(sprite(mask, ramp(64), 1.0), (hip, knee))
    (affine,) = part.affines(np.zeros(1))
    # the shin from (1, 0) to (2, 0) is turned up at the knee, then with the thigh at the hip
    np.testing.assert_allclose(affine @ (1, 0, 1), (0, 1), atol=1e-12)
    np.testing.assert_allclose(affine @ (2, 0, 1), (-1, 1), atol=1e-12)


@pytest.mark.parametrize('radius', [0.3, 0.8])
def test_the_distance_of_a_disc(radius):
    part = sprite(outlines.fill([outlines.ellipse(radius, radius)], 128, 1.0), ramp(128), 1.0)
    rows, columns = np.indices(part.geometry.shape[:2])
    x = part.corner[0] + (columns + 0.5) / part.scale
    y = part.corner[1] + (rows + 0.5) / part.scale
    expected = np.hypot(x, y) - radius
    near = abs(expected) < 0.1
    # OpenCV also fills the pixels that an outline runs through
    assert abs(part.geometry[..., DISTANCE] - expected)[near].max() < 1.8 / part.scale
    assert part.area == pytest.approx(np.pi * (radius + 0.5 / part.scale) ** 2, rel=0.03)
    points = part.sample(np.random.default_rng(0), 500)
    assert np.hypot(*points.T).max() < radius
    assert abs(points.mean(0)).max() < 0.1 * radius


@pytest.mark.parametrize('bent', [False, True])
def test_points_keep_the_colour_they_lie_on(bent):
    mask = outlines.fill([outlines.ellipse(0.9, 0.7)], 192, 1.4)
    part = Part(sprite(mask, ramp(192), 1.4, bulge=0.0))
    bend = waves(np.random.default_rng(3), 1.0) if bent else None
    video = world(Cutout('disc', (part,), bend), moving())
    (_, places, _), _ = video._points
    index = (places[:, :2] + 1.4) * 192 / 2.8 - 0.5
    expected = 20 + 210 * index / 191
    for frame in video:
        points = frame.points
        chosen = points.visible & (points.ids == 1)
        assert chosen.sum() > 150
        x, y = np.rint(points.positions[chosen]).astype(int).T
        found = frame.image[y, x, :2].astype(float)
        # half a pixel off, and colours change by about 3 a pixel; away from the rim
        error = abs(found - expected[chosen[: len(expected)].nonzero()[0]])
        assert np.quantile(error, 0.9) < 4


@pytest.mark.parametrize('make', sorted(set(CREATURES), key=lambda make: make.__name__))
def test_points_of_creatures_keep_the_colour_they_lie_on(make):
    cutout = make(np.random.default_rng(5), ramp(192))
    video = world(cutout, moving(), size=0.45)
    (_, places, parts), _ = video._points
    for frame in video:
        chosen = np.flatnonzero(frame.points.visible[: len(places)])
        assert len(chosen) > 60
        errors = []
        for i in chosen:
            own = cutout.parts[parts[i]].sprite
            u, v = np.rint((places[i, :2] - own.corner) * own.scale - 0.5).astype(int)
            x, y = np.rint(frame.points.positions[i]).astype(int)
            errors.append(abs(own.colours[v, u].astype(int) - frame.image[y, x]).max())
        assert np.median(errors) < 8


def test_outlines_keep_within_the_raster():
    for seed in range(60):
        rng = np.random.default_rng(seed)
        make = outlines.letters if seed % 6 == 0 else outlines.shape
        mask = make(rng, 64, 1.4)
        assert mask.any() and set(np.unique(mask)) <= {0, 255}
        edges = (mask[:2], mask[-2:], mask[:, :2], mask[:, -2:])
        assert not any(edge.any() for edge in edges), seed


@pytest.mark.parametrize('make', sorted(set(CREATURES), key=lambda make: make.__name__))
def test_creatures_fit_their_texture_and_stand_on_their_feet(make):
    for seed in range(8):
        cutout = make(np.random.default_rng(seed), ramp(96))
        corners = np.concatenate([part.sprite.bounds for part in cutout.parts])
        assert abs(corners).max() <= REACH + 0.05
        if cutout.upright:
            assert cutout.foot == pytest.approx(corners[:, 1].max(), abs=0.12)


def test_the_form_does_not_depend_on_the_resolution():
    for word in range(12):
        seed = SEED.child(word)
        small, large = (random_cutout(seed, bank('val'), side, None, PLAIN) for side in (64, 160))
        assert small.name == large.name and len(small.parts) == len(large.parts)
        np.testing.assert_allclose(small.areas, large.areas, rtol=0.35, atol=0.02)
