"""The rendered truth against closed forms."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drift_ros import synthetic
from drift_ros.errors import SettingsError
from drift_ros.synthetic import Camera, Scene, SceneSettings
from drift_ros.synthetic.body import Background, Body
from drift_ros.synthetic.motion import Pose, still, through
from drift_ros.synthetic.shapes import Ball, Box

CAMERA = Camera(width=80, height=60, focal=70.0)
SMALL = SceneSettings(width=80, height=60, frames=1, noise=0)
WALL = Background(np.full((100, 120, 3), 40, np.float32), depth=5.0)
WHITE = np.full((8, 8, 3), 255, np.float32)


def scene(*bodies: Body, frames: int = 1, eye=None) -> Scene:
    return Scene('test', SMALL.model_copy(update={'frames': frames}), CAMERA, WALL, bodies, eye)


def pixels() -> tuple[np.ndarray, np.ndarray]:
    y, x = np.mgrid[0:60, 0:80].astype(float)
    return x, y


@given(st.floats(-0.6, 0.6), st.floats(-0.5, 0.5), st.floats(1.0, 3.0), st.floats(0.05, 0.4))
@settings(max_examples=40, deadline=None)
def test_labels_of_a_ball_are_the_pixels_inside_its_circle(x, y, z, radius):
    frame = scene(Body(7, 'ball', Ball(), radius, WHITE, still((x, y, z)))).render(0)
    cx, cy = CAMERA.project(np.array([x, y, z]))
    px, py = pixels()
    scaled = np.hypot(px - cx, py - cy) / (CAMERA.focal * radius / z)
    sure = np.abs(scaled - 1) > 1e-4  # float32 decides on the very edge
    np.testing.assert_array_equal((frame.labels == 7)[sure], (scaled < 1)[sure])


def test_labels_of_a_turned_box_are_the_pixels_inside_it():
    angle = 0.5
    pose = Pose(np.array([0.1, -0.05, 2.0]), angle=angle)
    frame = scene(Body(1, 'box', Box(aspect=0.5), 0.4, WHITE, lambda _: pose)).render(0)
    cx, cy = CAMERA.project(pose.position)
    px, py = pixels()
    u = np.cos(angle) * (px - cx) + np.sin(angle) * (py - cy)
    v = np.cos(angle) * (py - cy) - np.sin(angle) * (px - cx)
    inside = (np.abs(u) <= 14) & (np.abs(v) <= 7)
    np.testing.assert_array_equal(frame.labels == 1, inside)
    assert frame.objects[0].area == inside.sum() == frame.objects[0].full_area


@pytest.mark.parametrize('shape', [Ball(), Box(0.6), Box(1.0, 0.3), Box(0.5, 0.5)])
def test_extent_holds_the_whole_shape(shape):
    v, u = np.mgrid[-2:2:201j, -2:2:201j].astype(np.float32)
    inside = shape.distance(u, v) <= 0
    assert inside.any()
    assert np.hypot(u, v)[inside].max() <= shape.extent + 1e-5
    assert (shape.height(u, v)[~inside] == 0).all()


def test_the_nearer_body_hides_the_other_whatever_the_order():
    near = Body(2, 'near', Box(), 0.2, WHITE, still((0.05, 0, 1.0)))
    far = Body(1, 'far', Box(), 0.5, WHITE, still((0, 0, 2.0)))
    for bodies in ((near, far), (far, near)):
        frame = scene(*bodies).render(0)
        alone = scene(near).render(0)
        np.testing.assert_array_equal(frame.labels == 2, alone.labels == 2)
        depth = {0: 5.0, 1: 2.0, 2: 1.0}
        for id_, metres in depth.items():
            assert (frame.depth[frame.labels == id_] == np.float32(metres)).all()
        first, second = frame.objects
        assert (first.id, second.id) == (1, 2)
        assert first.full_area == scene(far).render(0).objects[0].area > first.area
        assert first.visibility == first.area / first.full_area
        assert second.visibility == 1


def test_a_hidden_body_keeps_its_centre_and_has_no_position():
    near = Body(1, 'near', Box(), 0.3, WHITE, still((0, 0, 1.0)))
    far = Body(2, 'far', Box(), 0.1, WHITE, still((0, 0, 2.0)))
    hidden = scene(near, far).render(0).objects[1]
    assert hidden.area == 0 and hidden.full_area > 0 and hidden.visibility == 0
    assert np.isnan(hidden.position).all() and np.isnan(hidden.centroid).all()
    np.testing.assert_array_equal(hidden.centre, (0, 0, 2))


@given(st.floats(-0.2, 0.2), st.floats(-0.2, 0.2), st.floats(1.0, 4.0))
@settings(max_examples=40, deadline=None)
def test_depth_deprojects_to_the_true_position(x, y, z):
    frame = scene(Body(1, 'plate', Box(1.0, 1.0), 0.2, WHITE, still((x, y, z)))).render(0)
    truth = frame.objects[0]
    rows, columns = np.nonzero(frame.labels == 1)
    points = CAMERA.deproject(columns, rows, frame.depth[rows, columns])
    # a flat disc: the mean of its pixels is its centre, to a fraction of a pixel
    np.testing.assert_allclose(points.mean(0), truth.centre, atol=0.5 * z / CAMERA.focal)
    np.testing.assert_allclose(truth.position, truth.centre, atol=1.0 * z / CAMERA.focal)
    np.testing.assert_allclose(truth.centroid, (columns.mean(), rows.mean()))
    assert CAMERA.project(truth.centre) == pytest.approx(
        (CAMERA.k @ truth.centre)[:2] / truth.centre[2]
    )


def test_the_surface_of_a_ball_is_a_sphere():
    radius, centre = 0.3, np.array([0.0, 0.0, 2.0])
    frame = scene(Body(1, 'ball', Ball(), radius, WHITE, still(centre))).render(0)
    px, py = pixels()
    mask = frame.labels == 1
    x = (px - CAMERA.centre[0]) * centre[2] / CAMERA.focal
    y = (py - CAMERA.centre[1]) * centre[2] / CAMERA.focal
    reach = np.hypot(np.hypot(x, y), frame.depth - centre[2])[mask]
    np.testing.assert_allclose(reach, radius, atol=1e-3)
    assert frame.depth[mask].min() == pytest.approx(centre[2] - radius, abs=2e-3)


def test_the_roi_is_tight():
    frame = scene(Body(1, 'box', Box(), 0.3, WHITE, still((0.2, 0, 2.0)))).render(0)
    roi = frame.objects[0].roi
    assert (frame.labels[roi.slices] == 1).sum() == frame.objects[0].area
    rows, columns = np.nonzero(frame.labels)
    assert (roi.x, roi.y) == (columns.min(), rows.min())
    assert (roi.width, roi.height) == (np.ptp(columns) + 1, np.ptp(rows) + 1)


def test_bodies_outside_or_behind_the_camera_are_not_seen():
    outside = Body(1, 'outside', Ball(), 0.1, WHITE, still((5, 0, 2.0)))
    behind = Body(2, 'behind', Ball(), 0.1, WHITE, still((0, 0, -2.0)))
    frame = scene(outside, behind).render(0)
    assert not frame.labels.any()
    assert [truth.full_area for truth in frame.objects] == [0, 0]


def test_the_camera_moves_everything_else_the_other_way():
    body = Body(1, 'box', Box(), 0.3, WHITE, still((0, 0, 2.0)))
    frames = list(scene(body, frames=3, eye=through([(0, 0, 0), (0.2, 0, 0)])))
    xs = [frame.objects[0].centroid[0] for frame in frames]
    np.testing.assert_allclose(np.diff(xs), -0.1 * CAMERA.focal / 2, atol=0.51)
    np.testing.assert_allclose(frames[-1].objects[0].centre, (-0.2, 0, 2))


def test_the_background_shifts_by_its_own_depth():
    texture = np.zeros((100, 120, 3), np.float32)
    texture[:, 60:] = 200
    wall = Background(texture, depth=4.0)
    still_edge = np.argmax(wall.paint(CAMERA, np.zeros(3)).image[30, :, 0] > 100)
    moved_edge = np.argmax(wall.paint(CAMERA, np.array([0.4, 0, 0])).image[30, :, 0] > 100)
    assert still_edge - moved_edge == 0.4 * CAMERA.focal / 4


def test_a_path_goes_through_its_points():
    points = [(0, 0, 1), (1, 0, 1), (1, 1, 2), (0, 1, 2)]
    path = through(points, turns=0.5)
    for i, point in enumerate(points):
        np.testing.assert_allclose(path(i / 3).position, point, atol=1e-12)
    assert path(1).turn == pytest.approx(np.pi)
    np.testing.assert_allclose(path(-1).position, points[0])
    np.testing.assert_allclose(path(2).position, points[-1])


def test_frames_are_the_same_every_time_and_in_any_order():
    small = SceneSettings(width=96, height=72, frames=5, seed=3)
    ordered = list(synthetic.create('crossing', small))
    again = synthetic.create('crossing', small)
    for index in (4, 0, 2):
        frame = again.render(index)
        np.testing.assert_array_equal(frame.image, ordered[index].image)
        np.testing.assert_array_equal(frame.labels, ordered[index].labels)
        np.testing.assert_array_equal(frame.depth, ordered[index].depth)
    other = synthetic.create('crossing', small.model_copy(update={'seed': 4})).render(0)
    assert (other.image != ordered[0].image).mean() > 0.5


def test_noise_has_the_deviation_asked_for():
    common = {'width': 96, 'height': 72, 'frames': 1}
    clean = synthetic.create('crossing', SceneSettings(**common, noise=0)).render(0)
    noisy = synthetic.create('crossing', SceneSettings(**common, noise=5)).render(0)
    difference = noisy.image.astype(float) - clean.image
    assert difference.std() == pytest.approx(5, rel=0.05)
    np.testing.assert_array_equal(clean.labels, noisy.labels)


def test_crossing_crosses():
    frames = list(synthetic.create('crossing', SceneSettings(width=160, height=120)))
    near, far = zip(*(frame.objects for frame in frames), strict=True)
    assert len(frames) == 96
    assert all(truth.visibility == 1 for truth in near)
    assert far[0].visibility == far[-1].visibility == 1
    assert min(truth.visibility for truth in far) < 0.1
    assert near[0].centroid[0] < far[0].centroid[0]
    assert near[-1].centroid[0] > far[-1].centroid[0]
    assert near[0].area == pytest.approx(far[0].area, rel=0.03)  # they look alike
    steps = np.diff([frame.stamp for frame in frames])
    assert abs(steps - 1e9 / 24).max() <= 1


def test_names_and_ids_are_checked():
    assert 'crossing' in synthetic.names()
    with pytest.raises(SettingsError, match='crossing'):
        synthetic.create('crosing')
    body = Body(1, '', Ball(), 1.0, WHITE, still())
    with pytest.raises(ValueError, match='distinct ids'):
        scene(body, body)
    with pytest.raises(IndexError, match='0 to 0'):
        scene().render(1)


def test_the_passing_ball_hides_the_far_one_in_part():
    small = synthetic.defaults('passing').model_copy(update={'width': 160, 'height': 120})
    seen = [frame.objects[1].visibility for frame in synthetic.create('passing', small)]
    assert 0.3 < min(seen) < 0.6
    assert seen[0] == seen[-1] == 1
