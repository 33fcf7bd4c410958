"""`drift convert-adm`."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from diffusers import UNet2DModel
from original_adm import SMALL, original_adm
from typer.testing import CliRunner

from drift_ros.cli.main import make_app
from drift_ros.features.image import adm_conversion


@pytest.fixture
def checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(adm_conversion, 'CONFIG', adm_conversion.CONFIG | SMALL)
    path = tmp_path / 'original.pt'
    torch.save(original_adm().state_dict(), path)
    return path


def run(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(make_app(), ['convert-adm', *(str(a) for a in arguments)])
    return result.exit_code, result.stderr


def test_writes_a_folder_that_diffusers_reads(checkpoint: Path, tmp_path: Path) -> None:
    code, said = run(checkpoint, '--out', tmp_path / 'adm')
    assert code == 0 and f'converted to {tmp_path / "adm"}' in said.replace('\n', '')
    UNet2DModel.from_pretrained(tmp_path / 'adm' / 'unet')


def test_refuses_other_files_and_folders(checkpoint: Path, tmp_path: Path) -> None:
    code, said = run(tmp_path / 'nowhere.pt', '--out', tmp_path / 'adm')
    assert code == 2 and 'there is no file' in said
    taken = tmp_path / 'taken'
    taken.mkdir()
    (taken / 'thesis.tex').touch()
    code, said = run(checkpoint, '--out', taken)
    assert code == 2 and 'no converted model' in said
    assert [p.name for p in taken.iterdir()] == ['thesis.tex']
    text = tmp_path / 'text.pt'
    text.write_text('404')
    code, said = run(text, '--out', tmp_path / 'adm')
    assert code == 2 and 'cannot read' in said and not (tmp_path / 'adm').exists()
