"""Depth images become metres, and what is no measurement becomes NaN."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from drift_ros.errors import FrameError
from drift_ros.io.depth import to_metres


def message(values: np.ndarray, encoding: str, padding: int, big_endian: bool) -> SimpleNamespace:
    height, width = values.shape
    values = values.astype(values.dtype.newbyteorder('>' if big_endian else '<'))
    rows = np.frombuffer(values.tobytes(), np.uint8).reshape(height, -1)
    data = np.hstack([rows, np.full((height, padding), 255, np.uint8)])
    return SimpleNamespace(
        height=height,
        width=width,
        encoding=encoding,
        is_bigendian=big_endian,
        step=data.shape[1],
        data=data.tobytes(),
    )


@pytest.mark.parametrize('padding', [0, 3])
@pytest.mark.parametrize('big_endian', [False, True])
@pytest.mark.parametrize('encoding', ['16UC1', 'mono16'])
def test_millimetres(encoding: str, padding: int, big_endian: bool) -> None:
    values = np.array([[0, 1, 1500], [65535, 256, 2]], np.uint16)
    found = to_metres(message(values, encoding, padding, big_endian))
    expected = [[np.nan, 0.001, 1.5], [65.535, 0.256, 0.002]]
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert found.dtype == np.float32


@pytest.mark.parametrize('padding', [0, 3])
@pytest.mark.parametrize('big_endian', [False, True])
def test_metres(padding: int, big_endian: bool) -> None:
    values = np.array([[0.0, -1.0, 1.25], [np.nan, np.inf, -np.inf]], np.float32)
    found = to_metres(message(values, '32FC1', padding, big_endian))
    np.testing.assert_array_equal(found, [[np.nan, np.nan, 1.25], [np.nan] * 3])
    assert found.dtype == np.float32


def test_the_message_is_left_alone() -> None:
    image = message(np.zeros((2, 2), np.float32), '32FC1', 0, False)
    image.data = np.frombuffer(bytearray(image.data), np.uint8)
    to_metres(image)
    assert not image.data.any()


@pytest.mark.parametrize(
    ('fields', 'expected'),
    [
        ({'encoding': 'rgb8'}, "unknown depth encoding: 'rgb8'.*32FC1"),
        ({'height': 0}, 'zero size'),
        ({'step': 5}, 'step too small: 5'),
        ({'data': b'1234567'}, 'too little data: 7'),
    ],
)
def test_bad_depth_is_refused_by_field_and_value(fields: dict, expected: str) -> None:
    image = message(np.ones((2, 3), np.uint16), '16UC1', 0, False)
    image.__dict__.update(fields)
    with pytest.raises(FrameError, match=expected):
        to_metres(image)
