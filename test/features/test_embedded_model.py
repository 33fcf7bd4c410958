"""The embedded diffusion model: shapes, who sees whom, positions, saving."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from drift_ros.errors import SettingsError
from drift_ros.features.embedded.layers import HEAD, MARGIN, TILE, Attention
from drift_ros.features.embedded.model import EmbeddedUNet


def tiny(temporal: bool = True, seed: int = 0) -> EmbeddedUNet:
    """A small model in which every branch says something."""
    torch.manual_seed(seed)
    model = EmbeddedUNet((32, 64), frames=4, near=(True,), temporal=temporal).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return model


def video(frames: int = 4, height: int = 24, width: int = 32) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(1, frames, 3, height, width, generator=generator), torch.zeros(1, frames)


@pytest.mark.parametrize(('frames', 'height', 'width'), [(4, 24, 32), (1, 8, 8), (7, 36, 20)])
@torch.no_grad()
def test_takes_other_sizes_and_lengths_than_it_was_made_for(
    frames: int, height: int, width: int
) -> None:
    model = tiny()
    x, level = video(frames, height, width)
    assert model(x, level).shape == x.shape
    assert model(x, level, blocks=[0])[0].shape == (1, frames, 64, -(-height // 8), -(-width // 8))
    assert model(x, level, blocks=[1])[0].shape == (1, frames, 32, height // 4, width // 4)
    assert height % model.multiple == 0


def changed_by(model: EmbeddedUNet, frame: int, join: bool = True) -> list[bool]:
    """Which frames' features react to a change of one frame."""
    x, level = video()
    other = x.clone()
    other[:, frame] += 1
    with torch.no_grad():
        a, b = (model(v, level, blocks=[1], join=join)[0] for v in (x, other))
    return [not torch.equal(p, q) for p, q in zip(a[0], b[0], strict=True)]


def test_temporal_layers_join_all_frames() -> None:
    assert changed_by(tiny(), 3) == [True] * 4


def test_without_temporal_layers_every_frame_is_seen_alone() -> None:
    assert changed_by(tiny(), 3, join=False) == [False, False, False, True]
    assert changed_by(tiny(temporal=False), 3) == [False, False, False, True]


def test_the_twin_has_the_same_parts_but_for_the_temporal_ones() -> None:
    video_names = {n for n, _ in tiny().named_parameters() if '.temporal.' not in n}
    assert video_names == {n for n, _ in tiny(temporal=False).named_parameters()}


@torch.no_grad()
def test_clips_of_a_batch_do_not_mix() -> None:
    model = tiny()
    x, level = video()
    both = torch.cat([x, x.flip(1)])
    together = model(both, level.expand(2, -1))
    torch.testing.assert_close(together[:1], model(x, level), rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_the_noise_level_of_each_frame_counts_for_it() -> None:
    model = tiny(temporal=False)
    x, level = video()
    other = level.clone()
    other[0, 2] = -3
    a, b = (model(x, told, blocks=[1])[0] for told in (level, other))
    assert [not torch.equal(p, q) for p, q in zip(a[0], b[0], strict=True)] == [
        False,
        False,
        True,
        False,
    ]


@torch.no_grad()
def test_saved_and_loaded_it_is_the_same(tmp_path: Path) -> None:
    model = tiny()
    model.save_pretrained(tmp_path)
    again = EmbeddedUNet.from_pretrained(tmp_path, local_files_only=True).eval()
    x, level = video()
    assert torch.equal(model(x, level), again(x, level))
    assert again.config.frames == 4


def test_refuses_blocks_and_channels_that_do_not_fit() -> None:
    x, level = video()
    with pytest.raises(SettingsError, match='blocks 0 to 1'):
        tiny()(x, level, blocks=[1, 2])
    with pytest.raises(SettingsError, match='multiples of 32'):
        EmbeddedUNet((32, 40), near=(True,))
    with pytest.raises(SettingsError, match='a word for each'):
        EmbeddedUNet((32, 64), near=(True, True))


def attention(scope: str) -> Attention:
    torch.manual_seed(0)
    layer = Attention(64, scope)
    torch.nn.init.normal_(layer.out.weight, std=0.2)
    return layer


@torch.no_grad()
def test_cells_see_near_ones_in_the_frames_beside_them() -> None:
    """Against one query at a time: keys of a tile with its margin, turned by relative places."""
    layer = attention('near')
    frames, height, width = 3, 10, 13
    x = torch.randn(frames, 64, height, width)
    found = (layer(x, frames) - x).permute(0, 2, 3, 1)
    qkv = layer.qkv(layer.norm(x).permute(0, 2, 3, 1)).unflatten(-1, (3, 2, HEAD))
    query, key = (functional.normalize(qkv[..., i, :, :], dim=-1) for i in (0, 1))
    query = query * layer.sharpness[:, 0]
    value = qkv[..., 2, :, :]
    for t, y, c in [(0, 0, 0), (1, 5, 7), (1, 9, 12), (2, 8, 3)]:
        top, left = y // TILE * TILE - MARGIN, c // TILE * TILE - MARGIN
        side = TILE + 2 * MARGIN
        scores, values = [], []
        for u in (max(t - 1, 0), t, min(t + 1, frames - 1)):
            for v in range(top, top + side):
                for w in range(left, left + side):
                    if 0 <= v < height and 0 <= w < width:
                        offset = (u - t, v - y, w - c)
                        scores.append((query[t, y, c] * turned(key[u, v, w], offset)).sum(-1))
                        values.append(turned(value[u, v, w], offset))
                    else:
                        scores.append(torch.zeros(2))
                        values.append(torch.zeros(2, HEAD))
        weights = torch.stack(scores).softmax(0)
        mixed = (weights[..., None] * torch.stack(values)).sum(0)
        torch.testing.assert_close(found[t, y, c], layer.out(mixed.flatten()), rtol=1e-4, atol=1e-4)


def turned(values: Tensor, offset: tuple[int, ...]) -> Tensor:
    """Pairs of channels turned by an offset in frames, rows and columns, as complex numbers."""
    waves = [5, 5, 6]
    rates = [100.0 ** -(torch.arange(n) / (n - 1)) for n in waves]
    angle = torch.cat([o * rate for o, rate in zip(offset, rates, strict=True)])
    spun = torch.complex(*values.chunk(2, -1)) * torch.polar(torch.ones(16), angle)
    return torch.cat([spun.real, spun.imag], -1)


@torch.no_grad()
def test_attention_to_all_frames_is_softmax_attention_by_relative_places() -> None:
    layer = attention('all')
    x = torch.randn(2, 64, 2, 3)
    found = (layer(x, 2) - x).permute(0, 2, 3, 1)
    qkv = layer.qkv(layer.norm(x).permute(0, 2, 3, 1)).unflatten(-1, (3, 2, HEAD))
    query, key = (functional.normalize(qkv[..., i, :, :], dim=-1) for i in (0, 1))
    here = (1, 1, 2)
    scores, values = [], []
    for place in [(t, y, c) for t in range(2) for y in range(2) for c in range(3)]:
        offset = tuple(p - h for p, h in zip(place, here, strict=True))
        score = (query[here] * turned(key[place], offset)).sum(-1)
        scores.append(score * layer.sharpness.flatten())
        values.append(turned(qkv[(*place, 2)], offset))
    mixed = (torch.stack(scores).softmax(0)[..., None] * torch.stack(values)).sum(0)
    torch.testing.assert_close(found[here], layer.out(mixed.flatten()), rtol=1e-4, atol=1e-4)
