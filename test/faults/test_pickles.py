"""Weights that would run code when they are loaded are refused, and nothing is run."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import AutoencoderKL

from drift_ros.errors import CheckpointError
from drift_ros.features.checkpoints import load_part
from drift_ros.features.image.adm_conversion import read
from drift_ros.prompts.sam import _weights


class Payload:
    """Makes a file when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.marker),)


def plain(path: Path, marker: Path) -> None:
    path.write_bytes(pickle.dumps({'weight': Payload(marker)}))


def of_torch(path: Path, marker: Path) -> None:
    torch.save({'weight': Payload(marker)}, path)


@pytest.mark.parametrize('save', [plain, of_torch])
@pytest.mark.parametrize('name', ['safetensors', 'bin'])
def test_in_a_model_folder(tmp_path: Path, save: Callable[[Path, Path], None], name: str) -> None:
    AutoencoderKL(block_out_channels=(8,), norm_num_groups=4).save_pretrained(tmp_path / 'vae')
    (tmp_path / 'vae' / 'diffusion_pytorch_model.safetensors').unlink()
    save(tmp_path / 'vae' / f'diffusion_pytorch_model.{name}', tmp_path / 'pwned')
    with pytest.raises(CheckpointError):
        load_part(tmp_path, 'vae', AutoencoderKL, torch.float32)
    assert not (tmp_path / 'pwned').exists()


@pytest.mark.parametrize('save', [plain, of_torch])
@pytest.mark.parametrize('load', [read, _weights])
def test_in_a_file_of_its_own(
    tmp_path: Path, save: Callable[[Path, Path], None], load: Callable[[Path], Any]
) -> None:
    save(tmp_path / 'model.pt', tmp_path / 'pwned')
    with pytest.raises(CheckpointError):
        load(tmp_path / 'model.pt')
    assert not (tmp_path / 'pwned').exists()
    pickle.loads((tmp_path / 'model.pt').read_bytes()) if save is plain else torch.load(
        tmp_path / 'model.pt', weights_only=False
    )
    assert (tmp_path / 'pwned').exists(), 'the file would have run nothing anyhow'
