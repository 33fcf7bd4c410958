"""Values between pixels, of any number of places."""

from __future__ import annotations

import numpy as np
import pytest

from drift_ros.points.interpolation import ROWS, interpolated


@pytest.mark.parametrize('count', [0, 5, 2 * ROWS + 1, 40_000])
def test_a_ramp_is_read_between_pixels(count: int) -> None:
    ramp = np.stack(np.meshgrid(np.arange(30.0), np.arange(20.0)), 2).astype(np.float32)
    rng = np.random.default_rng(0)
    x = rng.uniform(0, 29, (count, 2)).astype(np.float32)
    y = rng.uniform(0, 19, (count, 2)).astype(np.float32)
    found = interpolated(ramp, x, y)
    assert found.shape == (count, 2, 2)
    np.testing.assert_allclose(found, np.stack([x, y], 2), atol=0.05)
    assert interpolated(ramp[..., 0], x, y).shape == (count, 2)


def test_beyond_the_image_is_what_its_edge_has() -> None:
    image = np.arange(12, dtype=np.uint8).reshape(3, 4)
    x, y = np.float32([[-50.0, 99.0]]), np.float32([[-50.0, 99.0]])
    np.testing.assert_array_equal(interpolated(image, x, y), [[0, 11]])
