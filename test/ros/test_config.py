"""The parameter files that an integrator starts from."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
import yaml

pytest.importorskip('rclpy', reason='the room ros needs rclpy')

from drift_ros.ros.settings import NodeSettings, tracker_settings
from drift_ros.settings import build, flatten, read_yaml

CONFIG = Path(__file__).resolve().parents[2] / 'config'
PRESETS = ['realtime.yaml', 'accurate.yaml']


def test_the_default_file_holds_the_defaults() -> None:
    given = read_yaml(CONFIG / 'tracker.yaml')
    assert given == flatten(NodeSettings())
    assert build(NodeSettings, given) == NodeSettings()


def test_every_setting_is_explained() -> None:
    lines = (CONFIG / 'tracker.yaml').read_text().splitlines()
    for above, line in pairwise(lines):
        if ': ' in line and not line.lstrip().startswith('#'):
            assert above.lstrip().startswith('#'), line


@pytest.mark.parametrize('name', ['tracker.yaml', *PRESETS])
def test_files_hold_for_a_node_of_any_name_and_namespace(name: str) -> None:
    content = yaml.safe_load((CONFIG / name).read_text())
    assert list(content) == ['/**']
    assert list(content['/**']) == ['ros__parameters']


@pytest.mark.parametrize('name', PRESETS)
def test_presets_are_valid_and_differ_from_the_defaults(name: str) -> None:
    settings = build(NodeSettings, read_yaml(CONFIG / name))
    assert tracker_settings(settings) != tracker_settings(NodeSettings())
