"""`drift train-embedded`: mistakes are told before anything is rendered."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from drift_ros.cli.main import BAD_INPUT, make_app
from drift_ros.training import run


@pytest.mark.parametrize(
    ('arguments', 'said'),
    [
        (['--set', 'batch'], 'name=value'),
        (['--set', 'bath=3'], "did you mean 'batch'"),
        (['--set', 'video.balls=2'], 'less than or equal to 1'),
        (['--device', 'cuda:99'], 'CUDA'),
        (['--resume'], 'no training to resume'),
        (['--start', 'nowhere'], 'config.json'),
    ],
)
def test_mistakes_are_told_in_a_line(arguments: list[str], said: str, tmp_path: Path) -> None:
    command = ['train-embedded', '--out', str(tmp_path / 'out'), '--device', 'cpu', *arguments]
    result = CliRunner().invoke(make_app(), command)
    assert result.exit_code == BAD_INPUT
    assert said in result.output


def test_options_reach_the_training(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    seen = {}

    class Done:
        step_number = 0

    def train(folder: Path, settings: object, plan: object, device: object, **more: object) -> Done:
        seen.update(folder=folder, settings=settings, plan=plan, device=device)
        return Done()

    monkeypatch.setattr(run, 'train', train)
    command = f'train-embedded --out {tmp_path} --device cpu --minutes 3 --set network.depth=3'
    result = CliRunner().invoke(make_app(), command.split())
    assert result.exit_code == 0, result.output
    assert seen['settings'].network.depth == 3
    assert seen['plan'].minutes == 3
    assert str(seen['device']) == 'cpu'
