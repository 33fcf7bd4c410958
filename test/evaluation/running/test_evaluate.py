"""Whole evaluations: continued, refused, on several processes, with broken sequences."""

from __future__ import annotations

import json
import multiprocessing
from pathlib import Path

import numpy as np
import pytest
import trackers
from davis_folders import annotation_file, davis_folder, image_file, save_annotation, save_image
from PIL import Image

from drift_ros.errors import OutputError, SettingsError
from drift_ros.evaluation.datasets import DataSet, Selection, open_dataset
from drift_ros.evaluation.methods import Flow, FlowSettings, Ours, PlugIn
from drift_ros.evaluation.running import Options, Task, evaluate
from drift_ros.evaluation.running.workers import run_tasks
from drift_ros.evaluation.scores import SequenceScore
from drift_ros.runs.run_folder import RunFolder
from drift_ros.settings import TrackerSettings, build

BARE = Options(pictures=False)
STILL = PlugIn('trackers:Still')


class Notes:
    """A watcher that remembers, and may break off."""

    def __init__(self, stop_after: int = 99) -> None:
        self.begun: tuple[int, int] | None = None
        self.names: list[str] = []
        self.frames: list[tuple[str, int, int]] = []
        self.stop_after = stop_after

    def begin(self, done: int, count: int) -> None:
        self.begun = (done, count)

    def frame(self, name: str, done: int, count: int) -> None:
        self.frames.append((name, done, count))
        if len(self.frames) > self.stop_after:
            raise KeyboardInterrupt

    def done(self, name: str, found: object) -> None:
        self.names.append(name)


def data(tmp_path: Path, *names: str) -> DataSet:
    root = tmp_path / 'data'
    if not root.exists():
        davis_folder(root, names or ('a', 'b', 'c'))
    return open_dataset('davis', root)


def brighten(tmp_path: Path, name: str) -> None:
    """What trackers.Fails and trackers.Dies do not bear."""
    save_image(image_file(tmp_path / 'data', name, 2), np.full((48, 64, 3), 250, np.uint8))


def state(out: Path) -> str:
    return json.loads((out / 'run.json').read_text())['state']


def test_results_are_written_as_they_come(tmp_path):
    out, notes = tmp_path / 'out', Notes()
    record = evaluate(data(tmp_path), STILL, out, BARE, notes)
    assert notes.begun == (0, 3) and notes.names == ['a', 'b', 'c']
    assert notes.frames[:2] == [('a', 1, 6), ('a', 2, 6)] and len(notes.frames) == 18
    assert record == json.loads((out / 'results.json').read_text())
    assert record['count'] == [3, 3] and record['method'] == 'Still'
    # A square of 12 px moves by 1 px per frame: in frame k, 12 - k of 12 + k columns agree.
    expected = np.mean([(12 - k) / (12 + k) for k in (1, 2, 3, 4)])
    assert record['mean']['J'] == pytest.approx(expected)
    assert record['sequences']['b']['objects']['2']['J'] == pytest.approx(expected)
    assert (out / 'results.csv').is_file() and state(out) == 'finished'


def test_an_equal_run_continues_where_the_first_was_broken_off(tmp_path):
    out = tmp_path / 'out'
    whole = evaluate(data(tmp_path), STILL, tmp_path / 'whole', BARE)
    with pytest.raises(KeyboardInterrupt):
        evaluate(data(tmp_path), STILL, out, BARE, Notes(stop_after=9))
    assert state(out) == 'interrupted' and not (out / 'results.json').exists()
    assert (out / 'sequences' / 'b' / 'labels').is_dir()  # begun, and not done
    written = (out / 'sequences' / 'a' / 'score.json').stat().st_mtime_ns
    notes = Notes()
    record = evaluate(data(tmp_path), STILL, out, BARE, notes)
    assert notes.begun == (1, 3) and notes.names == ['b', 'c']
    assert (out / 'sequences' / 'a' / 'score.json').stat().st_mtime_ns == written
    assert record['mean'] == whole['mean'] and state(out) == 'finished'
    again = Notes()
    assert evaluate(data(tmp_path), STILL, out, BARE, again)['mean'] == whole['mean']
    assert again.begun == (3, 3) and not again.names


def test_other_settings_are_refused_with_what_differs(tmp_path):
    out = tmp_path / 'out'
    evaluate(data(tmp_path, 'a'), Flow(), out, BARE)
    other = Flow(build(FlowSettings, {'preset': 'fast'}))
    with pytest.raises(OutputError, match=r"flow.preset was 'medium' and is 'fast'\. Name"):
        evaluate(data(tmp_path), other, out, BARE)
    with pytest.raises(OutputError, match='limit was None and is 4; data was'):
        evaluate(open_dataset('davis', tmp_path / 'data', Selection(limit=4)), Flow(), out, BARE)
    with pytest.raises(OutputError, match="method was 'flow' and is 'trackers:Still'"):
        evaluate(data(tmp_path), STILL, out, BARE)
    record = evaluate(data(tmp_path), other, out, Options(pictures=False, overwrite=True))
    assert record['settings']['flow.preset'] == 'fast'


def test_other_data_is_refused(tmp_path):
    out = tmp_path / 'out'
    evaluate(data(tmp_path, 'a'), STILL, out, BARE)
    save_annotation(annotation_file(tmp_path / 'data', 'a', 2), np.ones((48, 64), np.uint8))
    with pytest.raises(OutputError, match=r'data was .* and is '):
        evaluate(data(tmp_path), STILL, out, BARE)


def test_foreign_files_are_not_touched(tmp_path):
    out = tmp_path / 'out'
    (out / 'sequences').mkdir(parents=True)
    (out / 'sequences' / 'mine.txt').write_text('mine')
    for overwrite in (False, True):
        with pytest.raises(OutputError):
            evaluate(data(tmp_path, 'a'), STILL, out, Options(overwrite=overwrite))
    assert (out / 'sequences' / 'mine.txt').read_text() == 'mine'


def test_overwriting_deletes_results_and_nothing_else(tmp_path):
    out = tmp_path / 'out'
    evaluate(data(tmp_path, 'a', 'b'), STILL, out, BARE)
    (out / 'notes.txt').write_text('mine')
    chosen = open_dataset('davis', tmp_path / 'data', Selection(('b',)))
    evaluate(chosen, STILL, out, Options(pictures=False, overwrite=True))
    assert (out / 'notes.txt').is_file()
    assert not (out / 'sequences' / 'a').exists() and (out / 'sequences' / 'b').is_dir()


def test_broken_sequences_are_refused_by_name_and_the_others_count(tmp_path):
    found = data(tmp_path, 'good', 'empty', 'jpeg', 'missing', 'sizes', 'ids', 'bright')
    root = tmp_path / 'data'
    save_annotation(annotation_file(root, 'empty', 0), np.zeros((48, 64), np.uint8))
    image_file(root, 'jpeg', 3).write_bytes(b'\xff\xd8no picture')
    annotation_file(root, 'missing', 4).unlink()
    save_annotation(annotation_file(root, 'sizes', 2), np.ones((10, 64), np.uint8))
    Image.fromarray(np.full((48, 64), 300, np.uint16)).save(annotation_file(root, 'ids', 1))
    brighten(tmp_path, 'bright')
    found = open_dataset('davis', root)
    record = evaluate(found, PlugIn('trackers:Fails'), tmp_path / 'out', BARE)
    assert record['count'] == [1, 7] and list(record['sequences']) == ['good']
    reasons = {
        'empty': 'first annotation .*00000.png is empty',
        'jpeg': '00003.jpg is no whole picture',
        'missing': 'has no 00004.png',
        'sizes': 'annotation of frame 00002 is 64x10 px',
        'ids': '00001.png holds the value 300',
        'bright': 'Fails failed: RuntimeError: it was too bright',
    }
    assert list(record['refused']) == list(reasons)
    for name, reason in reasons.items():
        with pytest.raises(AssertionError, match=reason):
            raise AssertionError(record['refused'][name])
        score = json.loads((tmp_path / 'out' / 'sequences' / name / 'score.json').read_text())
        assert score['refused'] == record['refused'][name]


def test_refused_sequences_are_tried_again(tmp_path):
    out = tmp_path / 'out'
    fails = PlugIn('trackers:Fails')
    davis_folder(tmp_path / 'data', ['a', 'b'])
    brighten(tmp_path, 'a')
    assert evaluate(data(tmp_path), fails, out, BARE)['count'] == [1, 2]
    notes = Notes()
    evaluate(data(tmp_path), fails, out, BARE, notes)
    assert notes.begun == (1, 2) and notes.names == ['a']


def test_a_method_that_cannot_be_made_ends_the_run(tmp_path):
    out = tmp_path / 'out'
    for jobs in (1, 2):
        with pytest.raises(SettingsError, match='no weights'):
            evaluate(data(tmp_path, 'a'), PlugIn('trackers:broken'), out, Options(jobs=jobs))
        assert state(out) == 'failed'


def test_a_sequence_below_another_keeps_its_results(tmp_path):
    davis_folder(tmp_path / 'data', ['a/b', 'a'])
    out = tmp_path / 'out'
    for overwrite in (False, True):
        evaluate(data(tmp_path), STILL, out, Options(overwrite=overwrite))
        for name in ('a/b', 'a'):
            found = {file.name for file in (out / 'sequences' / name).iterdir()}
            assert found >= {'labels', 'overlay.mp4', 'sheet.png', 'score.json'}


@pytest.mark.parametrize(
    'text',
    [
        'no JSON',
        '3',
        '{"name": "a", "objects": ["x"]}',
        '{"name": "a", "size": [48, 64], "frames": 6, "objects": []}',
    ],
)
def test_a_broken_score_is_made_again(tmp_path, text):
    out = tmp_path / 'out'
    whole = evaluate(data(tmp_path, 'a'), STILL, out, BARE)
    (out / 'sequences' / 'a' / 'score.json').write_text(text)
    assert evaluate(data(tmp_path), STILL, out, BARE)['mean'] == whole['mean']


def test_one_run_at_a_time_writes_to_a_folder(tmp_path):
    out, found = tmp_path / 'out', data(tmp_path, 'a')

    class Nosy(Notes):
        def frame(self, name: str, done: int, count: int) -> None:
            with pytest.raises(OutputError):
                evaluate(found, STILL, out, BARE)
            super().frame(name, done, count)

    notes = Nosy()
    evaluate(found, STILL, out, BARE, notes)
    assert len(notes.frames) == 6
    evaluate(found, STILL, out, BARE)  # free again


def test_a_run_of_another_command_is_not_touched(tmp_path):
    out = tmp_path / 'out'
    run = RunFolder(out, {'command': 'track'})
    run.begin(False, [])
    run.close()
    for overwrite in (False, True):
        with pytest.raises(OutputError, match='track'):
            evaluate(data(tmp_path, 'a'), STILL, out, Options(overwrite=overwrite))
    assert (out / 'run.json').is_file()


def test_settings_that_gave_nothing_can_be_mended(tmp_path):
    out = tmp_path / 'out'
    with pytest.raises(SettingsError, match="'id'"):
        evaluate(data(tmp_path, 'a'), PlugIn('trackers:Still', {'id': 1}), out, BARE)
    record = evaluate(data(tmp_path), PlugIn('trackers:Still', {'ids': 1}), out, BARE)
    assert record['settings']['method.ids'] == 1


def test_a_tracker_that_exits_costs_its_sequence_alone(tmp_path):
    davis_folder(tmp_path / 'data', ['a', 'b'])
    brighten(tmp_path, 'a')
    record = evaluate(data(tmp_path), PlugIn('trackers:Exits'), tmp_path / 'out', BARE)
    assert record['refused'] == {'a': 'Exits failed: SystemExit: 3'}


# ---- several processes


@pytest.fixture
def importable(monkeypatch):
    """Processes of their own find the helpers too."""
    monkeypatch.setenv('PYTHONPATH', str(Path(trackers.__file__).parent))


def test_two_processes_give_what_one_gives(tmp_path):
    values = {'features.name': 'patch', 'features.resolution': 0, 'propagation.radius': 6}
    spec = Ours(build(TrackerSettings, values))
    found = data(tmp_path, 'a', 'b', 'c')
    one = evaluate(found, spec, tmp_path / 'one', Options(pictures=False))
    notes = Notes()
    two = evaluate(found, spec, tmp_path / 'two', Options(jobs=2, pictures=False), notes)
    assert sorted(notes.names) == ['a', 'b', 'c'] and len(notes.frames) == 18
    assert list(two['sequences']) == list(one['sequences'])  # in the order of the data set
    assert two['mean'] == one['mean']
    for name in 'abc':
        assert two['sequences'][name]['objects'] == one['sequences'][name]['objects']
        for file in sorted((tmp_path / 'one' / 'sequences' / name / 'labels').iterdir()):
            other = tmp_path / 'two' / 'sequences' / name / 'labels' / file.name
            assert other.read_bytes() == file.read_bytes()


@pytest.mark.slow
def test_devices_are_taken_in_turn_and_a_process_that_dies_costs_its_sequence_alone(
    tmp_path, importable
):
    davis_folder(tmp_path / 'data', ['a', 'b', 'c', 'd'])
    brighten(tmp_path, 'c')
    tasks = [
        Task(sequence, tmp_path / 'out' / sequence.name, pictures=False)
        for sequence in data(tmp_path).usable
    ]
    found = {}
    run_tasks(
        tasks,
        PlugIn('trackers:Dies', {'device': 'auto'}),
        2,
        ['one', 'two'],
        lambda task, done, count: None,
        lambda task, what: found.update({task.sequence.name: what}),
    )
    assert set(found) == {'a', 'b', 'c', 'd'}
    assert 'its process ended (SIGKILL); most often memory ran out' in found['c'].reason
    assert 'SIGKILL' in (tmp_path / 'out' / 'c' / 'score.json').read_text()
    # the first two go to a process each, whose device shows in how many objects are drawn
    drawn = {n: [obj.j[0] > 0 for obj in found[n].objects] for n in 'ab'}
    assert drawn == {'a': [True, False], 'b': [True, True]}
    assert isinstance(found['d'], SequenceScore)


def test_processes_end_when_the_run_is_broken_off(tmp_path, importable):
    with pytest.raises(KeyboardInterrupt):
        evaluate(data(tmp_path, 'a'), STILL, tmp_path / 'out', Options(jobs=2), Notes(stop_after=4))
    assert not multiprocessing.active_children()
    assert state(tmp_path / 'out') == 'interrupted'
