"""Layers for large maps on a GPU, against those that they take the place of."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from diffusers.models.resnet import ResnetBlock2D
from torch import Tensor, nn

from drift_ros.features.device import LAYOUTS, prepare
from drift_ros.features.innermost import InnermostGroupNorm, InnermostResnetBlock

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a CUDA device'),
]
GPU = torch.device('cuda')
SHAPES = [
    (1, 320, 60, 104),
    (4, 256, 48, 64),
    (2, 96, 7, 40, 52),
    (16, 32, 64, 64),
    (1, 2560, 8, 64),
]
DTYPES = [(torch.float32, 1e-5), (torch.float16, 4e-3), (torch.bfloat16, 3e-2)]
BLOCKS: dict[str, dict[str, Any]] = {
    'plain': {'temb_channels': None},
    'time added': {},
    'time scales and shifts': {'time_embedding_norm': 'scale_shift'},
    'other channels': {'out_channels': 96},
    'down': {'down': True, 'time_embedding_norm': 'scale_shift'},
    'up': {'up': True, 'out_channels': 32},
}


def randomise(network: nn.Module) -> None:
    """Weights and biases of a size that matters."""
    with torch.no_grad():
        for weight in network.parameters():
            weight.normal_(std=0.5 if weight.dim() == 1 else weight[0].numel() ** -0.5)


@pytest.mark.parametrize('shape', SHAPES)
@pytest.mark.parametrize(('dtype', 'tolerance'), DTYPES)
def test_a_group_norm_equals_that_of_torch(
    shape: tuple[int, ...], dtype: torch.dtype, tolerance: float
) -> None:
    torch.manual_seed(0)
    norm = nn.GroupNorm(32, shape[1])
    randomise(norm)
    means = 10 * torch.randn(shape[1]).view(-1, *[1] * (len(shape) - 2))
    x = (torch.randn(shape) + means).to('cuda', dtype, memory_format=LAYOUTS[len(shape)])
    norm = prepare(norm, GPU, dtype)
    assert isinstance(norm, InnermostGroupNorm)
    found = norm(x)
    exact = nn.functional.group_norm(
        x.double(), 32, norm.weight.double(), norm.bias.double(), norm.eps
    )
    assert found.dtype == dtype
    assert found.stride() == x.stride()
    torch.testing.assert_close(found.double(), exact, atol=tolerance, rtol=tolerance)


@pytest.mark.parametrize('kind', BLOCKS)
@pytest.mark.parametrize(('dtype', 'tolerance'), DTYPES)
def test_a_residual_block_equals_that_of_diffusers(
    kind: str, dtype: torch.dtype, tolerance: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    monkeypatch.setattr(torch.backends.cudnn, 'allow_tf32', False)
    block = ResnetBlock2D(in_channels=64, **{'temb_channels': 48} | BLOCKS[kind])
    randomise(block)
    exact = copy.deepcopy(block).double().to(GPU)
    block = prepare(block, GPU, dtype)
    assert isinstance(block, InnermostResnetBlock)
    x = torch.randn(3, 64, 96, 128).to('cuda', dtype, memory_format=torch.channels_last)
    time = None if block.time_emb_proj is None else torch.randn(3, 48, device='cuda', dtype=dtype)
    with torch.no_grad():
        found: Tensor = block(x, time)
        expected = exact(x.double(), None if time is None else time.double())
    assert found.is_contiguous(memory_format=torch.channels_last)
    error = (found.double() - expected).norm() / expected.norm()
    assert float(error) < tolerance


def test_gradients_and_other_layouts_go_by_torch() -> None:
    norm = prepare(nn.GroupNorm(8, 64), GPU, torch.float32)
    x = torch.randn(2, 64, 128, 128, device='cuda')
    inner = x.to(memory_format=torch.channels_last)
    torch.testing.assert_close(norm(inner), norm(x), atol=1e-5, rtol=1e-5)
    assert norm(x).is_contiguous()
    inner.requires_grad_()
    norm(inner).square().sum().backward()
    assert inner.grad is not None
