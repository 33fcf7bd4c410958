"""What is read of an evaluation's folder, and what is refused."""

from __future__ import annotations

import json

import pytest
from result_folders import write_results

from drift_ros.errors import SourceError
from drift_ros.evaluation.reporting.reading import read_results, read_score

SCORES = {'a': [(0.5, 0.7)], 'b': [(0.25, 0.25), (1.0, 1.0)]}


def test_results_as_they_were_written(tmp_path):
    results = read_results(write_results(tmp_path, SCORES, {'c': 'no first annotation'}))
    assert results.mean == {'J&F': pytest.approx(1.85 / 3), 'J': 1.75 / 3, 'F': 1.95 / 3}
    assert results.count == (2, 3) and results.objects == 3
    assert results.method == 'patch' and results.refused == {'c': 'no first annotation'}
    assert results.settings['propagation.top_k'] == 10
    assert results.highest('memory') == 2**30 and results.highest('device_memory') is None


def test_time_per_frame_is_over_all_frames(tmp_path):
    record = json.loads((write_results(tmp_path, SCORES) / 'results.json').read_text())
    for name, frames, seconds in (('a', 10, 1.0), ('b', 30, 2.0)):
        record['sequences'][name] |= {'frames': frames, 'seconds_per_frame': seconds}
    (tmp_path / 'results.json').write_text(json.dumps(record))
    assert read_results(tmp_path).seconds_per_frame == pytest.approx(1.75)


def test_settings_may_be_in_groups(tmp_path):
    record = json.loads((write_results(tmp_path, SCORES) / 'results.json').read_text())
    record['settings'] = {'propagation': {'top_k': 3}}
    (tmp_path / 'results.json').write_text(json.dumps(record))
    assert read_results(tmp_path).settings == {'propagation.top_k': 3}


def test_scores_frame_by_frame(tmp_path):
    score = read_score(write_results(tmp_path, SCORES), 'b')
    assert score is not None
    assert [obj.name for obj in score.objects] == ['box1', 'box2']
    assert score.objects[1].j == (1.0, 1.0, 0.5, 1.0)
    assert score.objects[1].frames == (1, 2, 3, 4)


def test_what_is_no_results_folder_is_told_by_name(tmp_path):
    with pytest.raises(SourceError):
        read_results(tmp_path / 'missing')
    with pytest.raises(SourceError):
        read_results(tmp_path)
    (tmp_path / 'run.json').write_text('{}')
    with pytest.raises(SourceError):
        read_results(tmp_path)


@pytest.mark.parametrize(
    ('content', 'reason'),
    [
        ('{', 'cannot read'),
        ('[]', 'no mapping'),
        ('{"mean": {}}', "mapping 'sequences'"),
        ('{"mean": 1, "sequences": {}}', "mapping 'mean'"),
        ('{"mean": {}, "sequences": {"a": 1}}', 'each entry'),
    ],
)
def test_broken_results_are_refused(tmp_path, content, reason):
    (tmp_path / 'results.json').write_text(content)
    with pytest.raises(SourceError, match=reason):
        read_results(tmp_path)


def test_broken_scores_are_refused(tmp_path):
    place = write_results(tmp_path, SCORES) / 'sequences/a/score.json'
    place.write_text('{"name": "a", "objects": [{"j": 1, "x": 2}]}')
    with pytest.raises(SourceError):
        read_score(tmp_path, 'a')
    place.unlink()
    with pytest.raises(SourceError):
        read_score(tmp_path, 'a')
