"""Views are cut out of images and masks are put back where they came from."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from drift_ros.recognition import View
from drift_ros.recognition.network import MASK, PIXELS
from drift_ros.recognition.views import BOXES, MEAN, SPREAD, cut, put

SIZE = (120, 160)


def disc(x: float, y: float, radius: float) -> NDArray[np.bool_]:
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]] + 0.5
    return np.hypot(columns - x, rows - y) <= radius


def grey(level: int) -> NDArray[np.uint8]:
    return np.full((*SIZE, 3), level, np.uint8)


@pytest.mark.parametrize('radius', [6.0, 20.0, 40.0])
@pytest.mark.parametrize('middle', [(80.0, 60.0), (71.3, 44.8), (10.0, 110.0)])
def test_what_is_cut_out_and_put_back_is_where_it_was(
    middle: tuple[float, float], radius: float
) -> None:
    mask = disc(*middle, radius)
    side = BOXES * 2 * radius
    view = cut(grey(0), middle, side, mask.astype(np.uint8))
    assert view.shape == (5, PIXELS, PIXELS)
    small = cv2.resize(view[4].numpy(), (MASK, MASK), interpolation=cv2.INTER_AREA)
    back = put(view[4].new_tensor(small), middle, side, SIZE)
    assert (back & mask).sum() / (back | mask).sum() > (0.85 if radius < 10 else 0.95)


def test_the_target_fills_the_same_share_of_its_view_whatever_its_size() -> None:
    shares = []
    for radius in (8.0, 16.0, 32.0):
        view = View.of(grey(90), disc(80, 60, radius))
        assert view.side == pytest.approx(2 * BOXES * radius, abs=2 * BOXES)
        shares.append(float(view.pixels[4].mean()))
        rows, columns = (view.pixels[4] > 0.5).nonzero().float().mean(0).tolist()
        assert (rows, columns) == pytest.approx(((PIXELS - 1) / 2,) * 2, abs=1)
    assert shares == pytest.approx([np.pi / 4 / BOXES**2] * 3, rel=0.1)


def test_colours_are_about_zero_and_nothing_lies_beyond_the_frame() -> None:
    view = cut(grey(204), (0.0, 60.0), 80.0)
    inside = view[3] == 1
    assert inside[:, PIXELS // 2 + 2 :].all() and not inside[:, : PIXELS // 2 - 2].any()
    assert view[0][inside].mean() == pytest.approx((0.8 - MEAN) / SPREAD, abs=0.02)
    assert (view[:3, ~inside] == 0).all() and (view[4] == 0).all()
