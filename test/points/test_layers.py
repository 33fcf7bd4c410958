"""Planted motions of large parts of an image are found, kept apart, and gone on with."""

from __future__ import annotations

import numpy as np
import pytest
from moving_planes import BOX, SIZE, camera, flows, scene, texture

from drift_ros.points.anchors import IMAGES, MOST, NONE
from drift_ros.points.layers import Layers, follow
from drift_ros.points.motion import Field
from drift_ros.points.planes import transform

OUTSIDE = np.float32([[20, 30], [290, 200], [60.5, 120.25]])
INSIDE = np.float32([[150, 110], [190.5, 130.25]])


def of(layers: Layers, place: tuple[float, float], size: tuple[float, float]) -> set[int]:
    """Layers of anchors well inside a box, those without one left out."""
    anchors = layers.anchors
    inside = (anchors.now > np.array(place) + 12) & (anchors.now < np.add(place, size) - 12)
    return set(anchors.layer[inside.all(1) & anchors.found].tolist()) - {NONE}


def test_motions_of_background_and_object_are_found_and_do_not_drift() -> None:
    layers, moved = None, {}
    for field in flows(scene(12, (-2.5, 1.0))):
        layers = follow(layers, field)
        for number, motion in layers.motions.items():
            moved[number] = motion @ moved.get(number, np.eye(3))
    assert layers is not None
    assert sorted(layers.motions) == [0, 1]
    np.testing.assert_allclose(
        transform(moved[0], OUTSIDE), transform(camera(11), OUTSIDE), atol=0.15
    )
    np.testing.assert_allclose(
        transform(moved[1], INSIDE), INSIDE + np.array([-27.5, 11]), atol=0.15
    )
    assert of(layers, (BOX[0] - 27.5, BOX[1] + 11), BOX[2:]) == {1}
    assert of(layers, (200, 0), (100, 240)) == {0}


def test_what_moves_nearly_alike_is_told_apart_after_some_images() -> None:
    layers, known = None, []
    for field in flows(scene(12, (1.0, -0.5), pan=1.0)):
        layers = follow(layers, field)
        known.append(len(layers.motions))
    assert known[0] == 1
    assert known[-1] == 2
    assert layers is not None
    (thing,) = of(layers, (BOX[0] + 11, BOX[1] - 5.5), BOX[2:])
    np.testing.assert_allclose(
        transform(layers.motions[thing], INSIDE), INSIDE + np.array([1, -0.5]), atol=0.1
    )


def test_layers_keep_their_numbers_when_motions_change() -> None:
    there = scene(4, (-2.5, 1.0))
    layers = None
    for field in flows([*there, *there[-2::-1]]):
        layers = follow(layers, field)
    assert layers is not None
    assert sorted(layers.motions) == [0, 1]
    assert layers.newest == 1
    np.testing.assert_allclose(
        transform(layers.motions[1], INSIDE), INSIDE + np.array([2.5, -1]), atol=0.15
    )


def test_anchors_are_renewed_when_the_camera_turns_away_and_stay_bounded() -> None:
    layers, origins = None, []
    for field in flows(scene(30, (-2.0, 0.0), pan=-14.0)):
        layers = follow(layers, field)
        origins.append(len(layers.anchors.origins))
        assert layers.anchors.found.sum() > 100
        assert len(layers.anchors.now) <= IMAGES * MOST
    assert layers is not None
    assert origins[0] == 1
    assert 1 < max(origins) <= IMAGES
    step = camera(29, -14.0) @ np.linalg.inv(camera(28, -14.0))
    np.testing.assert_allclose(
        transform(layers.motions[0], OUTSIDE), transform(step, OUTSIDE), atol=0.15
    )


def test_motion_without_order_is_no_layer() -> None:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 255, (2, *SIZE), np.uint8)
    flow = np.float32(rng.normal(0, 20, (*SIZE, 2)))
    layers = follow(None, Field(flow, images[0], images[1], SIZE))
    assert layers.motions == {}
    assert (layers.anchors.layer == NONE).all()


@pytest.mark.parametrize('size', [(16, 20), (3, 200)])
def test_tiny_and_plain_images_have_no_layers(size: tuple[int, int]) -> None:
    flow, image = np.zeros((*size, 2), np.float32), np.full(size, 90, np.uint8)
    layers = None
    for _ in range(3):
        layers = follow(layers, Field(flow, image, image, size))
        assert layers.motions == {}


def test_a_layer_that_is_gone_is_forgotten_and_its_number_not_given_again() -> None:
    first, second = scene(2, (-2.5, 1.0)), [texture(seed, SIZE) for seed in (7, 8)]
    layers = follow(None, flows(first)[0])
    assert sorted(layers.motions) == [0, 1]
    for field in flows([first[-1], second[0], second[0], second[0]]):
        layers = follow(layers, field)
    assert sorted(layers.motions) == [2]
    np.testing.assert_allclose(transform(layers.motions[2], OUTSIDE), OUTSIDE, atol=0.05)
