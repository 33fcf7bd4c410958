"""Folders in the layout of YouTube-VOS."""

from __future__ import annotations

import numpy as np
import pytest
from davis_folders import labels_at, save_annotation, youtube_folder

from drift_ros.errors import SourceError
from drift_ros.evaluation.datasets import Selection, open_dataset
from drift_ros.evaluation.scores import Refusal


def opened(root, **selection):
    return open_dataset('youtube-vos', root, Selection(**selection)).sequences


@pytest.mark.parametrize('meta', [False, True])
def test_objects_are_given_where_they_appear(tmp_path, meta):
    (sequence,) = opened(youtube_folder(tmp_path, meta=meta))
    assert len(sequence.frames) == 16
    assert sequence.given == {0: (1,), 5: (2,)}
    assert list(sequence.scored) == [5, 10, 15]
    assert sequence.objects == ({1: 'kind 1', 2: 'kind 2'} if meta else {1: '', 2: ''})
    np.testing.assert_array_equal(sequence.truth(10), labels_at(10))


def test_a_sequence_begins_with_its_first_annotation(tmp_path):
    root = youtube_folder(tmp_path)
    (root / 'Annotations' / 'late' / '00000.png').unlink()
    (sequence,) = opened(root)
    assert sequence.frames[0] == '00005'
    assert sequence.given == {0: (1, 2)} and list(sequence.scored) == [5, 10]


def test_names_of_frames_tell_the_time(tmp_path):
    root = youtube_folder(tmp_path)
    for file in (root / 'JPEGImages' / 'late').iterdir():
        if int(file.stem) % 5:
            file.unlink()
    (sequence,) = opened(root)
    assert sequence.frames == ['00000', '00005', '00010', '00015']
    assert np.diff(sequence.stamps) == pytest.approx(1e9 / 6, abs=1)


def test_an_object_that_meta_knows_but_no_annotation_shows_is_not_given(tmp_path):
    root = youtube_folder(tmp_path, meta=True)
    for index in (5, 10, 15):
        save_annotation(root / 'Annotations' / 'late' / f'{index:05d}.png', labels_at(index, [1]))
    (sequence,) = opened(root)
    assert sequence.given == {0: (1,)} and list(sequence.objects) == [1]


def test_a_list_names_the_subset(tmp_path):
    root = youtube_folder(tmp_path / 'data')
    youtube_folder(root, name='other')
    (tmp_path / 'similar.txt').write_text('other\n')
    (sequence,) = opened(root, list_file=tmp_path / 'similar.txt')
    assert sequence.name == 'other'


def test_empty_annotations_are_refused(tmp_path):
    root = youtube_folder(tmp_path)
    for file in (root / 'Annotations' / 'late').iterdir():
        save_annotation(file, np.zeros((48, 64), np.uint8))
    (sequence,) = opened(root)
    with pytest.raises(SourceError, match='late'):
        _ = sequence.objects


def test_an_annotation_without_a_picture_is_refused(tmp_path):
    root = youtube_folder(tmp_path)
    (root / 'JPEGImages' / 'late' / '00010.jpg').unlink()
    (found,) = opened(root)
    assert isinstance(found, Refusal) and '00010.png belongs to no picture' in found.reason


def test_one_annotation_alone_cannot_be_scored(tmp_path):
    (found,) = opened(youtube_folder(tmp_path, frames=4))
    assert isinstance(found, Refusal) and 'has 1 annotation' in found.reason


def test_a_folder_of_another_layout_is_refused(tmp_path):
    with pytest.raises(SourceError, match='JPEGImages'):
        opened(tmp_path)


@pytest.mark.parametrize('text', ['{', '[]', '{"videos": {"late": {"objects": {"x": {}}}}}'])
def test_a_broken_meta_is_refused(tmp_path, text):
    root = youtube_folder(tmp_path)
    (root / 'meta.json').write_text(text)
    with pytest.raises(SourceError, match=r'meta\.json'):
        opened(root)


def test_two_pictures_of_one_frame_are_refused(tmp_path):
    youtube_folder(tmp_path)
    (tmp_path / 'JPEGImages/late/00002.png').touch()
    (refused,) = open_dataset('youtube-vos', tmp_path).sequences
    assert '00002.jpg' in refused.reason and '00002.png' in refused.reason
