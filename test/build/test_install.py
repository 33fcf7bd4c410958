"""The colcon build: interfaces, sources and executables form one package."""

from __future__ import annotations

import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PREFIX = Path(sys.prefix)
IMPORT = 'import drift_ros.msg, drift_ros.srv, drift_ros.errors; print(drift_ros.msg.Prompt())'

pytest.importorskip('drift_ros.msg', reason='the interfaces are not built: run `make build`')


@pytest.mark.parametrize('folder', [ROOT, Path('/')])
def test_sources_and_interfaces_import_together(folder: Path) -> None:
    shown = subprocess.run(
        [sys.executable, '-c', IMPORT], cwd=folder, capture_output=True, text=True, check=True
    )
    assert shown.stdout.startswith('drift_ros.msg.Prompt(id=0')


def test_package_import_loads_nothing_heavy() -> None:
    code = (
        'import sys, drift_ros, drift_ros.msg; print({"torch", "cv2", "rclpy"} & set(sys.modules))'
    )
    shown = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == 'set()'


@pytest.mark.parametrize('name', ['lib/drift_ros/tracker', 'lib/drift_ros/drift', 'bin/drift'])
def test_executables_run_in_the_building_python(name: str) -> None:
    executable = PREFIX / name
    if not (PREFIX / '.build-stamp').exists():
        pytest.skip('this Python is not the environment of `make build`')
    first = executable.read_text().splitlines()[0]
    assert first == f'#!{PREFIX}/bin/python'
    assert executable.stat().st_mode & 0o111


def test_every_interface_file_is_generated() -> None:
    listed = set(re.findall(r'(?:msg|srv)/\w+\.(?:msg|srv)', (ROOT / 'CMakeLists.txt').read_text()))
    present = {f'{path.parent.name}/{path.name}' for path in ROOT.glob('[ms]*/*.[ms][sr][gv]')}
    assert listed == present


def test_every_field_says_what_it_means() -> None:
    """Each field has a comment on its line or on the lines that continue it."""
    field = re.compile(r'^\w[\w/]*(\[\])? +\w+(?:=\d+)?\s*(#.*\S)?$')
    for path in ROOT.glob('[ms]*/*.[ms][sr][gv]'):
        for line in path.read_text().splitlines():
            if line and line != '---' and not line.lstrip().startswith('#'):
                match = field.match(line)
                assert match, f'{path.name}: {line}'
                assert match[2], f'{path.name}: no comment: {line}'


def test_package_xml_names_what_cmake_finds() -> None:
    declared = {node.text for node in ET.parse(ROOT / 'package.xml').getroot() if node.text}
    found = re.findall(r'find_package\((\w+) REQUIRED\)', (ROOT / 'CMakeLists.txt').read_text())
    assert set(found) <= declared
