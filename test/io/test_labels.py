"""Label maps: what is one, and which topic has them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from recordings import Bag, moving, stamp

from drift_ros.errors import FrameError, SourceError
from drift_ros.io import messages
from drift_ros.io.bags import BagReader
from drift_ros.io.labels import DTYPES, label_map, label_topic, to_ids


@pytest.mark.parametrize('encoding', DTYPES)
@given(ids=arrays(np.uint8, (5, 7), elements=st.integers(0, 254)))
def test_ids_survive_every_encoding(encoding: str, ids: np.ndarray) -> None:
    message = messages.image(ids.astype(DTYPES[encoding]), encoding, 1, '')
    np.testing.assert_array_equal(label_map(message), ids)


def test_padding_and_byte_order() -> None:
    ids = np.arange(6, dtype='>u2').reshape(2, 3)
    message = messages.image(np.zeros((2, 5), np.uint16), 'mono16', 1, '')
    message.width, message.is_bigendian = 3, 1
    message.data = np.pad(ids, ((0, 0), (0, 2))).view(np.uint8).ravel()
    np.testing.assert_array_equal(label_map(message), ids)


@pytest.mark.parametrize(
    ('values', 'expected'),
    [
        (np.array([[0, 255]], np.uint8), [[0, 1]]),
        (np.array([[255, 255]], np.uint16), [[1, 1]]),
        (np.array([[True, False]]), [[1, 0]]),
        (np.array([[0, 0]], np.int32), [[0, 0]]),
    ],
)
def test_masks_become_one_object(values: np.ndarray, expected: list[list[int]]) -> None:
    assert to_ids(values).tolist() == expected
    assert to_ids(values).dtype == np.uint8


@pytest.mark.parametrize('values', [[[1, 255]], [[256]], [[-1, 3]], [[65535]]])
def test_what_is_no_id(values: Any) -> None:
    with pytest.raises(FrameError):
        to_ids(np.array(values, np.int32))


@pytest.mark.parametrize(
    ('message', 'expected'),
    [
        (messages.image(np.zeros((2, 2, 3), np.uint8), 'rgb8', 1, ''), "encoding 'rgb8' is none"),
        (messages.image(np.zeros((2, 2), np.float32), '32FC1', 1, ''), "'32FC1' is none"),
        (
            messages.compressed_image(b'junk', 'png', 1, ''),
            '4 bytes said .*: no whole picture',
        ),
        (messages.compressed_image(b'', 'png', 1, ''), 'no whole picture'),
    ],
)
def test_what_is_no_label_map(message: Any, expected: str) -> None:
    with pytest.raises(FrameError, match=expected):
        label_map(message)


@pytest.mark.parametrize(
    ('topic', 'encoding', 'chosen'),
    [
        ('/anything', '8UC1', True),
        ('/segmentation', 'mono8', True),
        ('/truth', 'mono16', True),
        ('/camera/left', 'mono8', False),
        ('/depth', '16UC1', False),
        ('/labels', 'bgr8', False),
    ],
)
def test_which_topics_are_taken_for_label_maps(
    tmp_path: Path, topic: str, encoding: str, chosen: bool
) -> None:
    bag = Bag()
    shape = (4, 4, 3) if encoding == 'bgr8' else (4, 4)
    dtype = np.uint16 if '16' in encoding else np.uint8
    bag.labels(stamp(0), np.zeros(shape, dtype), topic=topic, encoding=encoding)
    with BagReader(bag.write(tmp_path / 'bag')) as reader:
        if chosen:
            assert label_topic(reader, None, '--labels') == topic
            with pytest.raises(SourceError, match='--labels'):
                label_topic(reader, None, '--labels', exclude=[topic])
        else:
            with pytest.raises(SourceError):
                label_topic(reader, None, '--labels')
        assert label_topic(reader, topic, '--labels') == topic


def test_a_preference_decides_among_several(tmp_path: Path) -> None:
    bag = Bag()
    for topic in ('/a/labels', '/b/labels', '/truth/labels'):
        bag.labels(stamp(0), moving(0), topic=topic)
    with BagReader(bag.write(tmp_path / 'bag')) as reader:
        prefer = lambda topic: 'truth' in topic  # noqa: E731
        assert label_topic(reader, None, '--x', prefer=prefer) == '/truth/labels'
        with pytest.raises(SourceError, match=r'/a/labels, /b/labels.*--x'):
            label_topic(reader, None, '--x', ['/truth/labels'], prefer)
