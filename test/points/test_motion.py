"""Optical flow takes points along to a part of a pixel, and says where it cannot."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from drift_ros.points.motion import Field, Motion, at


def pair(
    shift: tuple[float, float], size: tuple[int, int] = (240, 320)
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """A texture, and the same moved by a shift (x, y) in px."""
    rng = np.random.default_rng(1)
    coarse = rng.uniform(0, 255, (size[0] // 6, size[1] // 6, 3)).astype(np.float32)
    image = cv2.resize(coarse, size[::-1], interpolation=cv2.INTER_CUBIC)
    matrix = np.float32([[1, 0, shift[0]], [0, 1, shift[1]]])
    moved = cv2.warpAffine(
        image, matrix, size[::-1], flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT
    )
    return image.clip(0, 255).astype(np.uint8), moved.clip(0, 255).astype(np.uint8)


def flow(before: NDArray[np.uint8], now: NDArray[np.uint8]) -> Field:
    motion = Motion()
    found = motion.between(motion.small(before), motion.small(now), before.shape[:2])
    assert found is not None
    return found


PLACES = np.float32([[60.25, 70.5], [150, 100], [220.5, 170.75]])


@pytest.mark.parametrize('scale', [1, 2])
@pytest.mark.parametrize('shift', [(0.0, 0.0), (3.3, -1.7), (-6.4, 4.6)])
def test_points_go_where_the_image_goes(shift: tuple[float, float], scale: int) -> None:
    before, now = pair((shift[0] * scale, shift[1] * scale), (240 * scale, 320 * scale))
    field = flow(before, now)
    found = field.move(PLACES * scale)
    np.testing.assert_allclose(found, (PLACES + np.float32(shift)) * scale, atol=0.25)
    assert (field.trip(PLACES * scale, found) < 0.5).all()


def test_the_way_back_from_elsewhere_misses() -> None:
    field = flow(*pair((3.0, 0.0)))
    wrong = PLACES + np.float32([3.0, 9.0])
    assert (field.trip(PLACES, wrong) > 2).all()


def test_what_leaves_the_image_or_has_no_texture_has_no_way_back() -> None:
    before, now = pair((8.0, 0.0))
    before[:60], now[:60] = 90, 90
    field = flow(before, now)
    places = np.float32([[317, 100], [100, 100], [100, 30]])
    trip = field.trip(places, places + np.float32([8, 0]))
    assert np.isinf(trip[[0, 2]]).all()
    assert trip[1] < 0.5


def test_small_images_and_no_points() -> None:
    tiny = np.zeros((12, 40, 3), np.uint8)
    motion = Motion()
    small = motion.small(tiny)
    assert motion.between(small, small, tiny.shape[:2]) is None
    field, none = flow(*pair((0, 0))), np.zeros((0, 2), np.float32)
    assert field.move(none).shape == (0, 2)
    assert field.trip(none, none).shape == (0,)


@pytest.mark.parametrize('scale', [1, 2])
def test_texture_is_that_of_the_place(scale: int) -> None:
    before, now = pair((3.0 * scale, 0.0), (240 * scale, 320 * scale))
    before[:, : 60 * scale] = 100
    found = flow(before, now)
    places = PLACES * scale
    np.testing.assert_allclose(found.whole(found.small(places)), places, atol=1e-4)
    flat, rich = found.texture(np.float32([[30, 60], [150, 100]]) * scale)
    assert flat == 0
    assert rich > 0


def test_flow_between_pixels() -> None:
    flow = np.zeros((3, 4, 2), np.float32)
    flow[..., 0] = np.arange(4)
    np.testing.assert_allclose(at(flow, np.float32([[1.5, 1], [9, 1]])), [[1.5, 0], [3, 0]])
