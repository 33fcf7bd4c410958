"""Recordings for Rerun, written by the real package and read by its own reader."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from result_folders import boxes, write_results

from drift_ros.errors import OutputError
from drift_ros.evaluation.reporting.reading import read_score
from drift_ros.evaluation.reporting.rerun import RerunLog, RerunWatcher
from drift_ros.evaluation.scores import Refusal

SCORES = {'clips/a b': [(0.9, 0.8), (0.5, 0.6)], 'c': [(0.7, 0.75)]}


def printed(recording, entity):
    command = [sys.executable, '-m', 'rerun', 'rrd', 'print', '-vvv', '--entity', entity]
    run = subprocess.run([*command, str(recording)], capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr
    return run.stdout


def test_a_recording_holds_frames_labels_and_scores(tmp_path):
    pytest.importorskip('rerun', reason='rerun-sdk is not installed')
    write_results(tmp_path, SCORES)
    recording = tmp_path / 'new/run.rrd'
    log = RerunLog(str(recording))
    for name, objects in SCORES.items():
        labels = tmp_path / 'sequences' / name / 'labels'
        log.log(boxes(name, len(objects)), read_score(tmp_path, name), labels)
    log.close()
    shown = printed(recording, r'/clips/a\ b/J/1\ box1')
    assert re.findall(r'\[(\d+\.\d)\]', shown) == ['90.0', '90.0', '45.0', '90.0']
    assert 'with 6 rows' in printed(recording, r'/clips/a\ b/frame')
    assert 'with 6 rows' in printed(recording, '/c/frame/result')
    assert 'with 5 rows' in printed(recording, '/c/frame/truth')  # given or scored


def test_without_the_package_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, 'rerun', None)
    with pytest.raises(OutputError, match='pip install'):
        RerunLog('run.rrd')


def test_a_place_that_cannot_be_written_is_told(tmp_path):
    pytest.importorskip('rerun', reason='rerun-sdk is not installed')
    (tmp_path / 'file').touch()
    with pytest.raises(OutputError):
        RerunLog(str(tmp_path / 'file/run.rrd'))


def test_sequences_are_logged_once_when_they_are_done_or_were_before(tmp_path):
    class Told:
        def __init__(self):
            self.calls = []

        def __getattr__(self, name):
            return lambda *arguments: self.calls.append((name, *arguments))

    write_results(tmp_path, SCORES, {'bad': 'broken'})
    later = read_score(tmp_path, 'c')
    (tmp_path / 'sequences/c/score.json').unlink()
    bars, log = Told(), Told()
    sequences = [boxes(name, 1) for name in (*SCORES, 'bad')]
    watcher = RerunWatcher(bars, log, sequences, tmp_path)
    watcher.begin(1, 3)
    watcher.frame('c', 1, 6)
    watcher.done('c', later)
    watcher.done('bad', Refusal('bad', 'broken'))
    assert [call[0] for call in bars.calls] == ['begin', 'frame', 'done', 'done']
    assert [(call[1].name, call[3].parent.name) for call in log.calls] == [
        ('clips/a b', 'a b'),
        ('c', 'c'),
    ]
