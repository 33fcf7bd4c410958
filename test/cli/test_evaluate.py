"""The command `drift evaluate`, from a folder to its report."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import trackers
from davis_folders import annotation_file, davis_folder, save_annotation
from PIL import Image
from typer.testing import CliRunner

from drift_ros.cli.main import make_app

FAST = ['--set', 'features.resolution=0', '--set', 'propagation.radius=6', '--no-pictures']


def run(*arguments: object) -> tuple[int, str]:
    found = CliRunner().invoke(make_app(), ['evaluate', *map(str, arguments)])
    return found.exit_code, ' '.join(found.output.split())


def j_of_files(data: Path, out: Path) -> float:
    """Mean J from the written label maps alone."""
    values = []
    for name in ('boxes', 'more'):
        for index in (1, 2, 3, 4):
            truth = np.asarray(Image.open(annotation_file(data, name, index)))
            file = out / 'sequences' / name / 'labels' / f'{index:05d}.png'
            found = np.asarray(Image.open(file))
            for id_ in (1, 2):
                both = ((truth == id_) & (found == id_)).sum()
                values.append(both / ((truth == id_) | (found == id_)).sum())
    return float(np.mean(values))


def test_a_small_data_set_end_to_end(tmp_path):
    data, out = davis_folder(tmp_path / 'data'), tmp_path / 'out'
    code, said = run(data, '--layout', 'davis', '--features', 'patch', '--out', out, *FAST)
    assert code == 0, said
    assert 'patch: 2 of 2 sequences' in said and 'mean over objects' in said
    record = json.loads((out / 'results.json').read_text())
    assert record['method'] == 'patch' and record['count'] == [2, 2]
    assert record['settings']['propagation.radius'] == 6
    assert record['dataset']['layout'] == 'davis'
    assert record['mean']['J'] == pytest.approx(j_of_files(data, out), abs=1e-12)
    assert record['mean']['J'] > 0.3
    assert f'{100 * record["mean"]["J&F"]:.1f}' in said
    rows = list(csv.DictReader((out / 'results.csv').open()))
    assert len(rows) == 2 * 3 + 1
    assert (out / 'report.html').is_file() and (out / 'results.tex').is_file()
    with Image.open(out / 'sequences' / 'boxes' / 'labels' / '00000.png') as first:
        truth = Image.open(annotation_file(data, 'boxes', 0))
        np.testing.assert_array_equal(np.asarray(first), np.asarray(truth))
    again, said = run(data, '--layout', 'davis', '--features', 'patch', '--out', out, *FAST)
    assert again == 0
    code, said = run(data, '--layout', 'davis', '--features', 'patch', '--out', out)
    assert code == 2 and 'holds the results of other settings' in said
    assert 'propagation.radius was 6 and is 12' in said


def test_n_of_m_sequences_are_told_and_why(tmp_path):
    data = davis_folder(tmp_path / 'data', ['good', 'bad'])
    save_annotation(annotation_file(data, 'bad', 0), np.zeros((48, 64), np.uint8))
    out = tmp_path / 'out'
    arguments = (data, '--layout', 'davis', '--features', 'flow', '--out', out)
    code, said = run(*arguments, '--set', 'preset=fast')
    assert code == 3, said
    assert 'flow: 1 of 2 sequences' in said and '00000.png is empty' in said
    assert (out / 'sequences' / 'good' / 'overlay.mp4').is_file()
    assert (out / 'sequences' / 'good' / 'sheet.png').is_file()


def test_nothing_that_could_be_evaluated_is_an_error(tmp_path):
    data = davis_folder(tmp_path / 'data', ['bad'])
    annotation_file(data, 'bad', 1).unlink()
    out = tmp_path / 'out'
    code, said = run(data, '--layout', 'davis', '--features', 'flow', '--out', out)
    assert code == 2 and 'no sequence of' in said and 'bad: ' in said


def test_a_tracker_from_elsewhere(tmp_path):
    data, out = davis_folder(tmp_path / 'data'), tmp_path / 'out'
    arguments = (data, '--layout', 'davis', '--method', 'trackers:Still', '--out', out)
    code, said = run(*arguments, '--set', 'ids=1', '--sequences', 'more', '--no-pictures')
    assert code == 0, said
    record = json.loads((out / 'results.json').read_text())
    assert record['settings'] == {'method': 'trackers:Still', 'method.ids': 1}
    objects = record['sequences']['more']['objects']
    assert objects['1']['J'] > 0.5 and objects['2']['J'] == 0


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['--features', 'nothing'], "features.name is 'nothing'; the extractors are"),
        (['--method', 'trackers:Still', '--features', 'patch'], '--features belongs to our'),
        (['--method', 'trackers:Still', '--config', 'dift_adm'], '--config belongs to our'),
        (['--features', 'flow', '--config', 'dift_adm'], '--config belongs to our'),
        (['--features', 'flow', '--set', 'speed=3'], 'speed'),
        (['--features', 'flow', '--set', 'preset'], 'must be name=value'),
        (['--layout', 'imagenet'], "unknown layout 'imagenet'"),
        (['--split', 'dev'], "no split 'dev'"),
        (['--list', '/nowhere.txt'], 'cannot read the list of sequences /nowhere.txt'),
    ],
)
def test_wrong_options_are_told_in_one_line(tmp_path, arguments, message):
    data = davis_folder(tmp_path / 'data')
    code, said = run(data, '--layout', 'davis', '--out', tmp_path / 'out', *arguments)
    assert code == 2 and message in said and 'Traceback' not in said
    assert not (tmp_path / 'out' / 'results.json').exists()


def test_a_preset_is_named_in_the_results(tmp_path):
    data, out = davis_folder(tmp_path / 'data', ['boxes']), tmp_path / 'out'
    options = ('--config', 'dino_propagation', '--features', 'patch', '--out', out, *FAST)
    code, said = run(data, '--layout', 'davis', *options)
    assert code == 0, said
    assert json.loads((out / 'results.json').read_text())['preset'] == 'dino_propagation'


@pytest.mark.slow
def test_ctrl_c_leaves_what_the_same_command_continues(tmp_path):
    data, out = davis_folder(tmp_path / 'data', frames=60), tmp_path / 'out'
    arguments = [data, '--layout', 'davis', '--method', 'trackers:Slow', '--out', out]
    command = [sys.executable, '-m', 'drift_ros.cli.main', 'evaluate', *map(str, arguments)]
    process = subprocess.Popen(
        [*command, '--no-pictures', '--jobs', '2'],
        cwd=Path(trackers.__file__).parent,
        env=os.environ | {'PYTHONPATH': str(Path(__file__).parents[2])},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        first = out / 'sequences' / 'boxes' / 'labels' / '00002.png'
        until = time.monotonic() + 120
        while not first.exists() and process.poll() is None and time.monotonic() < until:
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to all its processes
        _, said = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130 and 'Traceback' not in said, said
    assert json.loads((out / 'run.json').read_text())['state'] == 'interrupted'
    assert not (out / 'sequences' / 'boxes' / 'score.json').exists()


def test_a_real_clip(davis, tmp_path):
    options = ('--sequences', 'dogs-jump', '--frames', '4', '--out', tmp_path / 'out')
    code, said = run(davis / 'test', '--layout', 'davis', '--features', 'patch', *options)
    assert code == 0, said
    record = json.loads((tmp_path / 'out' / 'results.json').read_text())
    assert len(record['sequences']['dogs-jump']['objects']) == 3
    assert 0.3 < record['mean']['J'] < 1
