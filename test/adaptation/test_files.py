"""What was fitted, saved and loaded."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from drift_ros.adaptation.files import load, save
from drift_ros.adaptation.fitting import Adaptation
from drift_ros.errors import CheckpointError, OutputError

HEADS = (('3.0', 0), ('3.0', 1))


@pytest.mark.parametrize('parts', [{'heads'}, {'embeddings'}, {'heads', 'embeddings'}])
def test_what_was_saved_comes_back(tmp_path: Path, parts: set[str]) -> None:
    every = {'heads': torch.tensor([0.3, 0.7]), 'embeddings': torch.randn(3, 8)}
    given = Adaptation(**{name: every[name] for name in parts})
    save(tmp_path / 'a', given, 'image-attention sd-2.1', HEADS)
    found = load(tmp_path / 'a', 'image-attention sd-2.1', HEADS, 8)
    for name in every:
        one, other = getattr(found, name), getattr(given, name)
        assert one is other is None or torch.equal(one, other)


@pytest.mark.parametrize('case', ['missing', 'damaged', 'foreign', 'model', 'heads', 'text'])
def test_each_bad_file_is_refused(tmp_path: Path, case: str) -> None:
    path = tmp_path / 'a'
    save(path, Adaptation(torch.tensor([0.3, 0.7]), torch.ones(1, 8)), 'one', HEADS)
    if case == 'missing':
        path.unlink()
    elif case == 'damaged':
        path.write_bytes(path.read_bytes()[:20])
    elif case == 'foreign':
        save_file({'heads': torch.ones(2)}, path)
    name, heads = ('other' if case == 'model' else 'one'), HEADS[:1] if case == 'heads' else HEADS
    with pytest.raises(CheckpointError, match='drift adapt'):
        load(path, name, heads, 4 if case == 'text' else 8)


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match='nowhere'):
        save(tmp_path / 'nowhere' / 'a', Adaptation(torch.ones(2)), 'one', HEADS)
