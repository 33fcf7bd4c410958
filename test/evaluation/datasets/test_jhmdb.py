"""JHMDB: layout, splits, lists, bad data, and an evaluation from end to end."""

from __future__ import annotations

import io
import json
import pickle
import sys
from pathlib import Path

import numpy as np
import pytest
from jhmdb_folders import render, write_jhmdb
from rich.console import Console

from drift_ros.errors import SettingsError, SourceError
from drift_ros.evaluation.datasets import Selection, open_dataset
from drift_ros.evaluation.methods import Flow, Ours
from drift_ros.evaluation.reporting.latex import latex
from drift_ros.evaluation.reporting.reading import read_results
from drift_ros.evaluation.reporting.report import write_report
from drift_ros.evaluation.reporting.terminal import print_results
from drift_ros.evaluation.running import Options, evaluate
from drift_ros.evaluation.scores import Refusal
from drift_ros.settings import TrackerSettings, build

SEEDS = {'wave__one': 8, 'wave__two': 5, 'sit__three': 3}
NAMES = ['sit/three', 'wave/one', 'wave/two']


@pytest.fixture(scope='module')
def rendered(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp('jhmdb')
    write_jhmdb(root, **SEEDS)
    return root


@pytest.fixture
def root(rendered, tmp_path) -> Path:
    import shutil

    return Path(shutil.copytree(rendered, tmp_path / 'data'))


def names(root: Path, **chosen: object) -> list[str]:
    return [s.name for s in open_dataset('jhmdb', root, Selection(**chosen)).sequences]


def refusal(root: Path) -> str:
    sequence = open_dataset('jhmdb', root, Selection(sequences=('wave/one',))).sequences[0]
    if isinstance(sequence, Refusal):
        return sequence.reason
    with pytest.raises(SourceError) as error:
        sequence.pose(0)
    return str(error.value)


def mat(root: Path) -> Path:
    return root / 'joint_positions' / 'wave' / 'one' / 'joint_positions.mat'


def test_the_test_videos_of_split_1_are_read(rendered):
    sequences = open_dataset('jhmdb', rendered).sequences
    assert [s.name for s in sequences] == NAMES  # 'other.avi 1' is for training
    images, joints = render(SEEDS['wave__one'])
    copy = pickle.loads(pickle.dumps(sequences[1]))
    assert copy.frames == [f'{i:05d}' for i in range(1, 7)] and copy.scored == range(1, 6)
    assert copy.side == 320 and len(copy.joints) == 15
    for index in (0, 5):
        np.testing.assert_array_equal(copy.image(index), images[index])
        np.testing.assert_allclose(copy.pose(index), joints[index])


def test_lists_and_splits_choose(root):
    short, published = root / 'short.txt', root / 'published.txt'
    short.write_text('wave/two\n')
    published.write_text('/else/Rename_Images/sit/three /else/sit/three/joint_positions.mat\n')
    assert names(root, list_file=short) == ['wave/two']
    assert names(root, list_file=published) == ['sit/three']
    (root / 'splits' / 'wave_test_split3.txt').write_text('one.avi 1\ntwo.avi 2\n')
    assert names(root, split='3') == ['wave/two']
    with pytest.raises(SourceError, match=r"'2'.*1, 3"):
        names(root, split='2')


def test_limits(root):
    sequence = open_dataset('jhmdb', root, Selection(limit=4)).sequences[0]
    assert len(sequence.frames) == len(sequence.stamps) == 4


def test_another_layout_is_refused(tmp_path):
    with pytest.raises(SourceError, match='Rename_Images'):
        open_dataset('jhmdb', tmp_path)


def test_bad_data_is_refused_by_name(root):
    from scipy.io import savemat

    savemat(mat(root), {'other': np.zeros(3)})
    assert "has no matrix 'pos_img'" in refusal(root)
    savemat(mat(root), {'pos_img': np.zeros((2, 14, 6))})
    assert 'pos_img is 2x14x6; expected 2x15xframes' in refusal(root)
    savemat(mat(root), {'pos_img': np.full((2, 15, 6), np.nan)})
    assert 'not finite' in refusal(root)
    savemat(mat(root), {'pos_img': np.zeros((2, 15, 7))})
    assert 'joints of 7 frames, and there are 6 pictures' in refusal(root)
    mat(root).write_bytes(b'no matrix at all')
    assert 'as a file of Matlab' in refusal(root)
    mat(root).unlink()
    assert 'joint_positions.mat is missing' in refusal(root)
    for picture in (root / 'Rename_Images' / 'wave' / 'one').iterdir():
        picture.unlink()
    assert 'has 0 pictures' in refusal(root)


def test_pictures_without_joints_are_left_out_by_name(root):
    from scipy.io import loadmat, savemat

    joints = loadmat(mat(root))['pos_img']
    savemat(mat(root), {'pos_img': joints[..., :4]})
    sequence = open_dataset('jhmdb', root, Selection(sequences=('wave/one',))).sequences[0]
    assert len(sequence.frames) == 4
    assert sequence.skipped == ['the last 2 pictures have no joints']


def test_without_scipy_it_is_said_what_to_install(root, monkeypatch):
    monkeypatch.setitem(sys.modules, 'scipy.io', None)
    assert 'pip install scipy' in refusal(root)


def test_masks_cannot_be_tracked_there(rendered, tmp_path):
    with pytest.raises(SettingsError, match='flow'):
        evaluate(open_dataset('jhmdb', rendered), Flow(), tmp_path / 'out')


def test_an_evaluation_finds_most_joints_and_is_continued(root, tmp_path):
    (root / 'Rename_Images' / 'sit' / 'three' / '00003.png').write_bytes(b'broken')
    data = open_dataset('jhmdb', root)
    settings = build(TrackerSettings, {'features.name': 'patch', 'propagation.radius': 12})
    out = tmp_path / 'out'
    record = evaluate(data, Ours(settings), out)
    assert record['count'] == [2, 3] and '00003.png' in record['refused']['sit/three']
    assert record['mean']['found'] == 1
    assert record['mean']['PCK@0.1'] > 0.25  # 0.07 if they stayed where they were
    assert record['mean']['PCK@0.1'] <= record['mean']['PCK@0.2'] <= 1
    entry = record['sequences']['wave/one']
    assert entry['objects']['1']['name'] == 'neck' and len(entry['objects']) == 15
    per_joint = [joint['PCK@0.1'] for joint in entry['objects'].values()]
    assert entry['PCK@0.1'] == pytest.approx(np.mean(per_joint))
    folder = out / 'sequences' / 'wave' / 'one'
    for name in ('joints.csv', 'overlay.mp4', 'sheet.png', 'score.json'):
        assert (folder / name).stat().st_size
    assert len((folder / 'joints.csv').read_text().splitlines()) == 1 + 6 * 15

    text = io.StringIO()
    print_results(record, Console(file=text, width=100))
    rows = [line.split() for line in text.getvalue().splitlines()]
    assert 'Joints' in text.getvalue() and 'switches' not in text.getvalue()
    assert any('mean over joints' in ' '.join(row) and '15' in row for row in rows)

    page = write_report(out).read_text()
    assert '>Joints<' in page and '>Joint<' in page and 'Object' not in page
    assert '>found<' in page  # what was not found is in no PCK
    assert '& found &' in latex(read_results(out)) and 'object' not in latex(read_results(out))

    before = (folder / 'score.json').read_bytes()
    again = evaluate(data, Ours(settings), out, Options())
    assert (folder / 'score.json').read_bytes() == before
    assert again['mean'] == record['mean']
    assert json.loads((out / 'results.json').read_text())['mean'] == record['mean']
