"""Images become the RGB that a pixel-by-pixel reading of their bytes gives."""

from __future__ import annotations

import io
import itertools
import struct
import zlib
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from drift_ros.errors import FrameError
from drift_ros.io.images import ENCODINGS, decode_compressed, to_rgb

ORDERS = {'rgb': (0, 1, 2), 'bgr': (2, 1, 0), 'rgba': (0, 1, 2), 'bgra': (2, 1, 0)}
PATTERNS = ('rggb', 'bggr', 'gbrg', 'grbg')
GREY = {'mono8': 1, '8UC1': 1, 'mono16': 2}
RANDOM = np.random.default_rng(3)


def message(
    values: np.ndarray, encoding: str, padding: int = 0, big_endian: bool = False, **fields: Any
) -> SimpleNamespace:
    """Image message of (H, W) or (H, W, C) values, with junk at the end of each row."""
    height, width = values.shape[:2]
    values = values.astype(values.dtype.newbyteorder('>' if big_endian else '<'))
    rows = np.frombuffer(values.tobytes(), np.uint8).reshape(height, -1)
    junk = RANDOM.integers(0, 256, (height, padding), np.uint8)
    data = np.hstack([rows, junk])
    made = {
        'height': height,
        'width': width,
        'encoding': encoding,
        'is_bigendian': int(big_endian),
        'step': data.shape[1],
        'data': data.reshape(-1),
    }
    return SimpleNamespace(**(made | fields))


def random(*shape: int, dtype: type = np.uint8) -> np.ndarray:
    return RANDOM.integers(0, np.iinfo(dtype).max + 1, shape, dtype)


layouts = pytest.mark.parametrize(
    ('padding', 'big_endian'), list(itertools.product((0, 1, 6), (False, True)))
)


@layouts
@pytest.mark.parametrize('bits', [8, 16])
@pytest.mark.parametrize('name', ORDERS)
def test_colour(name: str, bits: int, padding: int, big_endian: bool) -> None:
    values = random(4, 6, len(name), dtype=np.uint8 if bits == 8 else np.uint16)
    found = to_rgb(message(values, f'{name}{bits}', padding, big_endian))
    expected = values[..., ORDERS[name]] >> (bits - 8)
    np.testing.assert_array_equal(found, expected)
    assert found.dtype == np.uint8


@layouts
def test_8uc3_is_bgr(padding: int, big_endian: bool) -> None:
    values = random(4, 6, 3)
    np.testing.assert_array_equal(
        to_rgb(message(values, '8UC3', padding, big_endian)), values[..., ::-1]
    )


@layouts
@pytest.mark.parametrize('encoding', GREY)
def test_grey(encoding: str, padding: int, big_endian: bool) -> None:
    size = GREY[encoding]
    values = random(4, 6, dtype=np.uint8 if size == 1 else np.uint16)
    found = to_rgb(message(values, encoding, padding, big_endian))
    expected = values >> (8 * (size - 1))
    np.testing.assert_array_equal(found, np.repeat(expected[..., None], 3, 2))


@layouts
@pytest.mark.parametrize('bits', [8, 16])
@pytest.mark.parametrize('pattern', PATTERNS)
def test_bayer(pattern: str, bits: int, padding: int, big_endian: bool) -> None:
    """A smooth scene, sampled by the pattern, comes back: interpolation of a ramp is exact."""
    height, width = 10, 12
    y, x = np.mgrid[:height, :width]
    scene = np.stack([20 + 8 * x, 200 - 6 * y, 60 + 4 * x + 4 * y], 2).astype(np.uint16)
    which = np.array(['rgb'.index(c) for c in pattern]).reshape(2, 2)
    channel = np.tile(which, (height // 2, width // 2))
    mosaic = np.take_along_axis(scene, channel[..., None], 2)[..., 0] << (bits - 8)
    values = mosaic.astype(np.uint8 if bits == 8 else np.uint16)
    found = to_rgb(message(values, f'bayer_{pattern}{bits}', padding, big_endian)).astype(int)
    inner = (slice(2, -2), slice(2, -2))
    assert np.abs(found[inner] - scene[inner]).max() <= 1


@pytest.mark.parametrize('pattern', PATTERNS)
def test_bayer_keeps_the_measured_values(pattern: str) -> None:
    values = random(8, 8)
    found = to_rgb(message(values, f'bayer_{pattern}8'))
    for row, column in itertools.product(range(2, 6), repeat=2):
        channel = 'rgb'.index(pattern[2 * (row % 2) + column % 2])
        assert found[row, column, channel] == values[row, column]


def yuv_to_rgb(y: int, u: int, v: int) -> tuple[float, float, float]:
    """BT.601 with video range, the rule that camera drivers use for YUV 4:2:2."""
    luma = 1.164 * max(0, y - 16)  # there is nothing darker than black
    return (
        luma + 1.596 * (v - 128),
        luma - 0.813 * (v - 128) - 0.391 * (u - 128),
        luma + 2.018 * (u - 128),
    )


@pytest.mark.parametrize('padding', [0, 1, 6])
@pytest.mark.parametrize(
    ('encoding', 'order'),
    [('yuv422', 'uyvy'), ('uyvy', 'uyvy'), ('yuv422_yuy2', 'yuyv'), ('yuyv', 'yuyv')],
)
def test_yuv(encoding: str, order: str, padding: int) -> None:
    height, width = 3, 6
    values = random(height, 2 * width)
    found = to_rgb(message(values, encoding, padding, width=width)).astype(float)
    for row, pair in itertools.product(range(height), range(width // 2)):
        four = values[row, 4 * pair : 4 * pair + 4].astype(int)
        u, v = four[order.index('u')], four[order.index('v')]
        lumas = [four[i] for i, letter in enumerate(order) if letter == 'y']
        for offset, luma in enumerate(lumas):
            expected = np.clip(yuv_to_rgb(luma, u, v), 0, 255)
            np.testing.assert_allclose(found[row, 2 * pair + offset], expected, atol=2)


def test_every_encoding_is_tested() -> None:
    tested = {f'{name}{bits}' for name in ORDERS for bits in (8, 16)} | set(GREY) | {'8UC3'}
    tested |= {f'bayer_{pattern}{bits}' for pattern in PATTERNS for bits in (8, 16)}
    assert set(ENCODINGS) == tested | {'yuv422', 'uyvy', 'yuv422_yuy2', 'yuyv'}


@pytest.mark.parametrize('kind', [bytes, bytearray, memoryview])
def test_data_of_any_buffer(kind: type) -> None:
    values = random(3, 5, 3)
    image = message(values, 'rgb8')
    image.data = kind(image.data.tobytes())
    np.testing.assert_array_equal(to_rgb(image), values)


def test_one_pixel() -> None:
    np.testing.assert_array_equal(to_rgb(message(random(1, 1) * 0 + 7, 'mono8')), [[[7, 7, 7]]])


@pytest.mark.parametrize(
    ('fields', 'expected'),
    [
        ({'encoding': 'jpeg9'}, "unknown encoding: 'jpeg9'.*rgb8"),
        ({'encoding': ''}, "unknown encoding: ''"),
        ({'height': 0}, 'zero size.*6x0'),
        ({'width': 0}, 'zero size.*0x4'),
        ({'step': 17}, 'step too small: 17 bytes for rows of 18'),
        ({'step': 0}, 'step too small: 0'),
        ({'data': np.zeros(71, np.uint8)}, 'too little data: 71 bytes for 4 rows.*72'),
        ({'data': b''}, 'too little data: 0 bytes'),
        ({'encoding': 'yuyv', 'width': 5}, 'odd width: 5 px in yuyv'),
    ],
)
def test_bad_images_are_refused_by_field_and_value(fields: dict[str, Any], expected: str) -> None:
    with pytest.raises(FrameError, match=expected):
        to_rgb(message(random(4, 6, 3), **({'encoding': 'rgb8'} | fields)))


@settings(max_examples=200, deadline=None)
@given(
    st.integers(0, 5),
    st.integers(0, 5),
    st.integers(0, 60),
    st.sampled_from(sorted(ENCODINGS)),
    st.booleans(),
    st.binary(max_size=200),
)
def test_any_bytes_give_an_image_or_a_frame_error(
    height: int, width: int, step: int, encoding: str, big_endian: bool, data: bytes
) -> None:
    image = SimpleNamespace(
        height=height,
        width=width,
        step=step,
        encoding=encoding,
        is_bigendian=big_endian,
        data=data,
    )
    try:
        found = to_rgb(image)
    except FrameError:
        return
    assert found.shape == (height, width, 3) and found.dtype == np.uint8


def test_png_comes_back_exactly() -> None:
    values = random(5, 7, 3)
    _, data = cv2.imencode('.png', values[..., ::-1])
    image = SimpleNamespace(format='rgb8; png compressed bgr8', data=data)
    np.testing.assert_array_equal(decode_compressed(image), values)


def test_jpeg_comes_back_nearly() -> None:
    values = np.full((16, 16, 3), (200, 100, 30), np.uint8)
    _, data = cv2.imencode('.jpg', values[..., ::-1])
    found = decode_compressed(SimpleNamespace(format='jpeg', data=data.tobytes()))
    assert np.abs(found.astype(int) - values).max() <= 4


@pytest.mark.parametrize(
    ('form', 'data', 'expected'),
    [
        ('jpeg', b'', "0 bytes said to be 'jpeg'"),
        ('png', b'no picture at all', "17 bytes said to be 'png'"),
        ('16UC1; compressedDepth', b'x', 'depth image'),
    ],
)
def test_bad_compressed_images_are_refused(form: str, data: bytes, expected: str) -> None:
    with pytest.raises(FrameError, match=expected):
        decode_compressed(SimpleNamespace(format=form, data=data))


def test_a_png_that_is_cut_off_is_refused() -> None:
    _, data = cv2.imencode('.png', random(40, 40, 3))
    with pytest.raises(FrameError):
        decode_compressed(SimpleNamespace(format='png', data=data.tobytes()[:30]))


def jpeg(seed: int = 0, size: int = 48) -> bytes:
    values = np.random.default_rng(seed).integers(0, 256, (size, size, 3), np.uint8)
    return bytes(cv2.imencode('.jpg', values)[1])


def with_thumbnail(data: bytes) -> bytes:
    """Cameras put a small JPEG into the head of the large one."""
    small = b'Exif\0\0' + jpeg(1, 16)
    return data[:2] + b'\xff\xe1' + struct.pack('>H', len(small) + 2) + small + data[2:]


@pytest.mark.parametrize('share', [0.3, 0.6, 0.99])
@pytest.mark.parametrize('thumbnail', [False, True])
def test_a_jpeg_that_is_cut_off_is_refused(thumbnail: bool, share: float) -> None:
    """Whatever the version of OpenCV: some fill the missing rows with grey."""
    data = with_thumbnail(jpeg()) if thumbnail else jpeg()
    whole = decode_compressed(SimpleNamespace(format='jpeg', data=data))
    assert whole.shape == (48, 48, 3)
    with pytest.raises(FrameError, match='JPEG'):
        decode_compressed(SimpleNamespace(format='jpeg', data=data[: int(len(data) * share)]))


def test_what_drivers_append_to_a_jpeg_does_no_harm() -> None:
    data = jpeg()
    found = decode_compressed(SimpleNamespace(format='jpeg', data=data + bytes(100)))
    expected = decode_compressed(SimpleNamespace(format='jpeg', data=data))
    np.testing.assert_array_equal(found, expected)


def test_a_size_beyond_all_memory_is_refused() -> None:
    def chunk(kind: bytes, data: bytes) -> bytes:
        checksum = zlib.crc32(kind + data)
        return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', checksum)

    header = chunk(b'IHDR', struct.pack('>IIBBBBB', 100_000, 100_000, 8, 2, 0, 0, 0))
    body = chunk(b'IDAT', zlib.compress(b'')) + chunk(b'IEND', b'')
    data = b'\x89PNG\r\n\x1a\n' + header + body
    with pytest.raises(FrameError, match='too many pixels'):
        decode_compressed(SimpleNamespace(format='png', data=data))


def test_pixels_stay_where_the_sensor_had_them() -> None:
    """Viewers turn a picture by its EXIF tag; calibration and prompts know nothing of it."""
    file = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter
    Image.new('RGB', (64, 48)).save(file, 'jpeg', exif=exif)
    message = SimpleNamespace(format='jpeg', data=file.getvalue())
    assert decode_compressed(message).shape == (48, 64, 3)
