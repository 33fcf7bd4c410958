"""Pairing of images and depth."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip('rclpy', reason='the room ros needs rclpy')

from drift_ros.ros.messages import header
from drift_ros.ros.pairing import DepthPairing
from drift_ros.ros.stamps import nanoseconds

MS = 10**6


def message(ms: float) -> Any:
    return SimpleNamespace(header=header(round(ms * MS), 'camera'))


def stamp(found: Any) -> float:
    return nanoseconds(found.header.stamp) / MS


@pytest.fixture
def pairing() -> DepthPairing:
    return DepthPairing(slop=0.02, jump=0.1, keep=64)


@pytest.mark.parametrize('depth_first', [False, True])
def test_equal_stamps_pair_in_either_order(pairing: DepthPairing, depth_first: bool) -> None:
    for k in range(10):
        steps = [pairing.add_image, pairing.add_depth]
        for add in reversed(steps) if depth_first else steps:
            add(message(33 * k))
        assert stamp(pairing.find(33 * k * MS)) == 33 * k


def test_slop_is_the_limit(pairing: DepthPairing) -> None:
    pairing.add_image(message(0))
    pairing.add_depth(message(21))
    assert pairing.find(0) is None
    pairing.add_image(message(100))
    pairing.add_depth(message(120))
    assert stamp(pairing.find(100 * MS)) == 120


def test_exact_stamps_with_no_slop() -> None:
    pairing = DepthPairing(slop=0.0, jump=0.1)
    pairing.add_image(message(5))
    pairing.add_depth(message(5))
    assert stamp(pairing.find(5 * MS)) == 5


def test_slow_depth_pairs_with_the_images_that_it_belongs_to(pairing: DepthPairing) -> None:
    for k in range(60):
        pairing.add_image(message(33 * k))
        if k % 2 == 0:
            pairing.add_depth(message(33 * k + 1))
    found = [k for k in range(60) if pairing.find(33 * k * MS) is not None]
    assert found == list(range(0, 60, 2))


def test_nearest_of_several_waits(pairing: DepthPairing) -> None:
    for ms in (0, 10, 18):
        pairing.add_image(message(ms))
    pairing.add_depth(message(11))
    assert pairing.find(0) is None
    assert stamp(pairing.find(10 * MS)) == 11


def test_a_looping_bag_pairs_as_well_in_every_loop(pairing: DepthPairing) -> None:
    for _ in range(3):
        found = 0
        for k in range(40):
            # the depth of the last loop's end is left without its image
            pairing.add_depth(message(1000 + 33 * k))
            if k < 30:
                pairing.add_image(message(1000 + 33 * k))
                found += pairing.find((1000 + 33 * k) * MS) is not None
        assert found == 30


def test_memory_is_bounded(pairing: DepthPairing) -> None:
    for k in range(1000):
        pairing.add_image(message(33 * k))
        pairing.add_depth(message(33 * k))
    assert len([k for k in range(1000) if pairing.find(33 * k * MS)]) == 64


def test_images_are_not_held(pairing: DepthPairing) -> None:
    import gc
    import weakref

    class Big(SimpleNamespace):
        pass

    image = Big(header=header(0, 'camera'))
    gone = weakref.ref(image)
    pairing.add_image(image)
    del image
    gc.collect()
    assert gone() is None


def test_images_that_are_not_tracked_take_no_place() -> None:
    pairing = DepthPairing(slop=0.02, jump=0.1, keep=4)
    for k in range(100):
        pairing.add_image(message(33 * k))
        if 0 < k < 98:
            pairing.forget(33 * k * MS)
        pairing.add_depth(message(33 * k))
    found = [k for k in range(100) if pairing.find(33 * k * MS) is not None]
    assert found == [0, 98, 99]


def test_no_image_gets_the_depth_of_one_that_was_left_out(pairing: DepthPairing) -> None:
    pairing.add_image(message(0))
    pairing.forget(0)
    pairing.add_depth(message(0))
    pairing.add_image(message(11))
    pairing.add_depth(message(12))
    assert stamp(pairing.find(11 * MS)) == 12


def test_what_is_kept_is_bounded(pairing: DepthPairing) -> None:
    for k in range(1000):
        pairing.add_image(message(33 * k))
        pairing.add_depth(message(33 * k))
    found = [k for k in range(1000) if pairing.find(33 * k * MS) is not None]
    assert found == list(range(1000 - 64, 1000))
