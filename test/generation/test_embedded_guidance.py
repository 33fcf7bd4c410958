"""Clips drawn from the embedded model, and what guidance cuts."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from torch import Tensor

from drift_ros.errors import SettingsError
from drift_ros.features.embedded.layers import Attention, _rotate
from drift_ros.features.embedded.model import EmbeddedUNet
from drift_ros.generation.embedded import sample, temporal_layers


@pytest.fixture(scope='module')
def model() -> EmbeddedUNet:
    """A small model in which every branch contributes."""
    torch.manual_seed(0)
    model = EmbeddedUNet((32, 64), context=64, depth=1, readout=(16, 8)).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return model


def noise(frames: int = 5) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(2, frames, 3, 16, 24, generator=generator)


@torch.no_grad()
def test_scale_0_is_plain_ddim(model: EmbeddedUNet) -> None:
    """Written out: to the next level by what the model says is clean, and what is noise then."""
    here = noise()
    steps = torch.linspace(-6, 6, 5)
    for now, following in pairwise(steps):
        clean = model(here, now.expand(2, 5)).clean.clamp(-1, 1)
        rest = (here - now.sigmoid().sqrt() * clean) / (-now).sigmoid().sqrt()
        here = following.sigmoid().sqrt() * clean + (-following).sigmoid().sqrt() * rest
    torch.testing.assert_close(sample(model, noise(), steps=4), clean, atol=1e-4, rtol=1e-4)


def test_guidance_leaves_nothing_behind(model: EmbeddedUNet) -> None:
    plain = sample(model, noise(), steps=2)
    guided = sample(model, noise(), steps=2, cag_scale=1.0)
    assert not torch.allclose(guided, plain, atol=1e-3)
    assert torch.equal(sample(model, noise(), steps=2, cag_scale=0), plain)


def test_each_layer_counts(model: EmbeddedUNet) -> None:
    found = [
        sample(model, noise(), steps=1, cag_scale=1.0, cag_layers=[number])
        for number in range(len(temporal_layers(model)))
    ]
    assert len(found) > 2
    assert all(not torch.allclose(one, other) for one, other in pairwise(found))


def test_one_frame_has_nothing_to_lose(model: EmbeddedUNet) -> None:
    plain = sample(model, noise(1), steps=2)
    torch.testing.assert_close(sample(model, noise(1), steps=2, cag_scale=3.0), plain)


@pytest.mark.parametrize(('scope', 'frames'), [('all', 4), ('long', 9)])
@torch.no_grad()
def test_weights_on_earlier_frames_are_kept_and_bring_nothing(scope: str, frames: int) -> None:
    """The last frame's attention with its weights laid out."""
    torch.manual_seed(0)
    layer = Attention(64, scope)
    torch.nn.init.normal_(layer.out.weight, std=0.1)
    features = torch.randn(frames, 64, 3, 5)
    query, sides, turn = layer.project(features, frames)
    keys, values = sides[0].flatten(1, 2).chunk(2, 2)  # (F, cells, heads, C)
    logits = torch.einsum('qhc,fkhc->hqfk', query[0, -1].flatten(0, 1), keys)
    weights = logits.flatten(2).softmax(2).view_as(logits)[:, :, -1]
    mixed = torch.einsum('hqk,khc->qhc', weights, values[-1]).view(3, 5, 2, 32)
    expected = layer.out(_rotate(mixed, turn[:, -1], back=True).flatten(2)).permute(2, 0, 1)
    plain = layer(features, frames)
    layer.cut = True
    cut = layer(features, frames)
    torch.testing.assert_close(cut[-1] - features[-1], expected)
    torch.testing.assert_close(cut[0], plain[0])  # it has no earlier frames
    assert not torch.allclose(cut[-1], plain[-1])


def test_refuses_layers_that_are_not_there(model: EmbeddedUNet) -> None:
    with pytest.raises(SettingsError):
        sample(model, noise(), steps=1, cag_scale=1.0, cag_layers=[99])
