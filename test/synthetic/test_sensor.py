"""Lens, sensor and camera."""

from __future__ import annotations

import numpy as np
import pytest

from drift_ros.synthetic import Camera
from drift_ros.synthetic.render.planes import wall
from drift_ros.synthetic.render.raster import Blur, Raster, line, put
from drift_ros.synthetic.render.sensor import Sensor
from drift_ros.synthetic.render.view import View
from drift_ros.synthetic.seeds import Seed

SEED = Seed('val', (11,))


def grey(value: float = 128.0) -> np.ndarray:
    return np.full((60, 80, 3), value, np.float32)


def test_without_anything_the_picture_stays():
    image = np.random.default_rng(0).integers(0, 256, (20, 30, 3)).astype(np.float32)
    np.testing.assert_array_equal(Sensor(SEED).apply(image.copy(), 0), image)


@pytest.mark.parametrize('value', [60, 128, 200])
def test_noise_grows_with_the_light(value):
    sensor = Sensor(SEED, noise=5.0)
    noisy = [sensor.apply(grey(value), i).astype(float) for i in (0, 1)]
    expected = 5 * np.sqrt(0.5 + 0.5 * value / 128)
    assert noisy[0].std() == pytest.approx(expected, rel=0.06)
    correlation = np.corrcoef(noisy[0].ravel(), noisy[1].ravel())[0, 1]
    assert abs(correlation) < 0.05
    np.testing.assert_array_equal(noisy[0], Sensor(SEED, noise=5.0).apply(grey(value), 0))


def test_exposure_gains_and_tone_curve():
    exposure = np.array([[1, 1, 1], [0.5, 1, 1.5]], np.float32)
    found = Sensor(SEED, exposure=exposure).apply(grey(), 1)
    assert found[0, 0].tolist() == [64, 128, 192]
    gains = np.ones((2, 3, 3), np.float32)
    gains[1, :, 0] = 0.5
    uneven = Sensor(SEED, gains=gains).apply(grey(), 1)
    assert uneven[30, 2, 0] < 80 < 120 < uneven[30, 70, 0]
    assert Sensor(SEED, gamma=2.0).apply(grey(), 0)[0, 0, 0] == 64
    corners = Sensor(SEED, vignette=0.4).apply(grey(), 0)
    assert corners[0, 0, 0] == round(128 * 0.6) and corners[30, 40, 0] == 128


def test_compression_loses_and_keeps_the_order_of_channels():
    image = np.random.default_rng(0).uniform(0, 255, (64, 64, 3)).astype(np.float32)
    image[..., 0] = 200
    rough, fine = (Sensor(SEED, quality=q).apply(image.copy(), 0) for q in (30, 95))
    errors = [abs(found - image)[..., 1].mean() for found in (rough, fine)]
    assert errors[0] > errors[1] > 0
    flat = Sensor(SEED, quality=90).apply(
        np.float32([[[200, 50, 10]]]).repeat(16, 0).repeat(16, 1), 0
    )
    assert abs(flat[8, 8].astype(int) - (200, 50, 10)).max() < 6


@pytest.mark.parametrize('way', [(5.0, 0.0), (-3.0, 4.0), (1.2, -0.4)])
def test_a_motion_blur_is_a_centred_line_of_that_length(way):
    kernel = line(way)
    middle = (np.array(kernel.shape) - 1) / 2
    y, x = np.indices(kernel.shape) - middle[:, None, None]
    assert kernel.sum() == pytest.approx(1)
    assert abs((kernel * x).sum()) < 1e-6 and abs((kernel * y).sum()) < 1e-6
    spread = (kernel * (x * x + y * y)).sum()
    length = np.hypot(*way)
    assert length**2 / 12 - 0.02 <= spread <= length**2 / 12 + 0.6


def test_blur_leaves_the_truth_sharp():
    shape = (40, 40)
    raster = Raster(
        np.zeros((*shape, 3), np.float32), np.zeros(shape, np.uint8), np.full(shape, 5, np.float32)
    )
    cover = np.zeros(shape, np.float32)
    cover[10:30, 10:30] = 1
    where = (slice(0, 40), slice(0, 40))
    white, depth = np.full((*shape, 3), 255, np.float32), np.full(shape, 2, np.float32)
    put(raster, where, white, cover, cover > 0, depth, 3, Blur((6.0, 0.0), 1.0))
    np.testing.assert_array_equal(raster.surface == 3, cover > 0)
    np.testing.assert_array_equal(raster.depth, np.where(cover > 0, 2, 5))
    profile = raster.image[20, :, 0]
    assert 90 < profile[10] < 160 and profile[7] > 5 and profile[20] == pytest.approx(255, abs=0.1)
    assert profile[2] == pytest.approx(0, abs=0.5)


def test_directions_of_the_camera():
    camera = Camera(101, 81, 100.0)
    ahead, right, up = np.array([[0, 0, 5.0], [1, 0, 5.0], [0, -1, 5.0]])
    centre = np.array(camera.centre)

    def pixel(point, *angles):
        view = View.of(camera, np.zeros(3), angles)
        return view.pixels(view.optical(point)) - centre

    np.testing.assert_allclose(pixel(right, 0, 0, 0), (20, 0))
    assert pixel(ahead, 0.1, 0, 0)[0] < 0  # looking right, things go left
    assert pixel(ahead, 0, 0.1, 0)[1] > 0  # looking up, things go down
    turned = pixel(right, 0, 0, 0.1)  # a camera turned clockwise turns the picture back
    assert turned[1] < 0
    view = View.of(camera, (0.3, -0.2, 0.1), (0.2, -0.1, 0.3))
    np.testing.assert_allclose(view.rotation @ view.rotation.T, np.eye(3), atol=1e-12)
    np.testing.assert_allclose(view.world(view.optical(up)), up, atol=1e-12)
    assert np.isnan(view.pixels(np.array([0, 0, -1.0]))).all()


def test_a_wall_shows_its_texture_where_it_is():
    camera = Camera(80, 60, 80.0)
    texture = np.zeros((64, 64, 3), np.uint8)
    texture[:, 32:] = 200
    plane = wall(texture, distance=4.0, width=6.4)
    view = View.of(camera, (0.4, 0, 0))
    depth = plane.depth(view)
    np.testing.assert_allclose(depth, 4.0)
    picture = plane.picture(view, depth)
    edge = int(np.argmax(picture[30, :, 0] > 100))
    assert edge == pytest.approx(camera.centre[0] - 0.4 * 80 / 4, abs=1)
    pixels = np.array([[10.0, 20.0], [70.0, 5.0]])
    places = view.optical(plane.places(view, pixels))
    np.testing.assert_allclose(view.pixels(places), pixels)
    np.testing.assert_allclose(places[:, 2], 4.0)
