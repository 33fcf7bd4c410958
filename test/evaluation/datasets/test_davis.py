"""Folders in the layout of DAVIS."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from davis_folders import (
    annotation_file,
    davis_folder,
    image_file,
    image_of,
    labels_at,
    save_annotation,
)

from drift_ros.errors import SourceError
from drift_ros.evaluation.datasets import Selection, open_dataset
from drift_ros.evaluation.datasets.davis import DavisSequence
from drift_ros.evaluation.scores import Refusal


def one(root: Path, name: str = 'boxes', **selection) -> DavisSequence:
    (found,) = open_dataset('davis', root, Selection((name,), **selection)).sequences
    assert isinstance(found, DavisSequence)
    return found


def refusal(root: Path, name: str = 'boxes') -> str:
    (found,) = open_dataset('davis', root, Selection((name,))).sequences
    assert isinstance(found, Refusal) and found.name == name
    return found.reason


def test_the_protocol_of_davis(tmp_path):
    sequence = one(davis_folder(tmp_path))
    assert sequence.frames == ['00000', '00001', '00002', '00003', '00004', '00005']
    assert list(sequence.scored) == [1, 2, 3, 4]  # neither the first nor the last
    assert sequence.given == {0: (1, 2)}
    assert sequence.objects == {1: '', 2: ''}
    assert np.diff(sequence.stamps) == pytest.approx(1e9 / 24, abs=1)
    np.testing.assert_array_equal(sequence.truth(3), labels_at(3))
    near = sequence.image(3).astype(int) - image_of(labels_at(3))
    assert np.abs(near).mean() < 4  # a JPEG


def test_the_split_names_the_sequences_in_its_order(tmp_path):
    root = davis_folder(tmp_path, ['b', 'c', 'a'])
    assert [s.name for s in open_dataset('davis', root).sequences] == ['b', 'c', 'a']
    (root / 'ImageSets' / '2017' / 'train.txt').write_text('c\n')
    found = open_dataset('davis', root, Selection(split='train')).sequences
    assert [s.name for s in found] == ['c']
    with pytest.raises(SourceError, match=r"'dev'.*train, val"):
        open_dataset('davis', root, Selection(split='dev'))


def test_without_sets_all_folders_are_taken(tmp_path):
    root = davis_folder(tmp_path, ['b', 'a'])
    (root / 'ImageSets' / '2017' / 'val.txt').unlink()
    assert [s.name for s in open_dataset('davis', root).sequences] == ['a', 'b']


def test_the_lists_of_davis_2016_name_files(tmp_path):
    root = davis_folder(tmp_path, ['a', 'b', 'c'])
    (root / 'ImageSets' / '2017' / 'val.txt').unlink()
    (root / 'ImageSets' / '480p').mkdir()
    lines = [f'/JPEGImages/480p/{n}/00000.jpg /Annotations/480p/{n}/00000.png' for n in 'bba']
    (root / 'ImageSets' / '480p' / 'val.txt').write_text('\n'.join(lines))
    assert [s.name for s in open_dataset('davis', root).sequences] == ['b', 'a']


def test_a_list_file_chooses(tmp_path):
    root = davis_folder(tmp_path / 'data', ['a', 'b', 'c'])
    chosen = tmp_path / 'list.txt'
    chosen.write_text('# mine\nc  # the last\n\nx\n')
    names = open_dataset('davis', root, Selection(list_file=chosen)).sequences
    assert [s.name for s in names] == ['c', 'x'] and isinstance(names[1], Refusal)
    chosen.write_text('# nothing\n')
    with pytest.raises(SourceError):
        open_dataset('davis', root, Selection(list_file=chosen))


@pytest.mark.parametrize('name', ['../other', '/etc', 'a/../../b'])
def test_names_do_not_lead_out_of_the_data_set(tmp_path, name):
    with pytest.raises(SourceError):
        open_dataset('davis', davis_folder(tmp_path), Selection((name,)))


def test_only_the_first_frames(tmp_path):
    sequence = one(davis_folder(tmp_path), limit=4)
    assert len(sequence.frames) == 4 and list(sequence.scored) == [1, 2]


def test_merged_objects_are_one(tmp_path):
    sequence = one(davis_folder(tmp_path), merge=True)
    assert sequence.objects == {1: ''} and sequence.given == {0: (1,)}
    np.testing.assert_array_equal(sequence.truth(2), labels_at(2) > 0)


def test_the_binary_masks_of_davis_2016_are_one_object(tmp_path):
    root = davis_folder(tmp_path)
    for index in range(6):
        mask = (labels_at(index) > 0).astype(np.uint8) * 255
        save_annotation(annotation_file(root, 'boxes', index), mask)
    sequence = one(root)
    assert sequence.objects == {1: ''}
    np.testing.assert_array_equal(sequence.truth(4), labels_at(4) > 0)


def test_void_is_background(tmp_path):
    root = davis_folder(tmp_path)
    labels = labels_at(3)
    labels[40:] = 255
    save_annotation(annotation_file(root, 'boxes', 3), labels)
    np.testing.assert_array_equal(one(root).truth(3), labels_at(3))


def test_another_process_reads_the_same(tmp_path):
    sequence = one(davis_folder(tmp_path))
    again = pickle.loads(pickle.dumps(sequence))
    assert (again.name, again.objects, again.digest) == (
        sequence.name,
        sequence.objects,
        sequence.digest,
    )
    np.testing.assert_array_equal(again.truth(2), sequence.truth(2))


def test_the_digest_changes_with_a_file(tmp_path):
    root = davis_folder(tmp_path)
    before = one(root).digest
    assert one(root).digest == before
    save_annotation(annotation_file(root, 'boxes', 2), labels_at(0))
    assert one(root).digest != before


# ---- bad data, by name


def test_a_missing_annotation(tmp_path):
    root = davis_folder(tmp_path)
    annotation_file(root, 'boxes', 2).unlink()
    annotation_file(root, 'boxes', 4).unlink()
    assert '00002.png and 1 more' in refusal(root)


def test_a_sequence_that_is_not_there(tmp_path):
    assert 'has 0 pictures' in refusal(davis_folder(tmp_path), 'nowhere')


def test_a_sequence_without_a_frame_between_the_first_and_the_last(tmp_path):
    assert 'has 2 pictures; expected 3' in refusal(davis_folder(tmp_path, frames=2))


def test_an_empty_first_mask(tmp_path):
    root = davis_folder(tmp_path)
    save_annotation(annotation_file(root, 'boxes', 0), np.zeros((48, 64), np.uint8))
    with pytest.raises(SourceError, match=r'00000\.png'):
        _ = one(root).objects


@pytest.mark.parametrize('keep', [0, 20, 300])
def test_a_broken_jpeg(tmp_path, keep):
    root = davis_folder(tmp_path)
    file = image_file(root, 'boxes', 3)
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.raises(SourceError, match=r'00003\.jpg'):
        one(root).image(3)


def test_a_broken_annotation(tmp_path):
    root = davis_folder(tmp_path)
    file = annotation_file(root, 'boxes', 3)
    file.write_bytes(file.read_bytes()[:60])
    with pytest.raises(SourceError, match=r'00003\.png'):
        one(root).truth(3)


def test_a_folder_that_is_no_data_set(tmp_path):
    with pytest.raises(SourceError, match='JPEGImages'):
        open_dataset('davis', tmp_path)


def test_another_resolution_is_named(tmp_path):
    with pytest.raises(SourceError, match=r'480p.*--resolution'):
        open_dataset('davis', davis_folder(tmp_path), Selection(resolution='1080p'))


def test_no_sequences(tmp_path):
    (tmp_path / 'JPEGImages' / '480p').mkdir(parents=True)
    with pytest.raises(SourceError, match='davis'):
        open_dataset('davis', tmp_path)


def test_an_unknown_layout(tmp_path):
    with pytest.raises(SourceError, match=r"'imagenet'.*davis"):
        open_dataset('imagenet', tmp_path)


def test_real_clips(davis):
    found = {s.name: s for s in open_dataset('davis', davis / 'test').usable}
    assert list(found) == ['blackswan', 'car-shadow', 'libby', 'dogs-jump']
    dogs = found['dogs-jump']
    assert list(dogs.objects) == [1, 2, 3] and len(dogs.frames) == 66
    assert dogs.image(0).shape == (240, 432, 3) and dogs.truth(65).shape == (240, 432)


def test_ways_to_write_a_name_are_one_sequence(tmp_path):
    davis_folder(tmp_path, ['a'])
    found = open_dataset('davis', tmp_path, Selection(('a', 'a/', './a'))).sequences
    assert [sequence.name for sequence in found] == ['a']


def test_data_sets_below_are_named(tmp_path):
    davis_folder(tmp_path / 'val')
    with pytest.raises(SourceError, match=str(tmp_path / 'val')):
        open_dataset('davis', tmp_path)


def test_two_pictures_of_one_frame_are_refused(tmp_path):
    davis_folder(tmp_path, ['a'])
    (tmp_path / 'JPEGImages/480p/a/00002.png').touch()
    (refused,) = open_dataset('davis', tmp_path).sequences
    assert '00002.jpg' in refused.reason and '00002.png' in refused.reason
