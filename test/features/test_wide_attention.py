"""Attention with wide heads, against that of diffusers."""

from __future__ import annotations

import copy
import inspect

import pytest
import torch
from diffusers import AutoencoderKL
from diffusers.models.attention_processor import Attention, AttnProcessor2_0
from torch import nn

from drift_ros.features import wide_attention
from drift_ros.features.wide_attention import ProductAttention, use_products

on_a_gpu = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a CUDA device'),
]
PLACES = [
    ('cpu', torch.float32, 1e-5),
    ('cpu', torch.bfloat16, 2e-2),
    pytest.param('cuda', torch.float32, 2e-3, marks=on_a_gpu),
    pytest.param('cuda', torch.float16, 2e-3, marks=on_a_gpu),
    pytest.param('cuda', torch.bfloat16, 2e-2, marks=on_a_gpu),
]


def layer(heads: int = 1) -> Attention:
    """As in the middle of a VAE, with logits of a few hundred."""
    torch.manual_seed(0)
    made = Attention(
        512 * heads,
        heads=heads,
        dim_head=512,
        norm_num_groups=32,
        bias=True,
        residual_connection=True,
        rescale_output_factor=2.0,
        _from_deprecated_attn_block=True,
    ).requires_grad_(False)
    for part in (made.to_q, made.to_k):
        part.weight.mul_(4)
        part.bias.normal_()
    return made


@pytest.mark.parametrize('heads', [1, 2])
@pytest.mark.parametrize(('device', 'dtype', 'tolerance'), PLACES)
def test_it_equals_that_of_diffusers(
    heads: int, device: str, dtype: torch.dtype, tolerance: float
) -> None:
    made = layer(heads).to(device, dtype)
    exact = copy.deepcopy(made).double()
    use_products(made)
    assert isinstance(made.processor, ProductAttention)
    x = torch.randn(3, 512 * heads, 12, 20).to(device, dtype, memory_format=torch.channels_last)
    found, expected = made(x), exact(x.double())
    assert found.dtype == dtype
    assert float((found.double() - expected).norm() / expected.norm()) < tolerance


def test_what_is_too_large_or_masked_goes_the_way_of_diffusers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made, plain = layer(), layer()
    use_products(made)
    x, text = torch.randn(2, 512, 4, 6), torch.randn(2, 9, 512)
    assert torch.equal(made(x, encoder_hidden_states=text), plain(x, encoder_hidden_states=text))
    monkeypatch.setattr(wide_attention, 'MOST', 24**2 - 1)
    assert torch.equal(made(x), plain(x))


def test_narrow_heads_stay_as_they_are() -> None:
    network = nn.ModuleList([Attention(64, heads=2, dim_head=32), AutoencoderKL().encoder])
    use_products(network)
    assert all(
        type(part.processor) is AttnProcessor2_0
        for part in network.modules()
        if isinstance(part, Attention)
    )


def test_what_diffusers_hands_over_is_taken() -> None:
    """It drops what a processor does not name, with a warning in every pass."""
    theirs, ours = (
        inspect.signature(kind.__call__).parameters for kind in (AttnProcessor2_0, ProductAttention)
    )
    assert theirs.keys() <= ours.keys()
