"""What was fitted, saved and loaded."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from drift_ros.adaptation.files import load, save
from drift_ros.errors import CheckpointError, OutputError

HEADS = (('3.0', 0), ('3.0', 1))


def test_saved_weights_come_back(tmp_path: Path) -> None:
    weights = torch.tensor([0.3, 0.7])
    save(tmp_path / 'a', weights, 'image-attention sd-2.1', HEADS)
    assert torch.equal(load(tmp_path / 'a', 'image-attention sd-2.1', HEADS), weights)


@pytest.mark.parametrize('case', ['missing', 'damaged', 'foreign', 'model', 'heads'])
def test_each_bad_file_is_refused(tmp_path: Path, case: str) -> None:
    path = tmp_path / 'a'
    save(path, torch.tensor([0.3, 0.7]), 'one', HEADS)
    if case == 'missing':
        path.unlink()
    elif case == 'damaged':
        path.write_bytes(path.read_bytes()[:20])
    elif case == 'foreign':
        save_file({'heads': torch.ones(2)}, path)
    name, heads = ('other' if case == 'model' else 'one'), HEADS[:1] if case == 'heads' else HEADS
    with pytest.raises(CheckpointError, match='drift adapt'):
        load(path, name, heads)


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match='nowhere'):
        save(tmp_path / 'nowhere' / 'a', torch.ones(2), 'one', HEADS)
