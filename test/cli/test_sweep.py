"""`drift sweep` on a small data set."""

from __future__ import annotations

import csv
import json

import pytest
from davis_folders import davis_folder
from typer.testing import CliRunner

from drift_ros.cli.main import make_app

SMALL = ['--set', 'features.resolution=0', '--set', 'features.device=cpu']


@pytest.fixture
def sweep(tmp_path, monkeypatch):
    monkeypatch.setenv('COLUMNS', '160')
    data = davis_folder(tmp_path / 'data', names=('boxes',), frames=4)

    def call(*arguments):
        command = ['sweep', str(data), '--layout', 'davis', '--out', str(tmp_path / 'out'), *SMALL]
        return CliRunner().invoke(make_app(), [*command, *arguments])

    return call


def rows(folder):
    return list(csv.DictReader((folder / 'sweep.csv').read_text().splitlines()))


def test_every_combination_is_evaluated_once(sweep, tmp_path):
    out = tmp_path / 'out'
    top_k, radius = ('--over', 'propagation.top_k=1,5'), ('--over', 'propagation.radius=2')
    first = sweep(*top_k, *radius)
    assert first.exit_code == 0, first.output
    assert len(rows(out)) == 2 and '2 combinations' in first.output
    folder = out / 'propagation.top_k=5,propagation.radius=2'
    record = json.loads((folder / 'results.json').read_text())
    assert record['settings']['propagation.top_k'] == 5
    assert record['settings']['propagation.radius'] == 2
    best = max(rows(out), key=lambda row: float(row['J&F']))
    assert rows(out)[0] == best
    assert (folder / 'report.html').is_file() and (folder / 'results.tex').is_file()
    score = folder / 'sequences/boxes/score.json'
    before = score.stat().st_mtime_ns
    again = sweep('--over', 'propagation.top_k=1,5,7', *radius)
    assert again.exit_code == 0, again.output
    assert len(rows(out)) == 3 and score.stat().st_mtime_ns == before


def test_what_a_model_cannot_do_refuses_its_combination_alone(sweep, tmp_path):
    found = sweep(
        '--set', 'features.image.checkpoint=untrained', '--set', 'features.image.model=sd-2.1',
        '--set', 'features.image.block=9', '--over', 'features.name=patch,image-unet',
    )  # fmt: skip
    assert found.exit_code == 0, found.output
    done, refused = rows(tmp_path / 'out')
    assert done['features.name'] == 'patch' and done['refused'] == ''
    assert refused['features.name'] == 'image-unet' and 'block' in refused['refused']


@pytest.mark.parametrize(
    ('over', 'reason'),
    [
        ('propagation.top_k=5,0', 'greater than or equal to 1'),
        ('features.name=patch,pach', 'the extractors are'),
        ('top_k=5', 'unknown setting'),
    ],
)
def test_nothing_runs_before_all_is_checked(sweep, tmp_path, over, reason):
    found = sweep('--over', over)
    assert found.exit_code == 2 and reason in found.output.replace('\n', ' ')
    assert not (tmp_path / 'out').exists()


def test_a_folder_of_other_data_is_refused(sweep, tmp_path):
    assert sweep('--over', 'propagation.top_k=1').exit_code == 0
    found = sweep('--over', 'propagation.top_k=1', '--frames', '3')
    assert found.exit_code == 2 and 'limit was None and is 3' in found.output.replace('\n', ' ')
