"""Small files that promise huge pictures are refused by their header, before they are decoded."""

from __future__ import annotations

import io
import resource
import struct
import zlib
from types import SimpleNamespace

import numpy as np
import pytest
from davis_folders import annotation_file, davis_folder, image_file
from PIL import Image

from drift_ros.errors import FrameError, SourceError
from drift_ros.evaluation.datasets import open_dataset
from drift_ros.io import messages
from drift_ros.io.bag_writer import BagWriter
from drift_ros.io.conversion import read_labels
from drift_ros.io.frames import open_source
from drift_ros.io.images import decode_compressed, to_rgb
from drift_ros.io.labels import label_map
from drift_ros.prompts import read_prompts

SIDE = 16_000
MIB = 1 << 20


def png_bomb() -> bytes:
    """16000x16000 grey px in 250 kB."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return (
            struct.pack('>I', len(data)) + name + data + struct.pack('>I', zlib.crc32(name + data))
        )

    packer = zlib.compressobj(9)
    rows = b''.join(packer.compress(bytes(SIDE + 1)) for _ in range(SIDE)) + packer.flush()
    header = struct.pack('>IIBBBBB', SIDE, SIDE, 8, 0, 0, 0, 0)
    parts = (chunk(b'IHDR', header), chunk(b'IDAT', rows), chunk(b'IEND', b''))
    return b'\x89PNG\r\n\x1a\n' + b''.join(parts)


def jpeg_bomb() -> bytes:
    """A small JPEG whose header promises 16000x16000 px."""
    data = bytearray(jpeg(32))
    start = data.index(b'\xff\xc0') + 5
    data[start : start + 4] = struct.pack('>HH', SIDE, SIDE)
    return bytes(data)


def jpeg(side: int) -> bytes:
    file = io.BytesIO()
    Image.new('RGB', (side, side), 'red').save(file, 'JPEG')
    return file.getvalue()


BOMBS = {'png': png_bomb(), 'jpeg': jpeg_bomb()}


@pytest.fixture(params=BOMBS)
def bomb(request: pytest.FixtureRequest) -> tuple[str, bytes]:
    return request.param, BOMBS[request.param]


@pytest.fixture(autouse=True)
def _no_memory_is_taken():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 150_000  # kB


def message(form: str, data: bytes) -> SimpleNamespace:
    return SimpleNamespace(format=form, data=data)


def test_compressed_messages(bomb):
    with pytest.raises(FrameError, match='too many pixels'):
        decode_compressed(message(*bomb))
    with pytest.raises(FrameError, match='too many pixels'):
        label_map(message(*bomb))


def test_the_limit_is_a_parameter():
    assert decode_compressed(message('jpeg', jpeg(40)), 1600).shape == (40, 40, 3)
    with pytest.raises(FrameError, match='40x40'):
        decode_compressed(message('jpeg', jpeg(40)), 1599)
    raw = messages.image(np.zeros((40, 40, 3), np.uint8), 'rgb8', 1, 'camera')
    with pytest.raises(FrameError, match='40x40'):
        to_rgb(raw, 1599)


def test_pictures_in_a_folder(tmp_path, bomb):
    form, data = bomb
    (tmp_path / '0.jpg').write_bytes(jpeg(40))
    (tmp_path / f'1.{form}').write_bytes(data)
    with open_source(tmp_path) as source:
        assert [frame.index for frame in source.frames()] == [0]
        assert source.skipped.total == 1 and 'too many pixels' in source.skipped[0]
    with open_source(tmp_path, max_pixels=100) as source:
        assert not list(source.frames())


def test_messages_of_a_bag(tmp_path, bomb):
    with BagWriter(tmp_path / 'bag') as bag:
        for stamp, data in enumerate((jpeg(40), bomb[1]), 1):
            image = messages.compressed_image(data, 'jpeg', stamp, 'camera')
            bag.write('/image', messages.COMPRESSED_IMAGE, image, stamp)
    with open_source(tmp_path / 'bag') as source:
        assert [frame.stamp for frame in source.frames()] == [1]
        assert 'too many pixels' in source.skipped[0]


def test_data_sets(tmp_path, bomb):
    data = davis_folder(tmp_path, ['boxes'])
    annotation_file(data, 'boxes', 1).write_bytes(bomb[1])
    image_file(data, 'boxes', 2).write_bytes(bomb[1])
    (sequence,) = open_dataset('davis', data).usable
    for read, index in ((sequence.truth, 1), (sequence.image, 2)):
        with pytest.raises(SourceError, match='too many pixels'):
            read(index)


def test_masks_and_label_maps(tmp_path):
    path = tmp_path / 'mask.png'
    path.write_bytes(BOMBS['png'])
    (tmp_path / 'prompts.yaml').write_text('prompts: [{mask: mask.png}]')
    for read in (
        lambda: read_prompts(path),
        lambda: read_prompts(tmp_path / 'prompts.yaml'),
        lambda: read_labels(path, (48, 64)),
    ):
        with pytest.raises(SourceError, match='too many pixels'):
            read()


def test_videos(tmp_path):
    from drift_ros.io.video import VideoWriter

    with VideoWriter(tmp_path / 'clip.mp4', 10, (48, 64)) as video:
        video.write(np.zeros((48, 64, 3), np.uint8))
    with open_source(tmp_path / 'clip.mp4', max_pixels=48 * 64) as source:
        assert len(list(source.frames())) == 1
    with pytest.raises(SourceError, match='64x48'):
        open_source(tmp_path / 'clip.mp4', max_pixels=3000)
