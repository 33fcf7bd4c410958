"""Poses through the propagation: what is found is known."""

from __future__ import annotations

import numpy as np
import pytest
from clips import Colours

from drift_ros.evaluation.poses import PoseTracker
from drift_ros.settings import TrackerSettings, build

SIDE, CELL = 64, 4  # px; the extractor's cells
STEP = 4  # px that the scene moves per frame: one cell
JOINTS = np.array([[20.0, 20], [28, 40], [36, 24]])  # on cells


def scene(index: int) -> np.ndarray:
    """Cells of random colours that move right."""
    cells = np.random.default_rng(0).integers(0, 256, (16, 16, 3))
    return np.kron(np.roll(cells, index, 1), np.ones((4, 4, 1))).astype(np.uint8)


def settings(**values: object) -> TrackerSettings:
    plain = {'propagation.top_k': 1, 'propagation.radius': 3, 'propagation.memory': 2}
    return build(TrackerSettings, plain | {k.replace('__', '.'): v for k, v in values.items()})


def track(extractor: Colours, images: list[np.ndarray], **values: object) -> list:
    tracker = PoseTracker(extractor, settings(**values), SIDE, JOINTS)
    found = [pair for i, image in enumerate(images) for pair in tracker.step(i, i, image)]
    return [*found, *tracker.end()]


@pytest.mark.parametrize('window', [1, 4])
def test_joints_move_with_the_scene(window):
    found = track(Colours(window), [scene(i) for i in range(6)])
    assert [index for index, _ in found] == list(range(6))
    first = found[0][1]
    assert np.abs(first - JOINTS).max() <= CELL / 4  # a top-3 mean leans to two neighbours
    for index, joints in found:
        np.testing.assert_allclose(joints, first + np.array([STEP * index, 0]), atol=1e-4)


def test_images_of_any_proportions_become_squares():
    wide = [np.repeat(scene(i), 2, axis=1) for i in range(3)]
    tracker = PoseTracker(Colours(), settings(), SIDE, JOINTS * [2, 1])
    square = track(Colours(), [scene(i) for i in range(3)])
    for (_, joints), (_, other) in zip(
        [pair for i, image in enumerate(wide) for pair in tracker.step(i, i, image)],
        square,
        strict=True,
    ):
        np.testing.assert_allclose(joints, other * [2, 1], atol=1e-3)


def test_joints_that_nothing_resembles_are_lost_and_found_again():
    plain = np.broadcast_to(scene(0)[:1, :1], (SIDE, SIDE, 3)).copy()  # all as the first cell
    images = [scene(0), plain, scene(0)]
    found = [joints for _, joints in track(Colours(), images, propagation__radius=0)]
    np.testing.assert_array_equal(found[1], np.full((3, 2), -1))
    np.testing.assert_allclose(found[2], found[0], atol=1e-4)
