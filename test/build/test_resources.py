"""Data files and interface definitions are found in the source tree and in every installation."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import drift_ros
from drift_ros import interfaces, resources

ROOT = Path(__file__).resolve().parents[2]
SHOW = 'from drift_ros import interfaces as i; print(*i.names()); print(i.definition(i.names()[0]))'


def test_names_are_the_files_of_msg_and_srv() -> None:
    expected = {f'drift_ros/msg/{file.stem}' for file in (ROOT / 'msg').glob('*.msg')}
    expected |= {f'drift_ros/srv/{file.stem}' for file in (ROOT / 'srv').glob('*.srv')}
    assert interfaces.names() == sorted(expected)
    assert len(expected) >= 6


def test_definition_is_the_text_of_the_file() -> None:
    text = interfaces.definition('drift_ros/msg/TrackedObject')
    assert text == (ROOT / 'msg' / 'TrackedObject.msg').read_text(encoding='utf-8')


@pytest.mark.parametrize('name', ['drift_ros/msg/Nothing', 'Prompt', '', '../msg/Prompt'])
def test_unknown_definition_lists_the_known(name: str) -> None:
    with pytest.raises(resources.ResourceError, match='drift_ros/msg/Prompt'):
        interfaces.definition(name)


def test_unknown_kind_is_refused() -> None:
    with pytest.raises(resources.ResourceError, match='config, msg, resource, srv'):
        resources.folder('weights')


@pytest.mark.parametrize('name', ['Nothing.msg', '../package.xml', '', '/etc/passwd'])
def test_path_outside_or_missing_is_refused(name: str) -> None:
    with pytest.raises(resources.ResourceError, match=r'Prompt\.msg'):
        resources.path('msg', name)


@pytest.mark.parametrize('layout', ['colcon', 'debian', 'pip'])
def test_found_in_an_installation(tmp_path: Path, layout: str) -> None:
    """Copied installations, as colcon without links and pip make them, are complete."""
    site = {
        'colcon': tmp_path / 'lib' / 'python3.12' / 'site-packages',
        'debian': tmp_path / 'local' / 'lib' / 'python3.10' / 'dist-packages',
        'pip': tmp_path / 'lib' / 'python3.12' / 'site-packages',
    }[layout]
    package = site / 'drift_ros'
    package.mkdir(parents=True)
    share = package / 'share' if layout == 'pip' else tmp_path / 'share' / 'drift_ros'
    for name in ('__init__', 'errors', 'interfaces', 'resources'):
        shutil.copy(ROOT / 'drift_ros' / f'{name}.py', package)
    for kind in ('msg', 'srv'):
        shutil.copytree(ROOT / kind, share / kind)
    shown = subprocess.run(
        [sys.executable, '-c', SHOW],
        cwd=tmp_path,
        env=os.environ | {'PYTHONPATH': str(site)},
        capture_output=True,
        text=True,
        check=True,
    )
    first = interfaces.names()[0]
    assert shown.stdout.splitlines()[0].split() == interfaces.names()
    assert interfaces.definition(first).strip() in shown.stdout


def test_installation_without_data_files_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resources, '_roots', lambda: [Path('/nowhere')])
    with pytest.raises(resources.ResourceError, match='/nowhere/msg'):
        interfaces.names()


def test_version_is_the_same_everywhere() -> None:
    version = drift_ros.__version__
    assert f'<version>{version}</version>' in (ROOT / 'package.xml').read_text()
    assert f"version='{version}'" in (ROOT / 'setup.py').read_text()


def test_ros_machine_bounds_are_those_of_setup() -> None:
    """What pip adds on a ROS 2 machine has the lower bounds of the library."""
    lines = (ROOT / 'requirements' / 'ros_machine.txt').read_text().splitlines()
    bounds = [line for line in lines if line and not line.startswith('#')]
    setup = (ROOT / 'setup.py').read_text()
    assert bounds
    assert [bound for bound in bounds if f"'{bound}'" not in setup] == []
