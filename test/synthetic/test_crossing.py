"""The two scenes of identical balls that cross."""

from __future__ import annotations

import numpy as np
import pytest

from drift_ros import synthetic
from drift_ros.errors import SettingsError
from drift_ros.synthetic import SceneSettings

SMALL = SceneSettings(width=96, height=72, frames=5, seed=3)


def test_frames_are_the_same_every_time_and_in_any_order():
    ordered = list(synthetic.create('crossing', SMALL))
    again = synthetic.create('crossing', SMALL)
    for index in (4, 0, 2):
        frame = again.render(index)
        np.testing.assert_array_equal(frame.image, ordered[index].image)
        np.testing.assert_array_equal(frame.labels, ordered[index].labels)
        np.testing.assert_array_equal(frame.depth, ordered[index].depth)
    other = synthetic.create('crossing', SMALL.model_copy(update={'seed': 4})).render(0)
    assert (other.image != ordered[0].image).mean() > 0.5


def test_noise_has_the_deviation_asked_for():
    common = {'width': 96, 'height': 72, 'frames': 1}
    clean = synthetic.create('crossing', SceneSettings(**common, noise=0)).render(0)
    noisy = synthetic.create('crossing', SceneSettings(**common, noise=5)).render(0)
    middle = abs(clean.image.astype(float) - 128) < 40
    difference = noisy.image.astype(float) - clean.image
    assert difference[middle].std() == pytest.approx(5, rel=0.1)
    np.testing.assert_array_equal(clean.labels, noisy.labels)


def test_depth_deprojects_onto_the_balls():
    frame = synthetic.create('crossing', SMALL).render(1)
    for truth in frame.objects:
        radius = 0.16 * truth.centre[2] / 1.6
        rows, columns = np.nonzero(frame.labels == truth.id)
        camera = synthetic.create('crossing', SMALL).camera
        points = camera.deproject(columns, rows, frame.depth[rows, columns])
        reach = np.linalg.norm(points - truth.centre, axis=1)
        np.testing.assert_allclose(reach, radius, rtol=1e-3)
        np.testing.assert_allclose(truth.centroid, (columns.mean(), rows.mean()))
        roi = truth.roi
        assert (frame.labels[roi.slices] == truth.id).sum() == truth.area == len(rows)
        assert (roi.width, roi.height) == (np.ptp(columns) + 1, np.ptp(rows) + 1)


def test_the_near_ball_hides_the_far_one_all_but_wholly():
    frames = list(synthetic.create('crossing', SceneSettings(width=160, height=120)))
    near, far = zip(*(frame.objects for frame in frames), strict=True)
    assert len(frames) == 96
    assert all(truth.visibility == 1 for truth in near)
    assert far[0].visibility == far[-1].visibility == 1
    hidden = min(far, key=lambda truth: truth.visibility)
    assert 0 < hidden.visibility < 0.1
    assert near[0].centroid[0] < far[0].centroid[0]
    assert near[-1].centroid[0] > far[-1].centroid[0]
    assert near[0].area == pytest.approx(far[0].area, rel=0.04)  # they look equally large
    steps = np.diff([frame.stamp for frame in frames])
    assert abs(steps - 1e9 / 24).max() <= 1


def test_the_passing_ball_hides_the_far_one_in_part():
    small = synthetic.defaults('passing').model_copy(update={'width': 160, 'height': 120})
    seen = [frame.objects[1].visibility for frame in synthetic.create('passing', small)]
    assert min(seen) == pytest.approx(0.4, abs=0.05)
    assert seen[0] == seen[-1] == 1


def test_names_and_frame_numbers_are_checked():
    assert 'crossing' in synthetic.names()
    with pytest.raises(SettingsError, match='crossing'):
        synthetic.create('crosing')
    with pytest.raises(IndexError, match='0 to 4'):
        synthetic.create('crossing', SMALL).render(5)
