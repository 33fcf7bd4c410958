"""The frame of the `drift` command."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import typer
import yaml
from typer.testing import CliRunner

import drift_ros
from drift_ros.cli import main
from drift_ros.cli.options import tracker_settings
from drift_ros.errors import SourceError
from drift_ros.settings import TrackerSettings


@pytest.fixture
def app() -> typer.Typer:
    app = main.make_app()

    @app.command('fail')
    def fail() -> None:
        raise SourceError('no bag at [red]x[/red];\nname one')

    @app.command('stop')
    def stop() -> None:
        raise KeyboardInterrupt

    return app


def test_an_error_is_one_line_and_code_2(app: typer.Typer) -> None:
    result = CliRunner().invoke(app, ['fail'])
    assert result.exit_code == 2
    assert result.stderr == 'drift: no bag at [red]x[/red]; name one\n'


def test_debug_shows_the_traceback(app: typer.Typer) -> None:
    assert isinstance(CliRunner().invoke(app, ['--debug', 'fail']).exception, SourceError)


def test_ctrl_c_is_one_line_and_code_130(app: typer.Typer) -> None:
    result = CliRunner().invoke(app, ['stop'])
    assert result.exit_code == 130 and result.stderr == 'drift: interrupted\n'


def test_version() -> None:
    result = CliRunner().invoke(main.make_app(), ['--version'])
    assert result.exit_code == 0 and result.stdout == f'drift {drift_ros.__version__}\n'


def test_help_imports_nothing_heavy() -> None:
    script = (
        'import sys; from drift_ros.cli.main import make_app; make_app(); '
        'print(sorted({"torch", "rclpy", "cv2", "rosbags", "diffusers"} & set(sys.modules)))'
    )
    done = subprocess.run(
        [sys.executable, '-c', script], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == '[]\n'


def test_runs_as_a_module() -> None:
    done = subprocess.run(
        [sys.executable, '-m', 'drift_ros.cli.main', 'extractors'],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert 'video-unet' in done.stdout and 'baseline' in done.stdout


def test_printed_settings_are_the_defaults(tmp_path: Path) -> None:
    result = CliRunner().invoke(main.make_app(), ['settings'])
    assert result.exit_code == 0
    assert yaml.safe_load(result.stdout)['propagation']['top_k'] == 10
    assert '# ' in result.stdout and '[1 to 4096]' in result.stdout
    file = tmp_path / 'settings.yaml'
    file.write_text(result.stdout)
    assert tracker_settings(str(file)) == TrackerSettings()


def test_precedence_of_settings(tmp_path: Path) -> None:
    file = tmp_path / 'settings.yaml'
    file.write_text('features: {name: video-unet, device: cuda, resolution: 128}')
    settings = tracker_settings(
        str(file), features='patch', device='cpu', assignments=['features.device=auto']
    )
    assert settings.features.name == 'patch'
    assert settings.features.device == 'auto'
    assert settings.features.resolution == 128
    assert settings.propagation == TrackerSettings().propagation


def test_every_command_has_its_module() -> None:
    registered = set(typer.main.get_command(main.make_app()).commands)
    expected = {'track', 'convert', 'play', 'render', 'demo', 'extractors', 'settings', 'docs'}
    assert expected <= registered


def test_presets_are_listed_with_what_they_stand_for() -> None:
    result = CliRunner().invoke(main.make_app(), ['presets'], env={'COLUMNS': '300'})
    lines = [line for line in result.stdout.splitlines() if line.startswith('ted_davis ')]
    assert len(lines) == 1 and 'J&F 77.6' in lines[0]
    assert 'prompts_example' not in result.stdout
