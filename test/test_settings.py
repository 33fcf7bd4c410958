"""Settings files: plain ones, and parameters files of ROS with several nodes in them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from drift_ros.errors import SettingsError
from drift_ros.settings import TrackerSettings, build, read_yaml
from drift_ros.training.settings import TrainingSettings


def read(folder: Path, text: str) -> dict[str, Any]:
    file = folder / 'settings.yaml'
    file.write_text(text)
    return read_yaml(file)


def node(name: str, radius: object, indent: int = 0) -> str:
    text = f'{name}:\n  ros__parameters:\n    propagation: {{radius: {radius}}}\n'
    return ''.join(f'{" " * indent}{line}\n' for line in text.splitlines())


@pytest.mark.parametrize(
    'text',
    [
        'propagation: {radius: 7}',
        'propagation.radius: 7',
        node('/**', 7),
        node('/*', 7),
        node('tracker', 7),
        node('/tracker', 7),
        node('some_other_name', 7),
        node('/ns/tracker', 7),
        node('/ns/**', 7),
        '/ns:\n' + node('tracker', 7, 2),
        'a:\n  b:\n' + node('/tracker', 7, 4),
        node('camera', 3) + node('tracker', 7),
        node('tracker', 7) + node('camera', 3),
        node('camera', 3) + node('lidar', 4) + node('/**', 7),
        node('/**', 3) + node('tracker', 7),
        node('tracker', 7) + node('/**', 3),  # general ones first, wherever they stand
        node('/ns/tracker', 7) + node('/**', 3) + node('/ns/camera', 4),
        node('/**', 3) + 'ns:\n' + node('tracker', 7, 2),
        '/**:\n  ros__parameters: {propagation: {radius: 7}}\ntracker:\n  ros__parameters:\n',
    ],
)
def test_the_trackers_own_settings_are_found(tmp_path: Path, text: str) -> None:
    assert read(tmp_path, text) == {'propagation.radius': 7}


def test_settings_of_all_nodes_and_of_the_tracker_come_together(tmp_path: Path) -> None:
    text = (
        '/**:\n  ros__parameters:\n    use_sim_time: true\n    window: {stride: 2, length: 4}\n'
        'tracker:\n  ros__parameters:\n    window.stride: 1\n    features: {name: patch}\n'
    )
    assert read(tmp_path, text) == {
        'use_sim_time': True,
        'window.stride': 1,
        'window.length': 4,
        'features.name': 'patch',
    }


@pytest.mark.parametrize('text', ['', '{}', '/**:\n  ros__parameters:\n'])
def test_a_file_may_say_nothing(tmp_path: Path, text: str) -> None:
    assert read(tmp_path, text) == {}


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        (node('camera', 3) + node('lidar', 4), r'/camera, /lidar.*call it'),
        (node('/a/tracker', 3) + node('/b/tracker', 4), '/a/tracker, /b/tracker'),
        (node('/a/tracker', 3) + node('/b/tracker', 4) + node('/**', 1), '/a/tracker, /b/tracker'),
        ('tracker:\n  ros__parameters: [1, 2]\n', 'ros__parameters of /tracker.*list'),
        ('/**:\n  ros__parameters: 3\n', r'ros__parameters of /\*\*.*int'),
        (node('tracker', 3) + 'window.stride: 3\n', r'window\.stride must stand below'),
        ('[1, 2]', 'holds a list'),
        ('a: [', 'cannot read'),
    ],
)
def test_what_does_not_tell_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        read(tmp_path, text)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(SettingsError):
        read_yaml(tmp_path / 'nowhere.yaml')


def test_keys_that_are_no_names_are_refused_as_unknown(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"unknown setting '3\.True'"):
        build(TrackerSettings, read(tmp_path, '3: {true: 1}'))


def test_one_setting_of_a_group_leaves_what_its_owner_says_of_the_others():
    given = build(TrainingSettings, {'video.slow_crossings': 0.25})
    assert given.video.slow_crossings == 0.25
    unchanged = {'slow_crossings': TrainingSettings().video.slow_crossings}
    assert given.video.model_copy(update=unchanged) == TrainingSettings().video
