"""Queries and keys of the embedded model, on a small one with random weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from image_unets import settings, window
from torch import Tensor

from drift_ros.errors import SettingsError
from drift_ros.features import create
from drift_ros.features.embedded.attention import EmbeddedAttention
from drift_ros.features.embedded.layers import Attention, _rotate
from drift_ros.features.embedded.model import EmbeddedUNet
from drift_ros.propagation.attention import attend


@pytest.fixture(scope='module')
def model() -> EmbeddedUNet:
    torch.manual_seed(0)
    model = EmbeddedUNet(channels=(32, 32, 64), context=64, depth=1).eval()
    with torch.no_grad():
        for weight in model.parameters():
            if weight.ndim > 1 and not bool(weight.any()):
                weight.normal_(std=0.1)  # branches that begin as nothing
    return model


@pytest.fixture(scope='module')
def folder(model: EmbeddedUNet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp('embedded')
    model.save_pretrained(place)
    return place


def make(folder: Path, **changes: Any) -> EmbeddedAttention:
    given = {'name': 'embedded-attention', 'embedded__checkpoint': str(folder)}
    made = create(settings(**(given | changes)))
    assert isinstance(made, EmbeddedAttention)
    return made


@pytest.mark.parametrize('block', [0, 1])
def test_with_the_own_values_the_kernel_returns_what_the_layer_returns(
    model: EmbeddedUNet, block: int
) -> None:
    seen: dict[str, Tensor] = {}
    attention = model.up[block].attention[0]
    assert isinstance(attention, Attention)
    hook = attention.register_forward_hook(
        lambda _m, inputs, out: seen.update(into=inputs[0], out=out)
    )
    torch.manual_seed(1)
    sample, log_snr = torch.randn(1, 1, 3, 32, 48), torch.zeros(1, 1)
    with torch.no_grad():
        model(sample, log_snr, join=False)
        hook.remove()
        ((query, key),) = model.queries_and_keys(sample, log_snr, [block])
        _, sides, turn = attention.project(seen['into'], 1)
        value = sides[..., attention.heads :, :]
        maps = [each[0].permute(2, 3, 0, 1) for each in (query, key, value[:, 0])]
        heads = [attend([q], [k[None]], v[None]) for q, k, v in zip(*maps, strict=True)]
        mixed = torch.stack(heads).permute(2, 3, 0, 1)[None, None]  # (1, 1, h, w, heads, C)
        back = _rotate(mixed, turn, back=True)
        change = attention.out(back.flatten(-2))[0, 0].permute(2, 0, 1)[None]
    torch.testing.assert_close(seen['into'] + change, seen['out'], rtol=1e-4, atol=1e-5)
    assert float(change.abs().mean()) > 1e-3


def test_shapes_and_defaults(folder: Path) -> None:
    extractor = make(folder)
    assert extractor.heads == (('1.0', 0),) and not extractor.streaming
    found = extractor.extract(window(3, new=2, size=(64, 96)))
    assert found.grid == (4, 6) and found.stride == 16
    assert found.queries[0].shape == (2, 32, 4, 6)
    assert found.keys is not found.queries
    both = make(folder, attention__layers='0,1')
    assert both.heads == (('0.0', 0), ('0.0', 1), ('1.0', 0))
    assert [q.shape[2] for q in both.extract(window(1)).queries] == [2, 2, 4]


def test_a_frame_has_the_same_descriptors_in_every_window(folder: Path) -> None:
    extractor = make(folder)
    many = extractor.extract(window(3)).queries[0]
    one = extractor.extract(window(1, first=2)).queries[0]
    torch.testing.assert_close(one, many[2:], rtol=1e-4, atol=1e-5)


def test_inversion_needs_no_draw(folder: Path) -> None:
    found, other = (
        make(folder, noise='inversion', inversion_steps=2, seed=seed).extract(window(1)).keys[0]
        for seed in (0, 1)
    )
    assert torch.equal(found, other)
    drawn = make(folder).extract(window(1)).keys[0]
    assert not torch.allclose(found, drawn, atol=1e-3)


def test_keys_may_be_compared_and_more_sharply(folder: Path) -> None:
    plain = make(folder).extract(window(1))
    sharp = make(folder, attention__temperature=0.5).extract(window(1))
    torch.testing.assert_close(sharp.queries[0], 2 * plain.queries[0])
    alike = make(folder, attention__compare='keys').extract(window(1))
    lengths = (alike.queries[0].norm(dim=1), plain.queries[0].norm(dim=1))
    torch.testing.assert_close(*lengths, rtol=1e-4, atol=1e-4)
    unit = torch.nn.functional.normalize(alike.queries[0], dim=1)
    torch.testing.assert_close(unit, plain.keys[0], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize('layers', ['2', '1.1', '7'])
def test_a_place_without_attention_is_refused(folder: Path, layers: str) -> None:
    with pytest.raises(SettingsError):
        make(folder, attention__layers=layers)


def test_the_weights_that_come_with_the_package_attend_at_a_sixteenth() -> None:
    found = create(settings(name='embedded-attention')).extract(window(1, size=(480, 640)))
    assert found.grid in {(30, 40), (60, 80)}
