"""What results.json and results.csv say."""

from __future__ import annotations

import csv
import json

import pytest

from drift_ros.evaluation.reporting.results import (
    mean_of,
    results,
    sequence_entry,
    write_results,
)
from drift_ros.evaluation.scores import ObjectScore, SequenceScore


def score(name: str, *j: float, seconds: float | None = 4.0) -> SequenceScore:
    """Objects with the given J in each of two frames, and half of it as F."""
    objects = tuple(
        ObjectScore(id_, f'thing {id_}', (1, 2), (v, v), (v / 2, v / 2), (id_, id_ + 1))
        for id_, v in enumerate(j, start=1)
    )
    return SequenceScore(name, (4, 5), 8, objects, seconds=seconds, memory=100)


def test_a_sequence_is_the_mean_of_its_objects():
    entry = sequence_entry(score('a', 1.0, 0.5))
    assert (entry['J'], entry['F'], entry['J&F']) == (0.75, 0.375, 0.5625)
    assert entry['J recall'] == 0.5  # 0.5 itself is not recalled
    assert entry['switches'] == 2
    assert entry['seconds_per_frame'] == 0.5
    assert entry['objects']['2']['J'] == 0.5
    assert entry['objects']['2']['name'] == 'thing 2'


def test_the_mean_is_over_objects_and_not_over_sequences():
    entries = [sequence_entry(score('a', 1.0, 1.0, 1.0)), sequence_entry(score('b', 0.0))]
    mean = mean_of(entries)
    assert mean['J'] == pytest.approx(0.75)
    assert mean['switches'] == 4


def test_a_score_of_a_recording_has_no_time():
    entry = sequence_entry(score('a', 1.0, seconds=None))
    assert entry['seconds_per_frame'] is None


def test_files_hold_the_numbers(tmp_path):
    entries = {'a': sequence_entry(score('a', 1.0, 0.5)), 'b': sequence_entry(score('b', 0.0))}
    record = results(
        entries,
        {'c': 'no annotation'},
        method='patch',
        settings={'features': {'name': 'patch'}},
        dataset={'layout': 'davis'},
        preset='dift_adm',
    )
    write_results(tmp_path, record)
    read = json.loads((tmp_path / 'results.json').read_text())
    assert read == json.loads(json.dumps(record))
    assert read['count'] == [2, 3]
    assert read['refused'] == {'c': 'no annotation'}
    assert read['mean']['J'] == pytest.approx(0.5)
    assert 'python' in read['versions'] and 'cores' in read['machine']
    rows = list(csv.DictReader((tmp_path / 'results.csv').open()))
    assert [(row['sequence'], row['object']) for row in rows] == [
        ('a', '1'), ('a', '2'), ('a', ''), ('b', '1'), ('b', ''), ('', ''),
    ]  # fmt: skip
    assert float(rows[2]['J&F']) == 0.5625
    assert float(rows[-1]['J']) == pytest.approx(0.5)
    assert rows[-1]['memory'] == ''


def test_nothing_evaluated_has_no_mean(tmp_path):
    record = results({}, {'a': 'broken'}, method='patch', settings={}, dataset={})
    write_results(tmp_path, record)
    assert record['mean'] == {} and record['count'] == [0, 1]
