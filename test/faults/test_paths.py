"""Names from outside never become places outside: nothing there is read, written or deleted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from command import drift as run
from davis_folders import annotation_file, davis_folder, image_file, labels_at, youtube_folder
from jhmdb_folders import write_jhmdb
from PIL import Image

from drift_ros.errors import CheckpointError, OutputError, SourceError
from drift_ros.evaluation.datasets import open_dataset
from drift_ros.evaluation.methods import Flow
from drift_ros.evaluation.running import Options, evaluate
from drift_ros.evaluation.running.folder import EvaluationFolder
from drift_ros.evaluation.scores import Refusal
from drift_ros.features.checkpoints.files import weight_files
from drift_ros.paths import below, is_name
from drift_ros.prompts import read_prompts
from drift_ros.runs.run_folder import RunFolder

LEADING_OUT = ('../victim', 'a/../../victim', '/etc', '..', '.', '', 'a\0b', 'a\\b', 'a\nb')
BARE = Options(pictures=False)


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    """A sequence of somebody else's, whole enough to be evaluated."""
    other = davis_folder(tmp_path / 'other', ['seq'])
    place = image_file(other, 'seq', 0).parent
    (place / 'diary.txt').write_text('dear diary')
    for index in range(6):
        (place / f'{index:05d}.png').write_bytes(annotation_file(other, 'seq', index).read_bytes())
        image_file(other, 'seq', index).unlink()
    return place


def contents(folder: Path) -> dict[str, bytes]:
    files = (file for file in sorted(folder.rglob('*')) if file.is_file())
    return {str(file.relative_to(folder)): file.read_bytes() for file in files}


@pytest.mark.parametrize('upwards', [False, True])
def test_a_split_cannot_name_a_folder_elsewhere(tmp_path, victim, upwards):
    data = davis_folder(tmp_path / 'data')
    name = f'{"../" * 30}{str(victim)[1:]}' if upwards else str(victim)
    (data / 'ImageSets' / '2017' / 'val.txt').write_text(f'boxes\n{name}\n')
    before = contents(victim)
    arguments = ['evaluate', data, '--layout', 'davis', '--features', 'patch', '--no-pictures']
    code, said = run(*arguments, '--out', tmp_path / 'out')
    assert code == 2 and str(victim.name) in said
    assert contents(victim) == before


@pytest.mark.parametrize('name', ['../../victim', 'a/../../../victim'])
def test_lists_of_jhmdb_cannot_either(tmp_path, name):
    pytest.importorskip('scipy')
    write_jhmdb(tmp_path, jump__one=3)
    (tmp_path / 'splits' / 'jump_test_split1.txt').write_text(f'{name}.avi 2\n')
    with pytest.raises(SourceError, match='victim'):
        open_dataset('jhmdb', tmp_path)


def test_results_of_a_sequence_stay_in_the_folder_of_results(tmp_path):
    folder = EvaluationFolder(tmp_path / 'out', {})
    for name in LEADING_OUT:
        with pytest.raises(SourceError):
            folder.of(name)
    assert folder.of('jump/one') == tmp_path / 'out' / 'sequences' / 'jump' / 'one'


@pytest.mark.parametrize('layout', ['davis', 'youtube-vos'])
def test_a_sequence_that_is_a_link_out_is_refused_by_name(tmp_path, victim, layout):
    if layout == 'davis':
        data = davis_folder(tmp_path / 'data', ['boxes'])
        (data / 'ImageSets' / '2017' / 'val.txt').unlink()
        images, annotations = data / 'JPEGImages' / '480p', data / 'Annotations' / '480p'
    else:
        data = youtube_folder(tmp_path / 'data')
        images, annotations = data / 'JPEGImages', data / 'Annotations'
    (images / 'out').symlink_to(victim)
    (annotations / 'out').symlink_to(victim)
    used, refused = open_dataset(layout, data).sequences
    assert not isinstance(used, Refusal)
    assert isinstance(refused, Refusal) and refused.name == 'out' and 'link' in refused.reason


def test_a_data_set_may_itself_be_linked(tmp_path):
    davis_folder(tmp_path / 'disk', ['boxes'])
    (tmp_path / 'data').mkdir()
    for name in ('JPEGImages', 'Annotations', 'ImageSets'):
        (tmp_path / 'data' / name).symlink_to(tmp_path / 'disk' / name)
    (found,) = open_dataset('davis', tmp_path / 'data').sequences
    assert not isinstance(found, Refusal)


@pytest.mark.parametrize('name', ['sequences/boxes', 'sequences'])
def test_results_are_not_written_through_a_link(tmp_path, victim, name):
    dataset = open_dataset('davis', davis_folder(tmp_path / 'data', ['boxes']))
    evaluate(dataset, Flow(), tmp_path / 'out', BARE)
    place = tmp_path / 'out' / name
    place.rename(tmp_path / 'moved')
    place.symlink_to(victim)
    before = contents(victim)
    for overwrite in (False, True):
        with pytest.raises((OutputError, SourceError), match='link'):
            evaluate(dataset, Flow(), tmp_path / 'out', Options(1, False, overwrite))
        assert contents(victim) == before


def test_label_maps_that_are_a_link_are_written_anew_in_its_place(tmp_path, victim):
    dataset = open_dataset('davis', davis_folder(tmp_path / 'data', ['boxes']))
    evaluate(dataset, Flow(), tmp_path / 'out', BARE)
    place = tmp_path / 'out' / 'sequences' / 'boxes' / 'labels'
    place.rename(tmp_path / 'moved')
    place.symlink_to(victim)
    before = contents(victim)
    evaluate(dataset, Flow(), tmp_path / 'out', Options(1, False, overwrite=True))
    assert contents(victim) == before
    assert not place.is_symlink() and len(list(place.iterdir())) == 6


@pytest.mark.parametrize('mask', ['../secret.png', '{}/secret.png', 'link.png'])
def test_masks_of_prompts_lie_below_their_file(tmp_path, mask):
    folder = tmp_path / 'prompts'
    folder.mkdir()
    Image.fromarray(labels_at(0)).save(tmp_path / 'secret.png')
    (folder / 'link.png').symlink_to(tmp_path / 'secret.png')
    (folder / 'p.yaml').write_text(f'prompts: [{{mask: "{mask.format(tmp_path)}"}}]')
    with pytest.raises(SourceError, match='refused'):
        read_prompts(folder / 'p.yaml')
    (folder / 'masks').mkdir()
    (tmp_path / 'secret.png').rename(folder / 'masks' / 'mine.png')
    (folder / 'p.yaml').write_text('prompts: [{mask: masks/mine.png}]')
    assert np.any(read_prompts(folder / 'p.yaml')[0].prompt.mask)


def test_shards_of_weights_lie_beside_their_index(tmp_path):
    index = tmp_path / 'model' / 'model.safetensors.index.json'
    index.parent.mkdir()
    (tmp_path / 'secret.safetensors').write_bytes(b'\0' * 64)
    index.write_text('{"weight_map": {"layer": "../secret.safetensors"}}')
    with pytest.raises(CheckpointError):
        weight_files(index.parent)


def test_deleting_a_run_spares_what_a_file_with_a_line_break_would_name(tmp_path):
    folder = RunFolder(tmp_path / 'out', {})
    folder.begin(False, [])
    mine = tmp_path / 'out' / 'mine.png'
    mine.write_text('not of the run')
    (tmp_path / 'secret').write_text('not of the run')
    with pytest.raises(SourceError):
        folder.created(tmp_path / 'out' / 'a\nmine.png')
    with (tmp_path / 'out' / 'files.txt').open('a') as file:
        file.write('../secret\n' + str(tmp_path / 'secret') + '\n')
    folder.close()
    RunFolder(tmp_path / 'out', {}).begin(True, [])
    assert mine.is_file() and (tmp_path / 'secret').is_file()


@pytest.mark.parametrize('name', LEADING_OUT)
def test_what_leads_out_is_refused(tmp_path, name):
    with pytest.raises(SourceError):
        below(tmp_path / 'folder', name)


def test_ordinary_names_are_taken_whatever_their_language(tmp_path):
    for name in (
        'blackswan',
        'jump/one',
        'ein Bär.png',
        '日本',
        '👨‍👩‍👧',
        'a..b',
        '.hidden',
        'a b ',
    ):
        assert below(tmp_path, name) == tmp_path / name
    (tmp_path / 'inside').mkdir()
    (tmp_path / 'link').symlink_to('inside')
    assert below(tmp_path, 'link/file').parent.resolve() == tmp_path / 'inside'


def test_names_that_no_file_system_takes_are_refused_briefly(tmp_path):
    for name in ('x' * 10_000, 'x/' * 5_000 + 'x', '\ud800'):
        assert not is_name(name)
        with pytest.raises(SourceError) as caught:
            below(tmp_path, name)
        assert len(str(caught.value)) < 500


def test_results_go_where_a_linked_folder_leads(tmp_path):
    (tmp_path / 'disk').mkdir()
    (tmp_path / 'out').symlink_to(tmp_path / 'disk')
    dataset = open_dataset('davis', davis_folder(tmp_path / 'data', ['boxes']))
    evaluate(dataset, Flow(), tmp_path / 'out', BARE)
    assert (tmp_path / 'disk' / 'results.json').is_file() and (tmp_path / 'out').is_symlink()
