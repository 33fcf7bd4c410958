from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from drift_ros.structures import Frame, Roi, TrackingResult
from drift_ros.tracking.measure import FEW, count, drop_small, measure
from drift_ros.tracking.prepare import network_size


@given(
    seed=st.integers(0, 500),
    height=st.integers(1, 30),
    width=st.integers(1, 30),
    highest=st.sampled_from([0, 1, 3, FEW, FEW + 1, 255]),
)
def test_every_value_is_counted(seed: int, height: int, width: int, highest: int) -> None:
    numbers = np.random.default_rng(seed)
    labels = numbers.integers(0, highest + 1, (height, width), dtype=np.uint8)
    counted = count(labels)
    assert counted.dtype == np.float32
    np.testing.assert_array_equal(counted, np.bincount(labels.ravel(), minlength=256))


@given(seed=st.integers(0, 500), height=st.integers(1, 30), width=st.integers(1, 30))
def test_equals_counting_pixels(seed: int, height: int, width: int) -> None:
    labels = np.random.default_rng(seed).choice([0, 3, 254], (height, width)).astype(np.uint8)
    objects = measure(labels, {254: 'b', 3: 'a'}, {3: 0.5, 254: 0.25})
    assert [o.id for o in objects] == [3, 254]
    for found in objects:
        ys, xs = np.nonzero(labels == found.id)
        assert found.area == len(ys)
        assert found.visible == (len(ys) > 0)
        if not found.visible:
            assert found.roi == Roi()
            assert math.isnan(found.centroid[0])
            assert found.score == 0
            continue
        assert found.score in (0.5, 0.25)
        assert found.roi == Roi(xs.min(), ys.min(), np.ptp(xs) + 1, np.ptp(ys) + 1)
        np.testing.assert_allclose(found.centroid, (xs.mean(), ys.mean()))
        frame = Frame(np.zeros((height, width, 3), np.uint8), 0)
        mask = TrackingResult(frame, labels, objects, 0).mask(found)
        assert mask.sum() == found.area


def test_small_targets_become_background() -> None:
    labels = np.array([[1, 1, 1, 2, 2, 0]], np.uint8)
    drop_small(labels, 3)
    assert labels.tolist() == [[1, 1, 1, 0, 0, 0]]


def test_network_size_follows_the_protocol() -> None:
    assert network_size((480, 854), 480, 32) == (480, 832)
    assert network_size((480, 854), 480, 64) == (448, 832)
    assert network_size((1080, 1920), 480, 32) == (480, 832)
    assert network_size((1920, 1080), 480, 32) == (832, 480)
    assert network_size((240, 432), 480, 32) == (480, 864)
    assert network_size((5, 1000), 0, 8) == (8, 1000)
    assert network_size((480, 640), 0, 8) == (480, 640)


@given(
    height=st.integers(1, 5000),
    width=st.integers(1, 5000),
    resolution=st.sampled_from([64, 480, 4096]),
    multiple=st.sampled_from([8, 32, 64]),
)
def test_network_size_is_bounded_for_strips(
    height: int, width: int, resolution: int, multiple: int
) -> None:
    found = network_size((height, width), resolution, multiple)
    assert max(found) <= 8 * resolution
    assert min(found) >= multiple
    assert all(side % multiple == 0 for side in found)
    if max(height, width) <= 8 * min(height, width):
        assert min(found) == resolution // multiple * multiple
