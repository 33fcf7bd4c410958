"""Published numbers: the same as in the presets' own files, and told with what differs."""

from __future__ import annotations

import re

import pytest
from result_folders import write_results

from drift_ros import resources
from drift_ros.evaluation.reporting.published import PUBLISHED, differences, published_for
from drift_ros.evaluation.reporting.reading import read_results
from drift_ros.settings import TrackerSettings, flatten, read_yaml


@pytest.mark.parametrize('preset', PUBLISHED)
def test_the_presets_tell_the_same_numbers(preset):
    lines = resources.path('config', f'{preset}.yaml').read_text().splitlines()
    words = ' '.join(line.lstrip('# ') for line in lines if line.startswith('#'))
    told = re.search(r'J&F ([\d.]+)(?: \(J ([\d.]+), F ([\d.]+)\))? on ([\w-]+(?: val)?)', words)
    assert told is not None, words
    numbers = [float(number) for number in told.groups()[:3] if number]
    measures = [100 * value for value in PUBLISHED[preset].measures.values()]
    assert measures == pytest.approx(numbers)
    assert PUBLISHED[preset].data == told[4]


def test_all_presets_that_stand_for_numbers_are_known():
    told = {
        name.removesuffix('.yaml')
        for name in resources.names('config', '.yaml')
        if 'J&F' in resources.path('config', name).read_text()
    }
    assert told == set(PUBLISHED)


def results_of(folder, preset, count=1, features=None, **dataset):
    meant = read_yaml(resources.path('config', f'{preset}.yaml'))
    settings = flatten(TrackerSettings()) | meant | (features or {})
    scores = {f's{i:02d}': [(0.5, 0.5)] for i in range(count)}
    data = {'layout': 'davis'} | dataset
    write_results(folder, scores, settings=settings, preset=preset, dataset=data)
    return read_results(folder)


def test_the_same_data_weights_and_settings_differ_in_nothing(tmp_path):
    results = results_of(tmp_path, 'ted_davis', 30)
    published = published_for(results)
    assert published is not None and published.measures['J&F'] == pytest.approx(0.776)
    assert differences(results, published) == []


def test_what_differs_is_told(tmp_path):
    features = {'features.name': 'patch', 'propagation.top_k': 3}
    results = results_of(tmp_path, 'ted_davis', 2, features)
    text = differences(results, PUBLISHED['ted_davis'])
    assert text == [
        'Other data: the published numbers are of all 30 sequences of DAVIS-2017 val, these of 2.',
        'Other features: these are of patch, the published numbers of TED.',
        'Other settings than the preset: propagation.top_k is 3 in place of 10.',
    ]


def test_shorter_videos_and_merged_objects_are_told(tmp_path):
    results = results_of(tmp_path, 'ted_davis', 30, limit=20, merge=True)
    assert differences(results, PUBLISHED['ted_davis']) == [
        'Shorter videos: the first 20 frames of each sequence.',
        'Another protocol: all objects of a sequence were taken for one.',
    ]


def test_random_weights_and_own_renderings_are_told(tmp_path):
    features = {'features.video.checkpoint': 'untrained'}
    results = results_of(tmp_path, 'ted_kubric_similar', 14, features, layout='kubric-similar')
    text = ' '.join(differences(results, PUBLISHED['ted_kubric_similar']))
    assert 'weights: here they are random' in text and 'not those of the paper' in text


def test_without_a_preset_nothing_is_published(tmp_path):
    assert published_for(read_results(write_results(tmp_path, {'a': [(1, 1)]}))) is None
