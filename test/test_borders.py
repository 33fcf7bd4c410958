"""The borders between the rooms: imports across them are found by `lint-imports`."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PLANTED = [
    ('evaluation.scores', 'drift_ros.ros.tools.client'),
    ('training.settings', 'drift_ros.ros.node'),
    ('io.depth', 'diagnostic_msgs'),
    ('synthetic.settings', 'torch'),
    ('environment', 'drift_ros.ros.node'),
]


@pytest.fixture(scope='module')
def report(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What import-linter says of a copy of the package with imports that are not allowed."""
    place = tmp_path_factory.mktemp('borders')
    shutil.copy(ROOT / 'pyproject.toml', place)
    shutil.copytree(
        ROOT / 'drift_ros', place / 'drift_ros', ignore=shutil.ignore_patterns('__pycache__')
    )
    (place / 'drift_ros' / 'unheard_of.py').touch()
    for importer, imported in PLANTED:
        file = place / 'drift_ros' / f'{importer.replace(".", "/")}.py'
        with file.open('a', encoding='utf-8') as module:
            module.write(f'import {imported}\n')
    command = [str(Path(sys.executable).with_name('lint-imports')), '--no-cache']
    done = subprocess.run(command, cwd=place, capture_output=True, text=True, check=False)
    assert done.returncode, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize(('importer', 'imported'), PLANTED)
def test_an_import_across_a_border_is_found(report: str, importer: str, imported: str):
    assert f'drift_ros.{importer} -> {imported} (' in report


def test_a_new_room_must_be_given_its_layer(report: str):
    assert 'unheard_of' in report
