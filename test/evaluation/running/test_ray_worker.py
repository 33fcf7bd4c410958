"""What a worker of a cluster does, and what is said where there is none; Ray is not needed."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from davis_folders import davis_folder, image_file

import drift_ros
from drift_ros.errors import DeviceError, DriftError, SettingsError, SourceError
from drift_ros.evaluation.datasets import Selection, open_dataset
from drift_ros.evaluation.methods import Flow, PlugIn
from drift_ros.evaluation.running import Task, evaluate, run_task
from drift_ros.evaluation.running.on_ray import RayRunner
from drift_ros.evaluation.running.ray_worker import Answer, Worker, sizes_of
from drift_ros.evaluation.scores import Refusal


@pytest.fixture
def task(tmp_path, monkeypatch) -> Task:
    monkeypatch.chdir(tmp_path)  # where workers move to
    dataset = open_dataset('davis', davis_folder(tmp_path / 'data', ['a']))
    return Task(dataset.usable[0], tmp_path / 'out', pictures=False)


def started(spec: object) -> Worker:
    worker = Worker(spec, None, threads=1)
    assert worker.start(drift_ros.__version__, str(Path.cwd())) is None
    return worker


def test_it_gives_back_what_a_run_here_writes(task):
    answer = started(Flow()).run(task, sizes_of(task.sequence))
    assert isinstance(answer, Answer) and not task.folder.exists()
    here = run_task(task, Flow().make())
    assert answer.found.objects == here.objects
    written = {f.relative_to(task.folder).as_posix() for f in task.folder.rglob('*.png')}
    assert set(answer.files) == written and len(written) == 6
    for name, content in answer.files.items():
        assert content == (task.folder / name).read_bytes()


def test_a_broken_sequence_is_a_refusal_there_too(task):
    image_file(Path('data'), 'a', 2).write_bytes(b'broken')
    answer = started(Flow()).run(task, sizes_of(task.sequence))
    assert isinstance(answer, Answer) and isinstance(answer.found, Refusal)


@pytest.mark.parametrize(('change', 'said'), [(Path.unlink, 'missing'), (None, 'another size')])
def test_data_that_is_not_there_is_an_error_that_says_what_to_do(task, change, said):
    sizes, file = sizes_of(task.sequence), image_file(Path('data').absolute(), 'a', 3)
    (change or (lambda path: path.write_bytes(b'short')))(file)
    error = started(Flow()).run(task, sizes)
    assert isinstance(error, SourceError)
    assert str(file) in str(error) and said in str(error)
    assert 'at the same path on every machine' in str(error)


def test_other_versions_and_missing_methods_are_told(task):
    error = Worker(Flow(), None, 1).start('0.0.1', '/')
    assert isinstance(error, DriftError) and 'install the same version' in str(error)
    error = Worker(PlugIn('nowhere:Nobody'), None, 1).start(drift_ros.__version__, '/')
    assert isinstance(error, SettingsError) and 'nowhere' in str(error)


def test_rendered_sets_need_no_files():
    videos = open_dataset('kubric-similar', 'kubric-similar', Selection(limit=4)).usable
    assert sizes_of(videos[0]) == {}


def test_without_ray_it_is_said_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, 'ray', None)
    dataset = open_dataset('davis', davis_folder(tmp_path / 'data', ['a']))
    with pytest.raises(DeviceError, match='pip install ray'):
        evaluate(dataset, Flow(), tmp_path / 'out', runner=RayRunner('local'))
