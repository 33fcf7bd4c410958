"""Positions against scenes whose answer is known in closed form."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip('rclpy', reason='the room ros needs rclpy')

from drift_ros.ros import geometry
from drift_ros.ros.geometry import Intrinsics, box, intrinsics, nearby, points

CAMERA = Intrinsics(500.0, 400.0, 320.0, 240.0, (480, 640))


def position(
    mask: np.ndarray,
    depth: np.ndarray,
    camera: Intrinsics,
    corner: tuple[int, int] = (0, 0),
    min_pixels: int = 1,
) -> tuple[float, float, float] | None:
    return geometry.position(points(mask, depth, camera, corner), min_pixels)


def scene() -> tuple[np.ndarray, np.ndarray]:
    mask = np.zeros((480, 640), bool)
    mask[100:121, 400:441] = True
    return mask, np.full((480, 640), 2.0, np.float32)


def test_plane_in_front_of_the_camera() -> None:
    mask, depth = scene()
    # the box's centre is the pixel (420, 110)
    expected = ((420 - 320) / 500 * 2, (110 - 240) / 400 * 2, 2.0)
    assert position(mask, depth, CAMERA) == pytest.approx(expected)


def test_cut_out_gives_the_same_as_the_whole_image() -> None:
    mask, depth = scene()
    rows, columns = slice(90, 140), slice(380, 450)
    cut = position(mask[rows, columns], depth[rows, columns], CAMERA, corner=(380, 90))
    assert cut == pytest.approx(position(mask, depth, CAMERA))


@pytest.mark.parametrize('bad', [np.nan, np.inf, -np.inf, 0.0, -1.0])
def test_what_is_no_measurement_does_not_count(bad: float) -> None:
    mask, depth = scene()
    depth[100:110] = bad
    where = position(mask, depth, CAMERA)
    assert where is not None
    assert where[1] == pytest.approx((115 - 240) / 400 * 2)  # rows 110 to 120 are left
    depth[:] = bad
    assert position(mask, depth, CAMERA) is None


def test_background_behind_less_than_half_of_the_mask_is_ignored() -> None:
    mask, depth = scene()
    depth[100:109] = 50.0
    where = position(mask, depth, CAMERA)
    assert where is not None
    assert where[2] == 2.0


def test_a_box_leaves_out_what_spills_over_the_border() -> None:
    mask, depth = scene()
    depth[100, 400:410] = 5.0  # one in a hundred
    centre, size = box(points(mask, depth, CAMERA))
    assert centre == pytest.approx([0.4, -0.65, 2.0], abs=0.01)
    assert size == pytest.approx([40 / 500 * 2, 20 / 400 * 2, 0], abs=0.01)


def stretch(begin: float, end: float, count: int) -> np.ndarray:
    depth = np.linspace(begin, end, count)
    return np.stack([depth, depth, depth], 1)


def test_what_the_mask_spills_over_is_left_out() -> None:
    ball, wall, hand = stretch(1.4, 1.55, 800), stretch(2.9, 3.1, 250), stretch(0.5, 0.52, 60)
    between = stretch(1.55, 2.9, 30)  # what depth cameras put there
    found = nearby(np.concatenate([wall, ball, between, hand]), 0.02)
    assert len(ball) <= len(found) <= len(ball) + 2
    assert found[:, 2].max() < 1.65 and found[:, 2].min() == 1.4
    assert len(nearby(np.concatenate([wall, ball]), 0.0)) == 1050


def test_a_side_that_leads_away_from_a_front_is_kept() -> None:
    box = np.concatenate([stretch(1.0, 1.01, 9500), stretch(1.01, 1.2, 500)])
    assert nearby(box, 0.02)[:, 2].max() > 1.18


@pytest.mark.parametrize('gap', [0.001, 0.02, 1.0])
def test_a_surface_that_leads_away_is_kept(gap: float) -> None:
    table = stretch(0.8, 2.4, 50_000)
    np.testing.assert_array_equal(nearby(table, gap), table)


def test_few_points_or_scattered_ones_are_kept() -> None:
    few = stretch(1.0, 1.0, 3)
    np.testing.assert_array_equal(nearby(few, 0.02), few)
    scattered = stretch(1.0, 1000.0, 1000)
    np.testing.assert_array_equal(nearby(scattered, 0.0001), scattered)
    assert not len(nearby(np.zeros((0, 3)), 0.02))


def test_too_few_pixels_give_no_position() -> None:
    mask, depth = scene()
    depth[:] = np.nan
    depth[110, 410:414] = 1.0
    assert position(mask, depth, CAMERA, min_pixels=5) is None
    assert position(mask, depth, CAMERA, min_pixels=4) is not None
    assert position(np.zeros_like(mask), depth, CAMERA) is None


K = (500.0, 0.0, 320.0, 0.0, 400.0, 240.0, 0.0, 0.0, 1.0)


def test_k_and_p_agree() -> None:
    p = (500.0, 0.0, 320.0, 0.0, 0.0, 400.0, 240.0, 0.0, 0.0, 0.0, 1.0, 0.0)
    assert intrinsics(K, (480, 640)) == intrinsics(p, (480, 640)) == CAMERA


def test_uncalibrated_camera() -> None:
    assert intrinsics((0.0,) * 9, (480, 640)) is None


@given(
    offset=st.tuples(st.integers(0, 200), st.integers(0, 200)),
    binning=st.tuples(st.integers(0, 4), st.integers(0, 4)),
    pixel=st.tuples(st.integers(0, 639), st.integers(0, 479)),
)
def test_roi_and_binning_keep_the_ray(
    offset: tuple[int, int], binning: tuple[int, int], pixel: tuple[int, int]
) -> None:
    """A full-resolution pixel and where it lands in the published image see the same ray."""
    camera = intrinsics(K, (480, 640), offset, binning, (200, 300))
    assert camera is not None
    bx, by = max(1, binning[0]), max(1, binning[1])
    x, y = (pixel[0] - offset[0]) / bx, (pixel[1] - offset[1]) / by
    assert (x - camera.cx) / camera.fx == pytest.approx((pixel[0] - 320) / 500)
    assert (y - camera.cy) / camera.fy == pytest.approx((pixel[1] - 240) / 400)
    assert camera.size == (200 // by, 300 // bx)


def ball() -> tuple[np.ndarray, np.ndarray]:
    """A disc at 2 m before a wall at 3 m, in an image of 120x80 px."""
    ys, xs = np.mgrid[:80, :120]
    mask = (xs - 60) ** 2 + (ys - 40) ** 2 < 20**2
    return mask, np.where(mask, np.float32(2), np.float32(3))


def sides(mask: np.ndarray, depth: np.ndarray, corner: tuple[int, int] = (50, 60)) -> list[bool]:
    """Left, right, top, bottom."""
    return geometry.hidden_sides(mask, depth, corner, (480, 640)).ravel().tolist()


def test_what_stands_before_a_wall_is_hidden_at_no_side() -> None:
    mask, depth = ball()
    assert sides(mask, depth) == [False] * 4
    depth[mask.cumsum(1) == 0] = np.nan  # as beside what is near, where one camera does not see
    assert sides(mask, depth) == [False] * 4
    assert sides(np.zeros_like(mask), depth) == [False] * 4


@pytest.mark.parametrize('side', range(4))
def test_something_nearer_hides_the_side_where_it_is(side: int) -> None:
    mask, depth = ball()
    board = (
        np.s_[:, :55], np.s_[:, 65:], np.s_[:35], np.s_[45:]
    )[side]  # fmt: skip
    depth[board], mask[board] = 1.0, False
    assert sides(mask, depth) == [n == side for n in range(4)]
    depth[board] = 1.99  # nearer by too little to be anything else than the same thing
    assert sides(mask, depth) == [False] * 4


def test_the_border_of_the_image_hides_what_is_beyond() -> None:
    mask, depth = ball()
    assert sides(mask[:, 55:], depth[:, 55:], (0, 60)) == [True, False, False, False]
    assert sides(mask[:45], depth[:45], (50, 480 - 45)) == [False, False, False, True]
