"""What is said of points without known tracks, by methods that are known to be right or wrong."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
from numpy.typing import NDArray

from drift_ros.evaluation.points.methods import Found, Still
from drift_ros.evaluation.points.unlabelled import measure, points_on

FRAMES, SIDE, STEP = 5, 128, 8


def video() -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """An object of 40x60 px that moves to the right."""
    masks = np.zeros((FRAMES, SIDE, SIDE), bool)
    for t, mask in enumerate(masks):
        mask[30:90, 20 + STEP * t : 60 + STEP * t] = True
    return np.repeat(masks[..., None], 3, 3).astype(np.uint8), masks


class Along:
    """Moves points with the object, which is where it was first if the video is shown forwards."""

    name = 'along'
    settings: Mapping[str, object] = {}
    hidden = False  # whether all points are hidden in the end

    def track(
        self,
        video: NDArray[np.uint8],
        frames: NDArray[np.int64],
        positions: NDArray[np.float32],
    ) -> Found:
        step = STEP if video[0, 50, 25, 0] else -STEP
        moves = np.arange(len(video))[:, None] * np.float32([step, 0])
        visible = np.ones((len(frames), len(video)), bool)
        visible[:, -1] = not self.hidden
        return positions[:, None] + moves, visible


def test_a_right_method_stays_and_returns() -> None:
    found = measure(Along(), *video())
    assert found.points == len(points_on(video()[1][0])) > 4
    assert (found.seen, found.inside, found.returned, found.error) == (1, 1, 1, 0)


def test_a_method_that_stands_still_returns_but_leaves_the_object() -> None:
    found = measure(Still(), *video())
    assert found.returned == 1
    assert found.inside < 0.7


def test_points_that_are_hidden_in_the_end_do_not_return() -> None:
    method = Along()
    method.hidden = True
    found = measure(method, *video())
    assert found.returned == 0
    assert np.isnan(found.error)
    assert found.seen == pytest.approx(3 / 4)


def test_points_keep_off_the_rim_and_a_small_mask_has_one() -> None:
    mask = np.zeros((64, 64), bool)
    mask[10:50, 10:50] = True
    x, y = points_on(mask).T
    assert min(x.min(), y.min()) >= 14
    assert max(x.max(), y.max()) <= 45
    small = np.zeros((64, 64), bool)
    small[20:25, 30:35] = True
    np.testing.assert_array_equal(points_on(small), [[32, 22]])
