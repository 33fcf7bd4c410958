"""A patch is found again to a part of a pixel, whatever the light, and what is not there is not."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from drift_ros.points.registration import flatten, misfit, patches, register, way_back

PLACES = np.float32([[60.25, 70.5], [150, 100], [100.5, 60.75]])
REACH = np.full(len(PLACES), 12.0)


def texture(shift: tuple[float, float] = (0, 0), seed: int = 1) -> NDArray[np.uint8]:
    """A texture, moved by (x, y) in px."""
    rng = np.random.default_rng(seed)
    coarse = rng.uniform(60, 200, (30, 40, 3)).astype(np.float32)
    image = cv2.resize(coarse, (240, 180), interpolation=cv2.INTER_CUBIC)
    matrix = np.float32([[1, 0, shift[0]], [0, 1, shift[1]]])
    moved = cv2.warpAffine(image, matrix, (240, 180), flags=cv2.INTER_CUBIC)
    return moved.clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize('shift', [(0.0, 0.0), (2.3, -1.6), (-6.4, 5.2)])
def test_patches_are_found_in_other_light(shift: tuple[float, float]) -> None:
    x = np.linspace(0.6, 1.2, 240)[None, :, None]  # a shadow from the left
    darker = (texture(shift) * x * 0.7 + 5).astype(np.uint8)
    found, trip = register(flatten(texture()), flatten(darker), PLACES, PLACES, REACH)
    np.testing.assert_allclose(found, PLACES + np.float32(shift), atol=0.15)
    assert (trip < 0.3).all()


def test_what_is_not_there_is_not_found() -> None:
    before, other = flatten(texture()), flatten(texture(seed=2))
    _, trip = register(before, other, PLACES, PLACES, REACH)
    assert (trip > 0.7).all()
    _, trip = register(before, flatten(texture((9.0, 0.0))), PLACES, PLACES, REACH / 3)
    assert np.isinf(trip).all()


def test_the_way_back_ends_where_it_began_or_misses() -> None:
    before, now = flatten(texture()), flatten(texture((2.3, -1.6)))
    right, wrong = (PLACES + np.float32(each) for each in ([2.3, -1.6], [7, 4]))
    assert (way_back(before, now, PLACES, right, 11) < 0.3).all()
    assert (way_back(before, now, PLACES, wrong, 11) > 0.7).all()
    plain = np.full_like(before, 128)
    assert np.isinf(way_back(plain, plain, PLACES, PLACES, 11)).all()


def test_grey_levels_without_light_and_shade() -> None:
    grey = cv2.cvtColor(texture(), cv2.COLOR_RGB2GRAY).astype(float)
    y, x = 90, 120
    around = grey[y - 12 : y + 13, x - 12 : x + 13]
    expected = 128 + 40 * (grey[y, x] - around.mean()) / np.hypot(around.std(), 6)
    assert abs(float(flatten(texture())[y, x]) - expected) < 1


def test_more_patches_than_opencv_takes_at_a_time() -> None:
    image = flatten(texture())
    places = np.random.default_rng(0).uniform([0, 0], [239, 179], (4000, 2)).astype(np.float32)
    own = patches(image, places)
    assert own.shape == (4000, 21, 21)
    np.testing.assert_array_equal(own[-3:], patches(image, places[-3:]))
    assert (misfit(own, image, places) == 0).all()


def test_no_points_and_a_plain_image() -> None:
    none = np.zeros((0, 2), np.float32)
    plain = flatten(np.full((40, 40, 3), 90, np.uint8))
    assert (plain == 128).all()
    found, trip = register(plain, plain, none, none, np.zeros(0))
    assert found.shape == (0, 2)
    assert trip.shape == (0,)
    _, trip = register(plain, plain, np.float32([[20, 20]]), np.float32([[20, 20]]), np.ones(1))
    assert np.isinf(trip).all()


def test_images_smaller_than_a_patch() -> None:
    tiny = flatten(texture()[:9, :7])
    _, trip = register(tiny, tiny, np.float32([[3, 4]]), np.float32([[3, 4]]), np.ones(1))
    assert trip.shape == (1,)
