"""The embedded diffusion model: shapes, causality, streaming, positions, saving."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from drift_ros.errors import SettingsError
from drift_ros.features.embedded.layers import HEAD, MARGIN, PAST, TILE, Attention, Cache
from drift_ros.features.embedded.model import EmbeddedUNet


def tiny(temporal: bool = True, seed: int = 0) -> EmbeddedUNet:
    """A small model in which every branch contributes."""
    torch.manual_seed(seed)
    model = EmbeddedUNet((32, 64), context=64, depth=1, readout=(16, 8), temporal=temporal).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return model


def video(frames: int = 4, height: int = 24, width: int = 32) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(1, frames, 3, height, width, generator=generator), torch.zeros(1, frames)


@pytest.mark.parametrize(('frames', 'height', 'width'), [(4, 24, 32), (1, 8, 8), (7, 36, 20)])
@torch.no_grad()
def test_takes_any_size_and_length(frames: int, height: int, width: int) -> None:
    model = tiny()
    x, level = video(frames, height, width)
    found = model(x, level)
    assert found.clean.shape == x.shape
    assert found.descriptors.shape == (1, frames, 24, height // 4, width // 4)
    assert torch.equal(found.descriptors, model.describe(x, level))
    assert height % model.multiple == 0


@pytest.mark.parametrize('first', [0, 10**7])
@torch.no_grad()
def test_a_stream_gives_the_same_frame_by_frame_as_at_once(first: int) -> None:
    """However long it has been going on."""
    model = tiny()
    x, level = video(frames=16)
    caches = [Cache() for _ in range(3)]
    for cache in caches:
        cache.frames = first
    splits = [[1] * 16, [16], [5, 1, 10]]
    found = []
    for sizes, cache in zip(splits, caches, strict=True):
        parts = zip(x.split(sizes, 1), level.split(sizes, 1), strict=True)
        found.append(torch.cat([model.describe(p, q, cache=cache) for p, q in parts], 1))
    for streamed in found:
        torch.testing.assert_close(streamed, model.describe(x, level), rtol=0, atol=1e-5)


@torch.no_grad()
def test_a_cache_keeps_a_bounded_number_of_frames() -> None:
    model, cache = tiny(), Cache()
    x, level = video(frames=1)
    sizes = set()
    for _ in range(12):
        model.describe(x, level, cache=cache)
        sizes.add(sum(part.numel() for part in cache.layers.values()))
    assert len(sizes) == 1
    assert cache.frames == 12


def changed_by(model: EmbeddedUNet, frame: int, join: bool = True) -> list[bool]:
    """Which frames' descriptors react to a change of one frame."""
    x, level = video()
    other = x.clone()
    other[:, frame] += 1
    with torch.no_grad():
        a, b = (model.describe(v, level, join=join)[0] for v in (x, other))
    return [not torch.equal(p, q) for p, q in zip(a, b, strict=True)]


def test_frames_depend_on_earlier_ones_alone() -> None:
    assert changed_by(tiny(), 1) == [False, True, True, True]


def test_without_temporal_layers_every_frame_is_seen_alone() -> None:
    assert changed_by(tiny(), 1, join=False) == [False, True, False, False]
    assert changed_by(tiny(temporal=False), 1) == [False, True, False, False]


@torch.no_grad()
def test_clips_of_a_batch_do_not_mix() -> None:
    model = tiny()
    x, level = video()
    both = torch.cat([x, x.flip(1)])
    together = model(both, level.expand(2, -1)).clean
    torch.testing.assert_close(together[:1], model(x, level).clean, rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_the_noise_level_of_each_frame_counts_for_it() -> None:
    model = tiny(temporal=False)
    x, level = video()
    other = level.clone()
    other[0, 2] = -3
    a, b = (model.describe(x, snr) for snr in (level, other))
    differ = [not torch.equal(p, q) for p, q in zip(a[0], b[0], strict=True)]
    assert differ == [False, False, True, False]


@torch.no_grad()
def test_saved_and_loaded_it_is_the_same(tmp_path: Path) -> None:
    model = tiny()
    model.save_pretrained(tmp_path)
    again = EmbeddedUNet.from_pretrained(tmp_path, local_files_only=True).eval()
    x, level = video()
    assert torch.equal(model(x, level).clean, again(x, level).clean)


def test_refuses_channels_that_do_not_fit() -> None:
    with pytest.raises(SettingsError, match='multiples of 32'):
        EmbeddedUNet((32, 40), readout=(8, 8))
    with pytest.raises(SettingsError, match='readout'):
        EmbeddedUNet((32, 64), readout=(8, 8, 8))


def layer_of(scope: str) -> Attention:
    torch.manual_seed(0)
    layer = Attention(64, scope)
    torch.nn.init.normal_(layer.out.weight, std=0.2)
    return layer


def projected(layer: Attention, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Queries, keys and values (F, h, w, heads, HEAD) without any positions."""
    qkv = layer.qkv(layer.norm(x).permute(0, 2, 3, 1)).unflatten(-1, (3, 2, HEAD))
    query, key = (functional.normalize(qkv[..., i, :, :], dim=-1) for i in (0, 1))
    return query * layer.sharpness[:, 0], key, qkv[..., 2, :, :]


def rotated(values: Tensor, offset: tuple[int, ...]) -> Tensor:
    """Pairs of channels rotated by an offset in frames, rows and columns, as complex numbers."""
    waves = [5, 5, 6]
    rates = [100.0 ** -(torch.arange(n) / (n - 1)) for n in waves]
    angle = torch.cat([o * rate for o, rate in zip(offset, rates, strict=True)])
    spun = torch.complex(*values.chunk(2, -1)) * torch.polar(torch.ones(16), angle)
    return torch.cat([spun.real, spun.imag], -1)


@torch.no_grad()
def test_near_attention_against_one_query_at_a_time() -> None:
    """Keys of a tile with its margin in three frames, rotated by relative places."""
    layer = layer_of('near')
    frames, height, width = 4, 10, 13
    x = torch.randn(frames, 64, height, width)
    found = (layer(x, frames) - x).permute(0, 2, 3, 1)
    query, key, value = projected(layer, x)
    for t, y, c in [(0, 0, 0), (1, 5, 7), (3, 9, 12), (2, 8, 3)]:
        top, left = y // TILE * TILE - MARGIN, c // TILE * TILE - MARGIN
        side = TILE + 2 * MARGIN
        scores, values = [], []
        for u in range(t - PAST['near'], t + 1):
            for v in range(top, top + side):
                for w in range(left, left + side):
                    if u >= 0 and 0 <= v < height and 0 <= w < width:
                        offset = (u - t, v - y, w - c)
                        scores.append((query[t, y, c] * rotated(key[u, v, w], offset)).sum(-1))
                        values.append(rotated(value[u, v, w], offset))
                    else:
                        scores.append(torch.zeros(2))
                        values.append(torch.zeros(2, HEAD))
        weights = torch.stack(scores).softmax(0)
        mixed = (weights[..., None] * torch.stack(values)).sum(0)
        torch.testing.assert_close(found[t, y, c], layer.out(mixed.flatten()), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize('scope', ['frame', 'all', 'long'])
@torch.no_grad()
def test_attention_to_whole_frames_against_one_query_at_a_time(scope: str) -> None:
    layer = layer_of(scope)
    x = torch.randn(5, 64, 2, 3)
    found = (layer(x, 5) - x).permute(0, 2, 3, 1)
    query, key, value = projected(layer, x)
    here = (4, 1, 2)
    scores, values = [], []
    for t in range(here[0] - PAST[scope], here[0] + 1):
        for y, c in [(y, c) for y in range(2) for c in range(3)]:
            offset = (t - here[0], y - here[1], c - here[2])
            if t < 0:
                scores.append(torch.zeros(2))
                values.append(torch.zeros(2, HEAD))
                continue
            scores.append((query[here] * rotated(key[t, y, c], offset)).sum(-1))
            values.append(rotated(value[t, y, c], offset))
    mixed = (torch.stack(scores).softmax(0)[..., None] * torch.stack(values)).sum(0)
    torch.testing.assert_close(found[here], layer.out(mixed.flatten()), rtol=1e-4, atol=1e-4)
