"""The truth of random videos against what can be seen of every object alone."""

from __future__ import annotations

import numpy as np
import pytest

from drift_ros import synthetic
from drift_ros.synthetic import RandomSettings
from drift_ros.synthetic.render.world import World

SETTINGS = RandomSettings(width=80, height=64, frames=3, points=120)
CASES = [
    pytest.param(SETTINGS.model_copy(update={'balls': share}), seed, id=f'{kind}-{seed}')
    for kind, share in (('cutouts', 0.0), ('balls', 1.0))
    for seed in range(8)
]


def with_actors(world: World, *actors) -> World:
    return World(
        world.name,
        world.settings,
        world.camera,
        world.eye,
        world.backdrop,
        actors,
        world.light,
        world.lens,
        world.sensor,
        world.seed,
    )


@pytest.mark.parametrize(('settings', 'seed'), CASES)
def test_labels_and_depth_are_those_of_the_nearest_of_all_objects_seen_alone(settings, seed):
    world = synthetic.random_scene(seed, settings)
    for index in (0, 2):
        frame = world.render(index)
        alone = [with_actors(world, actor).render(index) for actor in world.actors]
        empty = with_actors(world).render(index)
        depths = np.stack([empty.depth, *(other.depth for other in alone)])
        np.testing.assert_array_equal(frame.depth, depths.min(0))
        nearest = depths.argmin(0)
        ids = np.array([0, *(actor.id for actor in world.actors)])
        np.testing.assert_array_equal(frame.labels, ids[nearest])
        full = {actor.id: other for actor, other in zip(world.actors, alone, strict=True)}
        for obj in frame.objects:
            (only,) = full[obj.id].objects
            assert obj.full_area == only.full_area >= only.area
            assert obj.area == np.count_nonzero(frame.labels == obj.id)


@pytest.mark.parametrize(('settings', 'seed'), CASES)
def test_visible_points_lie_on_their_object(settings, seed):
    world = synthetic.random_scene(seed, settings)
    seen = 0
    for frame in world:
        points = frame.points
        x, y = np.rint(points.positions[points.visible]).astype(int).T
        np.testing.assert_array_equal(frame.labels[y, x], points.ids[points.visible])
        seen += points.visible.sum()
    assert seen > 0
    assert (points.ids == 0).sum() >= 60
    assert set(points.ids) == {0, *(actor.id for actor in world.actors)}


@pytest.mark.parametrize('seed', range(4))
def test_points_of_the_background_keep_their_place_in_the_world(seed):
    settings = SETTINGS.model_copy(update={'camera': 2.0})
    world = synthetic.random_scene(seed, settings)
    places, depths = [], []
    for frame in world:
        chosen = frame.points.visible & (frame.points.ids == 0)
        x, y = frame.points.positions.astype(float).T
        row, column = np.rint(np.where(chosen, [y, x], 0)).astype(int)
        # depth at the nearest pixel is off by half a pixel's slope
        depth = frame.depth[row, column]
        optical = world.camera.deproject(x, y, depth)
        place = world.view(frame.index).world(optical)
        places.append(np.where(chosen[:, None], place, np.nan))
        depths.append(depth)
    both = np.isfinite(places[0][:, 0]) & np.isfinite(places[2][:, 0])
    assert both.any()
    error = np.linalg.norm(places[0][both] - places[2][both], axis=-1)
    error /= depths[0][both]
    assert np.median(error) < 0.02 and error.max() < 0.1


@pytest.mark.parametrize(('settings', 'seed'), CASES[::4])
def test_the_picture_changes_where_objects_are_and_only_there(settings, seed):
    # twigs of layers may be thinner than a pixel, and then tint it without owning it
    world = synthetic.random_scene(seed, settings.model_copy(update={'layers': 0.0}))
    plain = {'gains': None, 'exposure': None, 'noise': 0.0, 'quality': 0}
    for name, value in plain.items():
        object.__setattr__(world.sensor, name, value)
    object.__setattr__(world.light, 'shadow', 0.0)
    object.__setattr__(world, 'lens', type(world.lens)())
    frame, empty = world.render(1), with_actors(world).render(1)
    # blending leaves all else as it is but for the rounding
    changed = (abs(frame.image.astype(int) - empty.image) > 1).any(-1)
    covered = frame.depth < empty.depth
    near = np.zeros_like(covered)
    for dy in (-1, 0, 1):
        for dx in (-1, 0, 1):
            near |= np.roll(covered, (dy, dx), (0, 1))
    near[:, [0, -1]] = near[[0, -1]] = True
    assert not (changed & ~near).any()
    assert changed[covered].sum() >= 0.9 * covered.sum()


def test_ids_are_checked():
    world = synthetic.random_scene(0, SETTINGS.model_copy(update={'balls': 1.0}))
    with pytest.raises(ValueError):
        with_actors(world, world.actors[0], world.actors[0])
