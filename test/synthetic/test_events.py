"""What happens in random videos: long occlusions, absences, hands, crowds, approaches."""

from __future__ import annotations

import numpy as np
import pytest

from drift_ros import synthetic
from drift_ros.synthetic import RandomSettings
from drift_ros.synthetic.render.world import World

PLAIN = dict.fromkeys(
    ('slow_crossings', 'returns', 'hands', 'crowds', 'approaches', 'shake', 'pans', 'layers'), 0.0
)
SEEDS = range(8)


def scene(seed: int, **wanted: float) -> World:
    """A small video in which nothing happens but what is wanted."""
    size = {'width': 64, 'height': 64, 'frames': 24, 'points': 60, 'clutter': 0, 'occluders': 0.0}
    calm = {'camera': 0.0, 'motion_blur': 0.0, 'defocus': 0.0, 'fewest': 2, 'most': 2}
    return synthetic.random_scene(seed, RandomSettings(**{**size, **calm, **PLAIN, **wanted}))


@pytest.mark.parametrize('balls', [0.0, 1.0])
def test_slow_crossings_hide_an_identical_object_for_long(balls):
    hidden = []
    for seed in SEEDS:
        clip = scene(seed, slow_crossings=1.0, balls=balls, thin=0.0).clip()
        least = clip.visibility.min(1)
        hidden.append((least < 0.5).mean())
    assert np.median(hidden) > 0.3


def test_objects_leave_and_come_back():
    comebacks = 0
    for seed in SEEDS:
        clip = scene(seed, returns=1.0, balls=0.3).clip()
        gone = clip.visibility < 0.05
        for column in gone.T:
            first, last = column.argmax(), len(column) - 1 - column[::-1].argmax()
            comebacks += bool(column.any() and not column[: first + 1].all() and last < 22)
            assert not column.all()
    assert comebacks >= len(SEEDS)


def test_a_hand_is_one_more_object_and_holds_another():
    hidden = []
    for seed in SEEDS:
        world = scene(seed, hands=1.0, balls=0.0, thin=0.0, fewest=1, most=1)
        assert [actor.id for actor in world.actors] == [1, 2]
        assert world.actors[1].name in ('hand', 'gripper')
        held, hand = (np.stack([a.centre(i) for i in range(24)]) for a in world.actors)
        gaps = np.linalg.norm(held - hand, axis=-1)
        assert gaps.min() < 0.3 * gaps.max()
        hidden.append(world.clip().visibility[:, 0].min())
    assert min(hidden) < 0.7


def test_a_crowd_is_many():
    counts = [len(scene(seed, crowds=1.0, balls=0.5).clip().ids) for seed in SEEDS[:6]]
    assert max(counts) > 8


def test_approaches_change_sizes_by_two_to_four_times():
    factors = []
    for seed in SEEDS:
        world = scene(seed, approaches=1.0, balls=0.0)
        z = np.stack([world.actors[0].centre(i)[2] for i in range(24)])
        factors.append(z.max() / z.min())
    assert 1.9 < np.median(factors) < 4.5


def test_a_camera_shakes_and_pans():
    shaken = scene(1, shake=1.0, camera=1.0)
    steady = scene(1, camera=1.0)
    difference = np.diff(shaken.eye - steady.eye, 2, axis=0)
    assert np.abs(difference[:, 3:]).max() > 1e-3
    panned = scene(1, pans=1.0, camera=1.0)
    assert np.abs(np.diff(panned.eye - steady.eye, axis=0)[:, 3]).max() > 0.01


@pytest.mark.parametrize('event', ['slow_crossings', 'returns', 'hands', 'crowds'])
def test_points_stay_on_their_objects(event):
    for seed in SEEDS[:4]:
        world = scene(seed, **{event: 1.0}, layers=1.0, thin=0.4, figures=0.4)
        for frame in world:
            points = frame.points
            x, y = np.rint(points.positions[points.visible]).astype(int).T
            assert (frame.labels[y, x] == points.ids[points.visible]).all()
