"""Comparisons of evaluations whose differences are known on paper."""

from __future__ import annotations

import csv
import json

import pytest
from browser import PHONE, probe
from result_folders import write_results
from typer.testing import CliRunner

from drift_ros.cli.main import make_app
from drift_ros.errors import SourceError
from drift_ros.evaluation.reporting.compare_files import in_points, write_comparison
from drift_ros.evaluation.reporting.comparison import Difference, bootstrap, compare
from drift_ros.evaluation.reporting.reading import read_results

FIRST = {'a': [(0.5, 0.7)], 'b': [(0.2, 0.2), (0.4, 0.4)], 'c': [(1, 1)]}
SECOND = {'a': [(0.6, 0.8)], 'b': [(0.4, 0.4), (0.5, 0.5)], 'd': [(0, 0)]}


@pytest.fixture
def folders(tmp_path):
    write_results(tmp_path / 'one', FIRST)
    write_results(tmp_path / 'two', SECOND, method='other', seconds=2.0)
    return tmp_path / 'one', tmp_path / 'two'


def test_differences_are_over_all_objects_of_common_sequences(folders):
    comparison = compare([read_results(folder) for folder in folders])
    (pairing,) = comparison.pairings
    assert pairing.common == ('a', 'b') and pairing.missing == ('c',) and pairing.added == ('d',)
    for measure in ('J', 'F', 'J&F'):
        difference = pairing.differences[measure]
        assert difference.value == pytest.approx((0.1 + 0.2 + 0.1) / 3)
        # drawn are aa, ab, ba or bb: 0.1 and 0.3 / 2 are the ends
        assert difference.low == pytest.approx(0.1) and difference.high == pytest.approx(0.15)
    notes = ' '.join(comparison.notes)
    assert 'two pairs in 2 sequences; only in one: c; only in two: d.' in notes
    assert 'only a hint' in notes


def test_with_all_sequences_in_common_it_is_the_difference_of_the_means(tmp_path):
    runs = [
        read_results(write_results(tmp_path / str(i), {k: FIRST[k] for k in 'ab'} | extra))
        for i, extra in enumerate([{}, {'b': SECOND['b']}])
    ]
    difference = compare(runs).pairings[0].differences['J&F']
    assert difference.value == pytest.approx(runs[1].mean['J&F'] - runs[0].mean['J&F'])


def test_a_run_beside_itself_does_not_differ(folders):
    run = read_results(folders[0])
    pairing = compare([run, run]).pairings[0]
    assert len(pairing.common) == 3
    assert set(pairing.differences.values()) == {Difference(0, 0, 0)}


def test_the_interval_is_that_of_the_normal_law_where_there_are_many():
    values = [[0.1 * (-1) ** i + 0.02] for i in range(400)]
    difference = bootstrap(values)
    assert difference.value == pytest.approx(0.02)
    half = 1.96 * 0.1 / 20
    assert difference.low == pytest.approx(0.02 - half, abs=1e-3)
    assert difference.high == pytest.approx(0.02 + half, abs=1e-3)
    assert bootstrap(values) == difference


def test_one_common_sequence_gives_no_interval():
    assert bootstrap([[0.5, 0.7]]) == Difference(0.6, None, None)
    assert in_points(Difference(0.6, None, None)) == '+60.0'
    assert in_points(Difference(-0.012, -0.02, 0.001)) == '-1.2 [-2.0, +0.1]'


def test_sequences_with_other_objects_are_not_paired(tmp_path):
    one = read_results(write_results(tmp_path / 'one', {'a': [(1, 1)], 'b': [(1, 1)]}))
    two = read_results(write_results(tmp_path / 'two', {'a': [(0, 0)], 'b': [(0, 0), (1, 1)]}))
    pairing = compare([one, two]).pairings[0]
    assert pairing.common == ('a',) and pairing.unlike == ('b',)
    assert pairing.differences['J'].value == -1


def test_sequences_in_other_sizes_are_not_paired(tmp_path):
    runs = []
    for name, size in (('one', [480, 854]), ('two', [1080, 1920])):
        folder = write_results(tmp_path / name, {'a': [(1, 1)], 'b': [(1, 1)]})
        record = json.loads((folder / 'results.json').read_text())
        record['sequences']['b']['size'] = size
        (folder / 'results.json').write_text(json.dumps(record))
        runs.append(read_results(folder))
    comparison = compare(runs)
    assert comparison.pairings[0].unlike == ('b',)
    assert 'with other objects, frames or sizes: b' in comparison.notes[0]


def test_nothing_in_common_is_told(tmp_path):
    one = read_results(write_results(tmp_path / 'one', {'a': [(1, 1)]}))
    two = read_results(write_results(tmp_path / 'two', {'b': [(0, 0)]}))
    comparison = compare([one, two])
    assert comparison.pairings[0].differences == {}
    assert 'two has no sequence in common with one.' in comparison.notes


def test_masks_and_poses_cannot_be_compared(tmp_path, folders):
    poses = write_results(tmp_path / 'poses', {})
    record = json.loads((poses / 'results.json').read_text()) | {'mean': {'PCK@0.1': 0.5}}
    (poses / 'results.json').write_text(json.dumps(record))
    with pytest.raises(SourceError):
        compare([read_results(folders[0]), read_results(poses)])


def test_poses_are_compared_by_sequence(tmp_path):
    runs = []
    for name, values in (('one', (0.2, 0.4)), ('two', (0.4, 0.8))):
        folder = write_results(tmp_path / name, {})
        record = json.loads((folder / 'results.json').read_text())
        record['mean'] = {'PCK@0.1': sum(values) / 2}
        record['sequences'] = {s: {'PCK@0.1': v} for s, v in zip('ab', values, strict=True)}
        (folder / 'results.json').write_text(json.dumps(record))
        runs.append(read_results(folder))
    assert compare(runs).pairings[0].differences['PCK@0.1'].value == pytest.approx(0.3)


def test_joints_weigh_their_frames_as_in_the_mean_of_poses(tmp_path):
    runs = []
    for name, values in (('one', (0.2, 0.4)), ('two', (0.4, 0.8))):
        folder = write_results(tmp_path / name, {})
        record = json.loads((folder / 'results.json').read_text())
        record['mean'] = {'PCK@0.1': (values[0] * 30 + values[1] * 10) / 40}
        record['sequences'] = {
            s: {'objects': {'1': {'PCK@0.1': v, 'frames': n}, '2': {'PCK@0.1': None, 'frames': n}}}
            for s, v, n in zip('ab', values, (30, 10), strict=True)
        }
        (folder / 'results.json').write_text(json.dumps(record))
        runs.append(read_results(folder))
    difference = compare(runs).pairings[0].differences['PCK@0.1']
    assert difference.value == pytest.approx((0.2 * 30 + 0.4 * 10) / 40)
    assert difference.value == pytest.approx(runs[1].mean['PCK@0.1'] - runs[0].mean['PCK@0.1'])


def test_names_tell_runs_apart(tmp_path):
    runs = [read_results(write_results(tmp_path / d / 'run', FIRST)) for d in ('x', 'y')]
    assert compare(runs).names == ('x/run', 'y/run')
    assert len(set(compare([runs[0], runs[0]]).names)) == 2


def test_files_hold_the_same_numbers(tmp_path, folders):
    comparison = compare([read_results(folder) for folder in folders])
    page, table, content = write_comparison(comparison, tmp_path / 'out')
    rows = list(csv.DictReader(table.read_text().splitlines()))
    assert rows[0]['name'] == 'one' and rows[0]['J&F difference'] == ''
    assert float(rows[1]['J&F difference']) == pytest.approx(0.4 / 3)
    assert rows[1]['common'] == '2' and rows[1]['seconds_per_frame'] == '2.0'
    record = json.loads(content.read_text())
    assert record['bootstrap'] == {
        'confidence': 0.95, 'resamples': 10000, 'seed': 0, 'over': 'sequences',
    }  # fmt: skip
    assert record['runs'][1]['difference']['J']['high'] == pytest.approx(0.15)
    assert '+13.3 [+10.0, +15.0]' in page.read_text()
    script = """({rows: document.querySelectorAll('tbody tr').length,
        plots: document.querySelectorAll('svg.chart').length,
        fits: document.documentElement.scrollWidth <= innerWidth})"""
    assert probe(page, script, PHONE) == {'rows': 2 + 1 + 4, 'plots': 3, 'fits': True}


def test_the_command_prints_both_tables(folders, monkeypatch):
    monkeypatch.setenv('COLUMNS', '120')
    found = CliRunner().invoke(make_app(), ['compare', *map(str, folders)])
    assert found.exit_code == 0, found.output
    assert '+13.3 [+10.0, +15.0]' in found.output
    assert 'Means' in found.output and '3 of 3' in found.output


def test_the_command_refuses_what_are_no_results(folders, tmp_path):
    (tmp_path / 'empty').mkdir()
    run = CliRunner().invoke(make_app(), ['compare', str(folders[0]), str(tmp_path / 'empty')])
    assert run.exit_code == 2 and 'empty holds no results' in run.output.replace('\n', ' ')
    run = CliRunner().invoke(make_app(), ['compare', str(folders[0])])
    assert run.exit_code == 2 and 'two or more' in run.output
