"""Balls against brute-force ray casting and the laws of motion."""

from __future__ import annotations

import numpy as np
import pytest

from drift_ros.synthetic import Camera, VideoSettings
from drift_ros.synthetic.render.balls import BallActor, rolling
from drift_ros.synthetic.render.light import Light
from drift_ros.synthetic.render.planes import floor, wall
from drift_ros.synthetic.render.sensor import Sensor
from drift_ros.synthetic.render.tracks import moments, spline, wander
from drift_ros.synthetic.render.view import View
from drift_ros.synthetic.render.world import Lens, World
from drift_ros.synthetic.scenes import physics
from drift_ros.synthetic.seeds import Seed

SEED = Seed('val', (9,))
CAMERA = Camera(72, 60, 60.0)
TURNS = np.tile(np.eye(3), (3, 1, 1))


def world(balls, eye=None, frames=3, shadow=0.0, gloss=0.0) -> World:
    towards = np.tile([0.0, -0.8, -0.6], (frames, 1))
    size = 64
    pattern = np.indices((size, size)).sum(0) % 2 * np.uint8(200)
    ground = np.repeat(pattern[..., None], 3, -1).astype(np.uint8)
    return World(
        'test',
        VideoSettings(width=72, height=60, frames=frames, points=300),
        CAMERA,
        np.zeros((frames, 6)) if eye is None else eye,
        [
            wall(np.full((8, 8, 3), 120, np.uint8), 9.0, 40.0, tilt=0.2),
            floor(ground, 0.8, 8.0, 4.0),
        ],
        balls,
        Light(towards, ambient=0.6, diffuse=0.4, shadow=shadow, gloss=gloss),
        Lens(),
        Sensor(SEED),
        SEED,
    )


def ball(id_: int, radius: float, path, turns=TURNS, texture=None) -> BallActor:
    plain = np.full((32, 32, 3), 160, np.uint8) if texture is None else texture
    return BallActor(id_, f'ball {id_}', radius, plain, np.array(path, float), turns)


def rays(view: View) -> np.ndarray:
    x, y = view.rays(0, 0, 72, 60)
    return np.stack(np.broadcast_arrays(x, y, np.float64(1)), -1)


def test_balls_floor_and_wall_are_what_rays_hit_first():
    eye = np.array([[0, 0, 0, 0, -0.2, 0], [0.1, -0.1, 0.2, 0.1, -0.3, 0.1], [0] * 6], float)
    one = ball(1, 0.4, [(0.2, 0.2, 3), (0.2, 0.2, 2.5), (0, 0, 2)])
    two = ball(2, 0.5, [(-0.3, 0.3, 3.4), (0.1, 0.3, 3.4), (0.2, 0.1, 4)])
    video = world([one, two], eye)
    for index, frame in enumerate(video):
        view = video.view(index)
        directions = rays(view) @ view.rotation
        # wall: n . (c + s d - o) = 0; the floor: y = 0.8
        n, o = video.backdrop[0].normal, video.backdrop[0].origin
        candidates = [n @ (o - view.position) / (directions @ n)]
        with np.errstate(divide='ignore'):
            candidates.append((0.8 - view.position[1]) / directions[..., 1])
        for actor in (one, two):
            gap = view.position - actor.positions[index]
            a = (directions**2).sum(-1)
            b, c = directions @ gap, gap @ gap - actor.radius**2
            root = np.sqrt(np.where(b * b > a * c, b * b - a * c, np.nan))
            candidates.append((-b - root) / a)
        depth = np.stack(candidates)
        depth[~(depth > 0)] = np.inf
        expected = np.array([0, 0, 1, 2])[depth.argmin(0)]
        assert (frame.labels == expected).all()
        np.testing.assert_allclose(frame.depth, depth.min(0), rtol=2e-4)


def test_an_unhidden_ball_is_wholly_visible_and_its_centre_known():
    frame = world([ball(1, 0.4, [(0.2, 0.1, 3)] * 3)]).render(0)
    (truth,) = frame.objects
    assert truth.visibility == 1
    np.testing.assert_allclose(truth.centre, (0.2, 0.1, 3))
    # the outline of a ball is a little larger than the disc through its centre
    assert truth.area == pytest.approx(np.pi * (60 * 0.4 / 3) ** 2, rel=0.06)


def test_what_is_hidden_or_out_of_sight_keeps_its_centre_and_has_no_position():
    still = np.ones((3, 1))
    near = ball(1, 0.4, still * (0, 0, 2))
    hidden = ball(2, 0.2, still * (0, 0, 4))
    outside, behind = ball(3, 0.1, still * (9, 0, 2)), ball(4, 0.1, still * (0, 0, -2))
    _, *unseen = world([near, hidden, outside, behind]).render(0).objects
    assert [truth.area for truth in unseen] == [0, 0, 0]
    assert [truth.full_area > 0 for truth in unseen] == [True, False, False]
    for truth in unseen:
        assert truth.visibility == 0
        assert np.isnan(truth.position).all() and np.isnan(truth.centroid).all()
    np.testing.assert_array_equal([t.centre for t in unseen], [(0, 0, 4), (9, 0, 2), (0, 0, -2)])


def test_a_point_rolls_with_the_paint():
    size = 128
    x, y = np.meshgrid(np.linspace(20, 230, size), np.linspace(20, 230, size))
    texture = np.stack([x, y, 0 * x], -1).astype(np.uint8)
    path = np.stack([np.linspace(-0.3, 0.3, 3), [0.4] * 3, [2.4, 2.2, 2.3]], -1)
    turns = rolling(path, 0.4, np.eye(3))
    video = world([ball(1, 0.4, path, turns, texture)])
    object.__setattr__(video.light, 'ambient', 0.0)
    object.__setattr__(video.light, 'diffuse', 0.0)
    (_, places, _), _ = video._points
    scale = 1 / np.sqrt(1 + abs(places[:, 2:]))
    own = 20 + 210 * (places[:, :2] * scale + 1) / 2
    # lit by nothing it is black; measure on the unlit colours
    actor = video.actors[0]
    for index in range(3):
        view = video.view(index)
        pixels, facing = actor.locate(places, np.zeros(len(places), int), view, index)
        points = actor.positions[index] + 0.4 * places @ turns[index].T
        normals = [
            n.astype(np.float32)[None] for n in (view.rotation @ (places @ turns[index].T).T)
        ]
        colours = actor._colours(normals, view, index, 1e6)[0, :, :2]
        np.testing.assert_allclose(colours, own, atol=1.5)
        np.testing.assert_allclose(view.pixels(view.optical(points)), pixels)
        frame = video.render(index)
        seen = frame.points.visible[: len(places)]
        assert (facing | ~seen).all() and seen.sum() > 30


def test_rolling_does_not_slip():
    path = spline([(0, 0, 3), (0.2, 0, 3.1), (0.5, 0, 2.9)], 400)
    turns = rolling(path, 0.4, np.eye(3))
    np.testing.assert_allclose(
        turns @ turns.transpose(0, 2, 1), np.tile(np.eye(3), (400, 1, 1)), atol=1e-9
    )
    for i in range(0, 399, 50):
        below = turns[i].T @ (0, 0.4, 0)  # what touches the floor, in the ball's own frame
        moved = path[i + 1] + turns[i + 1] @ below - (path[i] + turns[i] @ below)
        assert np.linalg.norm(moved) < 0.02 * np.linalg.norm(path[i + 1] - path[i])


def test_the_shadow_lies_away_from_the_lamp():
    still = [(0, 0.2, 3)] * 3
    lit, dark = (world([ball(1, 0.3, still)], shadow=s).render(0) for s in (0.0, 0.9))
    loss = lit.image[..., 0].astype(int) - dark.image[..., 0]
    loss[dark.labels == 1] = 0
    rows, columns = np.nonzero(loss > 40)
    assert len(rows) > 10
    # the lamp is above and behind the camera: the shadow is on the floor behind the ball
    depth = dark.depth[rows, columns]
    assert depth.mean() > 3
    assert abs(columns.mean() - CAMERA.centre[0]) < 2
    assert not loss[:20].any()


def test_collisions_keep_the_momentum_and_balls_stay_apart_and_above_the_floor():
    rng = np.random.default_rng(0)
    radii = np.tile([0.3, 0.2, 0.4, 0.3], (16, 1))
    throw = physics.draw(rng, radii, np.full(16, 2.0), 1.0)
    free = physics.Throw(
        radii,
        throw.positions * (1, 0, 1) - np.array([0, 1, 0]) * radii[..., None],
        throw.velocities * (3, 0, 3),
        throw.bounce,
        0 * throw.friction,
        throw.gravity,
    )
    ways = physics.simulate(free, 20, 12)
    assert (ways[..., 1] <= -radii[..., None] + 1e-9).all()
    gaps = np.linalg.norm(ways[:, :, None] - ways[:, None], axis=-1)
    touch = radii[:, :, None] + radii[:, None] + 0.0
    later = (gaps / touch[..., None] + 9 * np.eye(4)[..., None])[..., 10:]
    assert np.quantile(later, 0.001) > 0.8
    # The horizontal path of the centre of mass is straight: no force from outside acts on it.
    # (pushing balls apart keeps it too)
    centre = (ways * radii[..., None, None] ** 3).sum(1) / (radii**3).sum(1)[:, None, None]
    flat = centre[..., [0, 2]]
    expected = flat[:, :1] + (flat[:, 1:2] - flat[:, :1]) * np.arange(20)[:, None]
    np.testing.assert_allclose(flat, expected, atol=1e-6)


def test_splines_go_through_their_knots():
    knots = np.random.default_rng(1).standard_normal((4, 2))
    np.testing.assert_allclose(spline(knots, 10)[::3], knots)
    assert moments(1).tolist() == [0]
    assert wander(np.random.default_rng(0), 6, [0.0, 1.0])[:, 0].tolist() == [0] * 6
