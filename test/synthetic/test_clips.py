"""Random clips: the same number always gives the same clip, other numbers other ones."""

from __future__ import annotations

import hashlib
import os
import pickle
import subprocess
import sys
from itertools import islice

import numpy as np
import pytest
from pydantic import ValidationError

from drift_ros import synthetic
from drift_ros.synthetic import Clip, Clips, RandomSettings
from drift_ros.synthetic.render.balls import BallActor
from drift_ros.synthetic.scenes.events import CROWD

SMALL = RandomSettings(width=56, height=48, frames=4, points=40)
# Nothing but roaming and crossing objects.
QUIET = SMALL.model_copy(
    update={'slow_crossings': 0.0, 'returns': 0.0, 'hands': 0.0, 'crowds': 0.0, 'layers': 0.0}
)


def parts(clip: Clip) -> dict[str, np.ndarray]:
    points = clip.points
    named = {name: getattr(clip, name) for name in ('images', 'labels', 'depth', 'ids')}
    named |= {'visibility': clip.visibility, 'centres': clip.centres}
    return named | {'places': points.positions, 'visible': points.visible, 'owners': points.ids}


def assert_equal(a: Clip, b: Clip) -> None:
    assert a.name == b.name
    for name, value in parts(a).items():
        np.testing.assert_array_equal(value, parts(b)[name], err_msg=name)


def test_shapes_and_types():
    clip = Clips(SMALL)[3]
    count, points = len(clip.ids), 40
    expected = {
        'images': ((4, 48, 56, 3), np.uint8),
        'labels': ((4, 48, 56), np.uint8),
        'depth': ((4, 48, 56), np.float32),
        'ids': ((count,), np.uint8),
        'visibility': ((4, count), np.float32),
        'centres': ((4, count, 3), np.float32),
        'places': ((4, points, 2), np.float32),
        'visible': ((4, points), np.bool_),
        'owners': ((points,), np.uint8),
    }
    found = {name: (value.shape, value.dtype) for name, value in parts(clip).items()}
    assert found == expected


@pytest.mark.parametrize('index', range(6))
def test_a_number_gives_the_same_clip_again_and_bit_for_bit(index):
    source = Clips(SMALL)
    first = source[index]
    assert_equal(first, source[index])
    assert_equal(first, pickle.loads(pickle.dumps(source))[index])
    assert_equal(first, next(synthetic.clips(SMALL, start=index)))


def test_another_process_gives_the_same_clip():
    script = (
        'import sys, pickle, hashlib; source = pickle.loads(sys.stdin.buffer.read()); '
        'print(hashlib.sha256(source[2].images.tobytes()).hexdigest())'
    )
    done = subprocess.run(
        [sys.executable, '-c', script],
        input=pickle.dumps(Clips(SMALL)),
        capture_output=True,
        timeout=120,
        check=True,
        env=os.environ | {'PYTHONPATH': os.pathsep.join(sys.path)},
    )
    expected = hashlib.sha256(Clips(SMALL)[2].images.tobytes()).hexdigest()
    assert done.stdout.decode().strip() == expected


def test_a_step_shares_the_clips_out():
    shares = [list(islice(synthetic.clips(SMALL, start=i, step=2), 2)) for i in (0, 1)]
    names = [clip.name for pair in zip(*shares, strict=True) for clip in pair]
    assert names == [f'random-train-{i:06d}' for i in range(4)]


def test_a_seed_changes_everything():
    clips = [Clips(SMALL)[i] for i in range(8)]
    for i, a in enumerate(clips):
        for b in clips[:i]:
            assert (a.images != b.images).mean() > 0.5
            assert not np.array_equal(a.labels, b.labels)
            assert not np.array_equal(a.points.positions, b.points.positions)


@pytest.mark.parametrize('index', [0, 2, 5, 7])
def test_frames_alone_and_in_any_order_equal_the_clip(index):
    clip, scene = Clips(SMALL)[index], synthetic.random_scene(index, SMALL)
    for i in (3, 0, 2):
        frame = scene.render(i)
        np.testing.assert_array_equal(frame.image, clip.images[i])
        np.testing.assert_array_equal(frame.labels, clip.labels[i])
        np.testing.assert_array_equal(frame.depth, clip.depth[i])
        np.testing.assert_array_equal(frame.points.positions, clip.points.positions[i])
        assert [obj.id for obj in frame.objects] == clip.ids.tolist()
        found = [obj.visibility for obj in frame.objects]
        np.testing.assert_allclose(found, clip.visibility[i], rtol=1e-6)
    with pytest.raises(IndexError, match='0 to 3'):
        scene.render(4)


def test_settings_choose_what_is_shown():
    balls = QUIET.model_copy(update={'balls': 1.0, 'fewest': 3, 'most': 3, 'identical': 1.0})
    scene = synthetic.random_scene(0, balls)
    assert len(scene.actors) == 3 and all(isinstance(a, BallActor) for a in scene.actors)
    assert len({id(actor.texture) for actor in scene.actors}) == 1
    still = QUIET.model_copy(update={'balls': 0.0, 'camera': 0.0})
    for seed in range(4):
        assert not synthetic.random_scene(seed, still).eye.any()
    calm = still.model_copy(update={'noise': 0.0, 'compression': 0.0, 'clutter': 0, 'occluders': 0})
    for seed in range(4):
        scene = synthetic.random_scene(seed, calm)
        assert scene.sensor.noise == 0 and scene.sensor.quality == 0
        assert all(actor.id for actor in scene.actors)


def test_identical_objects_share_one_look():
    identical = QUIET.model_copy(update={'balls': 0.0, 'identical': 1.0, 'fewest': 3, 'most': 6})
    for seed in range(6):
        actors = [actor for actor in synthetic.random_scene(seed, identical).actors if actor.id]
        appearances = [id(actor.cutout) for actor in actors]
        most = max(appearances, key=appearances.count)
        twins = [actor for actor in actors if id(actor.cutout) == most]
        assert len(twins) >= 2
        assert len({actor.size for actor in twins}) == 1
        ways = [actor.track.positions for actor in twins]
        assert not np.allclose(ways[0], ways[1])


def test_no_points_are_followed_where_none_are_wanted():
    clip = Clips(SMALL.model_copy(update={'points': 0}))[0]
    assert clip.points.positions.shape == (4, 0, 2)


def test_settings_are_checked():
    with pytest.raises(ValidationError, match='fewest'):
        RandomSettings(fewest=4, most=2)
    with pytest.raises(ValidationError, match='smallest'):
        RandomSettings(smallest=0.5, largest=0.2)
    with pytest.raises(IndexError, match='-1'):
        Clips(SMALL)[-1]


@pytest.mark.parametrize(
    'odd',
    [
        {'width': 33, 'height': 17, 'frames': 1},
        {'width': 40, 'height': 160, 'most': 12},
        {'width': 160, 'height': 32, 'fewest': 8, 'most': 12},
        {'smallest': 0.6, 'largest': 1.0},
        {'smallest': 0.01, 'largest': 0.02, 'balls': 1.0, 'fewest': 12, 'most': 12},
        {'camera': 4.0, 'motion': 4.0},
        {'camera': 0.0, 'motion': 0.0, 'deformation': 0.0, 'points': 1},
    ],
)
@pytest.mark.filterwarnings('error')
def test_odd_settings_give_sound_clips(odd):
    settings = RandomSettings(**{'width': 48, 'height': 40, 'frames': 2, **odd})
    for index in range(6):
        clip = Clips(settings, 'val')[index]
        assert np.isfinite(clip.depth).all() and (clip.depth > 0).all()
        assert set(np.unique(clip.labels)) <= {0, *clip.ids.tolist()}
        assert ((clip.visibility >= 0) & (clip.visibility <= 1)).all()
        assert settings.fewest <= len(clip.ids) <= max(settings.most + 1, CROWD[1])
