"""Planted motions of large parts of an image are found, kept apart, and gone on with."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from drift_ros.points.layers import NONE, Layers, choose, follow
from drift_ros.points.motion import Field

SIZE = (240, 320)
BOX = (slice(80, 160), slice(100, 220))  # rows and columns of an object in every image
OUTSIDE = np.float32([[20, 30], [300, 200], [60.5, 120.25]])
INSIDE = np.float32([[150, 110], [190.5, 130.25]])


def background(places: NDArray[np.floating]) -> NDArray[np.floating]:
    """(N, 2) steps in px of a camera that turns, comes nearer and tilts a little."""
    x, y = ((places + 0.5 - np.array([160, 120])) / 160).T
    along = np.stack([x * x, x * y], 1)
    return np.array([3, -2]) + np.stack([2 * x - y, x + 2 * y], 1) + along


def thing(places: NDArray[np.floating]) -> NDArray[np.floating]:
    """(N, 2) steps in px of the object."""
    return np.tile([-4.0, 3.0], (len(places), 1))


def field(still: bool = False, noise: float = 0.0) -> Field:
    """The flow of both, on an image with texture but for its upper eighth."""
    rng = np.random.default_rng(4)
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    places = np.stack([x, y], -1).reshape(-1, 2).astype(np.float64)
    forth = background(places).reshape(*SIZE, 2)
    forth[BOX] = 0 if still else thing(places[:1])
    forth += rng.normal(0, noise, forth.shape) if noise else 0
    image = rng.integers(0, 255, SIZE, np.uint8)
    image[:30] = 90
    return Field(np.float32(forth), np.float32(-forth), image, SIZE)


def labels_at(layers: Layers, places: NDArray[np.float32]) -> list[int]:
    """Layers of the nearest samples."""
    none = np.zeros(len(places), bool)
    return choose(layers, places, places, none, none, SIZE).tolist()


def test_motions_of_background_and_object_are_found() -> None:
    layers = follow(None, field(noise=0.1))
    assert sorted(layers.motions) == [0, 1]
    assert labels_at(layers, OUTSIDE) == [0, 0, 0]
    assert labels_at(layers, INSIDE) == [1, 1]
    found = layers.move(np.zeros(3, int), OUTSIDE, SIZE)
    np.testing.assert_allclose(found, OUTSIDE + background(OUTSIDE), atol=0.1)
    found = layers.move(np.array([1, NONE]), INSIDE, SIZE)
    np.testing.assert_allclose(found[0], INSIDE[0] + [-4, 3], atol=0.1)
    np.testing.assert_allclose(found[1], INSIDE[1])


def test_layers_keep_their_numbers_when_motions_change() -> None:
    layers = follow(follow(None, field()), field(still=True))
    assert sorted(layers.motions) == [0, 1]
    assert layers.newest == 1
    np.testing.assert_allclose(layers.move(np.ones(2, int), INSIDE, SIZE), INSIDE, atol=0.1)
    found = layers.move(np.zeros(3, int), OUTSIDE, SIZE)
    np.testing.assert_allclose(found, OUTSIDE + background(OUTSIDE), atol=0.1)


@pytest.mark.parametrize('sure', [True, False])
def test_points_choose_what_moves_like_them_and_flat_ones_their_surroundings(sure: bool) -> None:
    layers = follow(None, field())
    places = np.concatenate([OUTSIDE[:1], INSIDE[:1], OUTSIDE[:1], np.float32([[160, 5]])])
    steps = np.concatenate([background(places[:1]), thing(places[1:2]), [[9, 9], [9, 9]]])
    each = np.full(4, sure)
    clear = each & [True, True, True, False]
    chosen = choose(layers, places, np.float32(places + steps), each, clear, SIZE)
    assert chosen.tolist() == ([0, 1, NONE, 0] if sure else [0, 1, 0, 0])


def test_motion_without_order_is_no_layer() -> None:
    rng = np.random.default_rng(0)
    flow = np.float32(rng.normal(0, 20, (*SIZE, 2)))
    image = rng.integers(0, 255, SIZE, np.uint8)
    layers = follow(None, Field(flow, -flow, image, SIZE))
    assert layers.motions == {}
    assert labels_at(layers, OUTSIDE) == [NONE] * 3
    tiny = Field(flow[:16, :20], -flow[:16, :20], image[:16, :20], (16, 20))
    assert follow(None, tiny).motions == {}


def test_a_layer_that_is_gone_is_forgotten() -> None:
    layers = follow(None, field())
    flow = np.zeros((*SIZE, 2), np.float32)
    flow[:] = [500, 0]
    gone = follow(layers, Field(flow, flow, field().before, SIZE))
    assert gone.motions == {}
    assert gone.newest == 1
