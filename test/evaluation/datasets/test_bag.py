"""Bags as annotated sequences."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from recordings import MS, SIZE, Bag, annotated, boxes, moving, stamp

from drift_ros.errors import SourceError
from drift_ros.evaluation.datasets import open_dataset
from drift_ros.evaluation.datasets.bag import BagSequence
from drift_ros.evaluation.datasets.selection import Selection
from drift_ros.evaluation.scores import Refusal
from drift_ros.io import messages

COUNT = 5


def opened(path: Path, **selection: Any) -> BagSequence:
    (sequence,) = open_dataset('bag', path, Selection(**selection)).sequences
    assert isinstance(sequence, BagSequence)
    return sequence


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
def test_what_was_put_in_comes_out_in_any_order(tmp_path: Path, storage: str) -> None:
    bag = opened(
        annotated(tmp_path / 'kitchen', [moving(i) for i in range(COUNT)], storage=storage)
    )
    assert bag.name == 'kitchen'
    assert bag.frames == [f'{index:05d}' for index in range(COUNT)]
    assert bag.stamps == [stamp(index) for index in range(COUNT)]
    assert bag.objects == {1: '', 2: ''} and bag.given == {0: (1, 2)}
    assert bag.scored == [1, 2, 3, 4] and bag.skipped == []
    for index in (4, 0, 2, 1, 3):
        np.testing.assert_array_equal(bag.truth(index), moving(index))
        assert (bag.image(index) == stamp(index) // MS % 251).all()
        assert bag.image(index).shape == (*SIZE, 3)


def test_another_process_reads_the_same(tmp_path: Path) -> None:
    bag = opened(annotated(tmp_path / 'bag', [moving(i) for i in range(COUNT)]), limit=3)
    bag.image(0)
    again = pickle.loads(pickle.dumps(bag))
    assert again.frames == bag.frames and again.digest == bag.digest and len(again.frames) == 3
    np.testing.assert_array_equal(again.image(2), bag.image(2))


def test_the_digest_changes_with_the_bag(tmp_path: Path) -> None:
    path = annotated(tmp_path / 'bag', [moving(0)] * 2)
    before = opened(path).digest
    file = next(path.glob('*.mcap'))
    file.write_bytes(file.read_bytes() + b'\0')
    assert opened(path).digest != before


def test_objects_are_given_where_they_are_first_seen(tmp_path: Path) -> None:
    """And what comes before the first object or after the last label map is not tracked."""
    bag = Bag()
    truths = {1: boxes(), 2: boxes(id4=(5, 5)), 4: boxes(id4=(5, 5), id2=(30, 9)), 5: boxes()}
    for index in range(8):
        bag.image(stamp(index))
        if index in truths:
            bag.labels(stamp(index), truths[index])
            bag.tracks(stamp(index), {2: 'cup', 4: 'pan'}, topic='/truth/tracks')
    found = opened(bag.write(tmp_path / 'bag'))
    assert found.frames == ['00002', '00003', '00004', '00005']
    assert found.given == {0: (4,), 2: (2,)}
    assert found.scored == [2, 3]
    assert found.objects == {2: 'cup', 4: 'pan'}
    np.testing.assert_array_equal(found.truth(2), truths[4])


def test_all_objects_as_one(tmp_path: Path) -> None:
    found = opened(annotated(tmp_path / 'bag', [moving(i) for i in range(3)]), merge=True)
    assert found.objects == {1: ''} and found.given == {0: (1,)}
    np.testing.assert_array_equal(found.truth(1), moving(1) > 0)


def test_a_folder_of_bags_with_the_truth_elsewhere(tmp_path: Path) -> None:
    for name in ('a', 'b'):
        images, truth = Bag(), Bag()
        for index in range(3):
            images.image(stamp(index))
            truth.labels(stamp(index), moving(index), topic='/annotated')
        images.write(tmp_path / 'images' / name)
        truth.write(tmp_path / 'truth' / name)
    (tmp_path / 'images' / 'notes.txt').write_text('x')
    selection = Selection(truth=tmp_path / 'truth')
    found = open_dataset('bag', tmp_path / 'images', selection)
    assert [sequence.name for sequence in found.sequences] == ['a', 'b']
    np.testing.assert_array_equal(found.usable[1].truth(2), moving(2))
    chosen = Selection(sequences=('b', 'c'), truth=tmp_path / 'truth')
    usable, refused = open_dataset('bag', tmp_path / 'images', chosen).sequences
    assert usable.name == 'b' and 'no bag of this name' in refused.reason  # type: ignore[union-attr]


def test_one_bag_with_the_truth_elsewhere(tmp_path: Path) -> None:
    images, truth = Bag(), Bag()
    for index in range(3):
        images.image(stamp(index))
        truth.labels(stamp(index), moving(index))
    path, other = images.write(tmp_path / 'images'), truth.write(tmp_path / 'truth')
    data = open_dataset('bag', path, Selection(truth=other))
    np.testing.assert_array_equal(data.usable[0].truth(2), moving(2))
    assert json.loads(json.dumps(data.facts))['truth'] == str(other)  # results hold them
    (refused,) = open_dataset('bag', path, Selection(('lab',), truth=other)).sequences
    assert isinstance(refused, Refusal) and 'no bag of this name, but images' in refused.reason


# -- kinds of messages ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ('encoding', 'dtype'),
    [
        ('mono8', np.uint8),
        ('8UC1', np.uint8),
        ('mono16', np.uint16),
        ('16UC1', np.uint16),
        ('32SC1', np.int32),
    ],
)
def test_every_encoding_of_label_maps(tmp_path: Path, encoding: str, dtype: type) -> None:
    bag = Bag()
    for index in range(3):
        bag.image(stamp(index))
        bag.labels(stamp(index), moving(index).astype(dtype), encoding=encoding)
    found = opened(bag.write(tmp_path / 'bag'))
    np.testing.assert_array_equal(found.truth(1), moving(1))


@pytest.mark.parametrize('palette', [False, True])
def test_compressed_images_and_label_maps(tmp_path: Path, palette: bool) -> None:
    import io

    def encoded(pixels: np.ndarray, form: str) -> bytes:
        picture = Image.fromarray(pixels)
        if palette and pixels.ndim == 2:
            picture.putpalette(np.arange(255, -1, -1).repeat(3).astype(np.uint8).tobytes())
        file = io.BytesIO()
        picture.save(file, form)
        return file.getvalue()

    bag, kind = Bag(), messages.COMPRESSED_IMAGE
    for index in range(3):
        at = stamp(index)
        image = encoded(np.full((*SIZE, 3), 90, np.uint8), 'jpeg')
        labels = encoded(moving(index), 'png')
        bag.put('/c/compressed', kind, messages.compressed_image(image, 'jpeg', at, ''), at)
        bag.put('/c/labels', kind, messages.compressed_image(labels, 'png', at, ''), at)
    found = opened(bag.write(tmp_path / 'bag'))
    np.testing.assert_array_equal(found.truth(2), moving(2))
    assert abs(int(found.image(2).mean()) - 90) <= 1


def test_a_mask_of_0_and_255_is_one_object(tmp_path: Path) -> None:
    mask = (moving(0) == 1).astype(np.uint8) * 255
    found = opened(annotated(tmp_path / 'bag', [mask] * 2))
    assert found.objects == {1: ''}
    np.testing.assert_array_equal(found.truth(1), moving(0) == 1)


# -- what is wrong --------------------------------------------------------------------------------


def refused(path: Path, expected: str, **selection: Any) -> None:
    with pytest.raises(SourceError, match=expected):
        _ = opened(path, **selection).frames


def test_broken_messages_are_left_out_by_name(tmp_path: Path) -> None:
    bag = Bag()
    for index in range(COUNT):
        bag.image(stamp(index))
        bag.labels(stamp(index), moving(index))
    bag.messages[2][3].data = bag.messages[2][3].data[:50]  # the image of frame 1
    bag.messages[5][3].encoding = 'rgb8'  # the label map of frame 2
    bag.image(stamp(3), stamp(3) + 1)  # once more
    found = opened(bag.write(tmp_path / 'bag'))
    assert found.frames == ['00000', '00002', '00003', '00005']
    assert found.scored == [2, 3]
    told = '\n'.join(found.skipped)
    assert 'message 1 of /camera/image: too little data' in told
    assert 'message 4 of /camera/image: its stamp is not after the one before' in told
    assert "on /truth/labels: the encoding 'rgb8' is none of a label map" in told
    assert '1 label maps without an image' in told


@pytest.mark.parametrize(
    ('value', 'dtype', 'encoding', 'expected'),
    [
        (255, np.uint8, '8UC1', 'has the value 255'),
        (1000, np.uint16, '16UC1', 'has the value 1000'),
        (-1, np.int32, '32SC1', 'has the value -1'),
    ],
)
def test_values_that_are_no_ids(
    tmp_path: Path, value: int, dtype: type, encoding: str, expected: str
) -> None:
    bag = Bag()
    for index in range(3):
        labels = moving(index).astype(dtype)
        labels[0, 0] = value if index == 1 else 0
        bag.image(stamp(index))
        bag.labels(stamp(index), labels, encoding=encoding)
    found = opened(bag.write(tmp_path / 'bag'))
    assert found.scored == [2]
    assert expected in found.skipped[0]


def test_label_maps_as_jpeg_are_refused(tmp_path: Path) -> None:
    import cv2

    bag = Bag()
    for index in range(2):
        at = stamp(index)
        data = cv2.imencode('.jpg', moving(index))[1].tobytes()
        message = messages.compressed_image(data, '8UC1; jpeg compressed', at, '')
        bag.image(at)
        bag.put('/truth/labels', messages.COMPRESSED_IMAGE, message, at)
    found = opened(bag.write(tmp_path / 'bag'))
    with pytest.raises(SourceError, match='JPEG'):
        _ = found.frames


def test_sizes_that_differ(tmp_path: Path) -> None:
    bag = Bag()
    for index in range(3):
        bag.image(stamp(index))
        bag.labels(stamp(index), moving(index)[:30] if index == 1 else moving(index))
    found = opened(bag.write(tmp_path / 'some'))
    assert found.scored == [2] and 'has 80x30 px, its image 80x60 px' in found.skipped[0]
    every = annotated(tmp_path / 'all', [moving(0)[:30]] * 3)
    refused(every, 'has 80x30 px, its image 80x60 px, and so have all')


def test_stamps_that_differ(tmp_path: Path) -> None:
    bag = Bag()
    for index in range(3):
        bag.image(stamp(index))
        bag.labels(stamp(index) + MS, moving(index))
    path = bag.write(tmp_path / 'bag')
    refused(path, r'nearest differ by 0\.001000 s.*--tolerance')
    found = opened(path, tolerance=0.0011)
    assert found.stamps == [stamp(index) for index in range(3)] and found.scored == [1, 2]


def test_topics(tmp_path: Path) -> None:
    bag = Bag()
    for index in range(2):
        bag.image(stamp(index), topic='/left/image')
        bag.image(stamp(index), topic='/right/image')
        bag.labels(stamp(index), moving(index), topic='/one/labels')
        bag.labels(stamp(index), moving(index), topic='/two/labels')
    path = bag.write(tmp_path / 'bag')
    refused(path, r'several topics of label maps: name one of /one/labels, /two/labels with --la')
    refused(path, r'several image topics.*/left/image, /right/image', labels='/one/labels')
    refused(path, r'/three/labels is not in .*did you mean', labels='/three/labels')
    refused(path, r'/middle/image is not in', labels='/one/labels', image='/middle/image')
    assert opened(path, labels='/one/labels', image='/left/image').scored == [1]


def test_no_labels_and_no_objects(tmp_path: Path) -> None:
    bag = Bag()
    bag.image(stamp(0))
    refused(bag.write(tmp_path / 'images'), r'no topic that is plainly of label maps.*--labels')
    empty = annotated(tmp_path / 'empty', [boxes()] * 2)
    refused(empty, 'none of 2 label maps shows an object')


def test_places_that_are_no_bags(tmp_path: Path) -> None:
    for path, expected in (
        (tmp_path / 'nothing', 'there is nothing at'),
        (tmp_path, 'neither a bag nor a folder of bags'),
    ):
        with pytest.raises(SourceError, match=expected):
            open_dataset('bag', path)


def test_a_truth_that_is_missing_or_cut_off(tmp_path: Path) -> None:
    path = annotated(tmp_path / 'bag', [moving(0)] * 3)
    refused(path, 'there is no bag at', truth=tmp_path / 'nothing')
    file = next(path.glob('*.mcap'))
    file.write_bytes(file.read_bytes()[: file.stat().st_size * 2 // 3])
    refused(path, 'cannot read the bag|cut off')
