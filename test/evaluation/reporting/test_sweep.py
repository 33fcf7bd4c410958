"""Sweeps over settings, with a made-up evaluation whose scores are known."""

from __future__ import annotations

import csv
import json
import re
import xml.etree.ElementTree as ET
from urllib.parse import unquote

import pytest
from browser import PHONE, probe
from result_folders import write_results

from drift_ros.errors import DeviceError, OutputError, SettingsError
from drift_ros.evaluation.reporting.sweep_files import one_at_a_time, plots, write_sweep
from drift_ros.evaluation.sweep import Axis, grid, parse_axis, ranked, run
from drift_ros.settings import flatten

TAU, ALPHA = 'features.video.noise_level', 'features.alpha'
AXES = (
    Axis(TAU, (600, 100, 300)),
    Axis(ALPHA, (0.2, 0.4)),
    Axis('features.name', ('patch', 'fused')),
)


def evaluate(settings, folder):
    """Best at tau 300 and alpha 0.4 by `fused`, which the device refuses at tau 600."""
    if settings.features.name == 'fused' and settings.features.video.noise_level == 600:
        raise DeviceError('too little memory: take a smaller window')
    score = 0.8 - abs(settings.features.video.noise_level - 300) / 1000
    score -= (0.4 - settings.features.alpha) / 2 + 0.1 * (settings.features.name == 'patch')
    write_results(folder, {'a': [(score, score)]}, settings=flatten(settings))
    return json.loads((folder / 'results.json').read_text())


@pytest.fixture
def outcomes(tmp_path):
    return run(grid({}, AXES), evaluate, tmp_path, lambda outcomes: None)


def test_axes_are_read_as_yaml():
    axis = parse_axis(' propagation.top_k = 5, 10')
    assert axis == Axis('propagation.top_k', (5, 10)) and axis.numeric
    assert parse_axis('features.video.temporal=true,false').values == (True, False)
    assert not parse_axis('features.video.temporal=true,false').numeric
    assert parse_axis('features.name=patch').values == ('patch',)


@pytest.mark.parametrize(
    ('text', 'reason'),
    [
        ('propagation.top_k', 'must be name=value'),
        ('propagation.top_k=', 'must be name=value'),
        ('propagation.top_k=5,,10', 'must be name=value'),
        ('propagation.topk=5', "did you mean 'propagation.top_k'"),
        ('propagation.top_k=5,5', 'names a value twice'),
        ('propagation.top_k=[', 'no YAML'),
    ],
)
def test_broken_axes_are_refused(text, reason):
    with pytest.raises(SettingsError, match=reason):
        parse_axis(text)


def test_the_grid_has_all_combinations_over_the_base():
    combinations = grid({'propagation.radius': 3, ALPHA: 0.9}, AXES)
    assert len(combinations) == 12
    assert len({combination.folder for combination in combinations}) == 12
    first = combinations[0]
    assert first.values == {TAU: 600, ALPHA: 0.2, 'features.name': 'patch'}
    assert first.settings.propagation.radius == 3 and first.settings.features.alpha == 0.2
    assert first.folder == f'{TAU}=600,{ALPHA}=0.2,features.name=patch'


def test_a_value_out_of_range_is_refused_before_anything_runs():
    with pytest.raises(SettingsError, match=r'propagation\.top_k.* 0'):
        grid({}, [Axis('propagation.top_k', (5, 0))])
    with pytest.raises(SettingsError, match='patch'):
        grid({}, [Axis('features.name', ('patch', 'pach'))])
    with pytest.raises(SettingsError):
        grid({}, [])
    with pytest.raises(SettingsError):
        grid({}, [AXES[0], AXES[0]])


def test_folders_of_paths_are_plain_and_differ():
    axis = Axis('features.image.checkpoint', ('/a/b', '/a_b', '/' + 'x' * 300))
    folders = [combination.folder for combination in grid({}, [axis])]
    assert len(set(folders)) == 3
    assert all('/' not in folder and len(folder) < 200 for folder in folders)


def test_short_names_are_those_that_no_other_setting_has():
    assert Axis('features.resolution', ()).short == 'resolution'
    assert Axis('features.embedded.snr', ()).short == 'embedded.snr'
    assert Axis(TAU, ()).short == 'video.noise_level'
    assert Axis('propagation.window', ()).short == 'window'


def test_a_refused_combination_does_not_end_the_sweep(outcomes, tmp_path):
    assert len(outcomes) == 12
    refused = [o for o in outcomes if o.results is None]
    assert [o.combination.values[ALPHA] for o in refused] == [0.2, 0.4]
    assert all('too little memory' in o.refused for o in refused)
    order = ranked(outcomes, 'J&F')
    assert order[0].combination.values == {TAU: 300, ALPHA: 0.4, 'features.name': 'fused'}
    assert order[0].results.mean['J&F'] == pytest.approx(0.8)
    assert order[-2:] == refused
    assert (tmp_path / order[0].combination.folder / 'results.json').is_file()


def test_a_folder_of_something_else_ends_the_sweep(tmp_path):
    def evaluate(settings, folder):
        raise OutputError('holds a run of something else')

    with pytest.raises(OutputError):
        run(grid({}, AXES), evaluate, tmp_path, lambda outcomes: None)


def test_plots_are_over_numbers_with_a_line_per_value_of_another_setting(outcomes):
    drawn = {plot.name: plot for plot in plots(outcomes, AXES)}
    assert set(drawn) == {
        f'{TAU}_by_{ALPHA}', f'{TAU}_by_features.name',
        f'{ALPHA}_by_{TAU}', f'{ALPHA}_by_features.name',
    }  # fmt: skip
    by_name = drawn[f'{TAU}_by_features.name'].lines
    assert [line.name for line in by_name] == ['name = patch', 'name = fused']
    patch, fused = (line.values for line in by_name)  # over tau 100, 300, 600 at alpha 0.4
    assert patch == pytest.approx([50, 70, 40])
    assert fused[:2] == pytest.approx([60, 80]) and fused[2] is None


def test_one_setting_at_a_time_the_others_as_in_the_best(outcomes):
    tau, alpha, name = one_at_a_time(outcomes, AXES)
    assert tau['heads'] == ['video.noise_level', '600', '100', '300']
    assert tau['rows'][0]['title'] == 'J&F' and tau['rows'][0]['cells'] == ['–', '60.0', '80.0']
    assert alpha['rows'][0]['cells'] == ['70.0', '80.0']
    assert name['rows'][0]['cells'] == ['70.0', '80.0']


def test_files_of_a_sweep(outcomes, tmp_path):
    write_sweep(outcomes, AXES, 12, 'clips', tmp_path)
    rows = list(csv.DictReader((tmp_path / 'sweep.csv').read_text().splitlines()))
    assert [rows[0][name] for name in (TAU, ALPHA, 'features.name')] == ['300', '0.4', 'fused']
    assert float(rows[0]['J&F']) == pytest.approx(0.8) and rows[0]['refused'] == ''
    assert rows[-1]['J&F'] == '' and 'too little memory' in rows[-1]['refused']
    assert None not in rows[0] and None not in rows[-1], 'more cells than heads'
    for file in (tmp_path / 'plots').iterdir():
        root = ET.parse(file).getroot()
        assert root.tag == '{http://www.w3.org/2000/svg}svg'
    assert len(list((tmp_path / 'plots').iterdir())) == 4
    page = tmp_path / 'sweep.html'
    assert '12 of 12 combinations, 2 of them refused' in page.read_text()
    links = re.findall(r' href="([^"]*)"', page.read_text())
    assert len(links) == 10
    assert unquote(links[0]) == f'{ranked(outcomes, "J&F")[0].combination.folder}/report.html'
    script = """({first: document.querySelector('tbody tr').textContent.trim(),
        plots: document.querySelectorAll('svg.chart').length,
        fits: document.documentElement.scrollWidth <= innerWidth})"""
    found = probe(page, script, PHONE)
    assert found['plots'] == 4 and found['fits'] and found['first'].startswith('3000.4fused80.0')


def test_a_sweep_of_which_all_is_refused_still_tells_so(tmp_path):
    def evaluate(settings, folder):
        raise DeviceError('no memory')

    axes = [Axis(TAU, (1, 2))]
    outcomes = run(grid({}, axes), evaluate, tmp_path, lambda o: None)
    write_sweep(outcomes, axes, 2, 'clips', tmp_path)
    assert '2 of them refused' in (tmp_path / 'sweep.html').read_text()
    assert (tmp_path / 'sweep.csv').read_text().count('no memory') == 2


def test_means_over_fewer_sequences_come_behind(tmp_path):
    def some(settings, folder):
        small = settings.propagation.top_k == 5
        sequences = {'a': [(0.9, 0.9)]} if small else {'a': [(0.5, 0.5)], 'b': [(0.5, 0.5)]}
        write_results(folder, sequences)
        return json.loads((folder / 'results.json').read_text())

    found = run(grid({}, [Axis('propagation.top_k', (5, 10))]), some, tmp_path, lambda _: None)
    best = ranked(found, 'J&F')[0]
    assert best.combination.values == {'propagation.top_k': 10}
