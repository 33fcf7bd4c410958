"""Layers for large maps on a GPU, against those that they take the place of."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from diffusers.models.resnet import ResnetBlock2D
from torch import Tensor, nn

from drift_ros.features import innermost
from drift_ros.features.device import LAYOUTS, prepare
from drift_ros.features.innermost import (
    InnermostGroupNorm,
    InnermostPool,
    InnermostResnetBlock,
    keep_channels_innermost,
)

on_a_gpu = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a CUDA device'),
]
GPU = torch.device('cuda')
SHAPES = [
    (1, 320, 120, 208),
    (4, 256, 64, 96),
    (2, 96, 7, 56, 80),
    (16, 32, 96, 96),
    (1, 2560, 32, 64),
]
DTYPES = [(torch.float32, 1e-5), (torch.float16, 4e-3), (torch.bfloat16, 3e-2)]
BLOCKS: dict[str, dict[str, Any]] = {
    'plain': {'temb_channels': None},
    'time added': {},
    'time scales and shifts': {'time_embedding_norm': 'scale_shift'},
    'time as it is': {'skip_time_act': True},
    'other channels': {'out_channels': 96},
    'other channels, no bias': {'out_channels': 96, 'conv_shortcut_bias': False},
    'down': {'down': True, 'time_embedding_norm': 'scale_shift'},
    'up': {'up': True, 'out_channels': 32},
}


class Plain:
    """The kernels in words of torch, for machines without a GPU."""

    @staticmethod
    def group_norm(
        x: Tensor,
        groups: int,
        weight: Tensor,
        bias: Tensor,
        eps: float,
        before: Tensor | None = None,
        scale: Tensor | None = None,
        shift: Tensor | None = None,
        silu: bool = False,
    ) -> Tensor:
        x = x if before is None else x + before[..., None, None]
        x = nn.functional.group_norm(x, groups, weight, bias, eps)
        if scale is not None and shift is not None:
            x = x * (1 + scale[..., None, None]) + shift[..., None, None]
        return nn.functional.silu(x) if silu else x

    @staticmethod
    def add(a: Tensor, b: Tensor, bias: Tensor) -> Tensor:
        return a + b + bias[:, None, None]


def randomise(network: nn.Module) -> None:
    """Weights and biases of a size that matters."""
    with torch.no_grad():
        for weight in network.parameters():
            weight.normal_(std=0.5 if weight.dim() == 1 else weight[0].numel() ** -0.5)


@pytest.mark.gpu
@on_a_gpu[1]
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
@pytest.mark.parametrize(
    ('device', 'dtype', 'tolerance'),
    [
        ('cpu', torch.float32, 1e-5),
        *(pytest.param('cuda', *each, marks=on_a_gpu) for each in DTYPES),
    ],
)
def test_a_residual_block_equals_that_of_diffusers(
    kind: str,
    device: str,
    dtype: torch.dtype,
    tolerance: float,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    torch.manual_seed(0)
    monkeypatch.setattr(torch.backends.cudnn, 'allow_tf32', False)
    block = ResnetBlock2D(in_channels=64, **{'temb_channels': 48} | BLOCKS[kind])
    randomise(block)
    exact = copy.deepcopy(block).double().to(device)
    block = prepare(block, torch.device(device), dtype)
    side = 160
    if device == 'cpu':
        side = 24
        keep_channels_innermost(block)
        monkeypatch.setattr(innermost, '_kernels_for', lambda x: Plain)
    assert isinstance(block, InnermostResnetBlock)
    x = torch.randn(3, 64, side, side).to(device, dtype, memory_format=torch.channels_last)
    time = None if block.time_emb_proj is None else torch.randn(3, 48).to(device, dtype)
    with torch.no_grad():
        found: Tensor = block(x, time)
        expected = exact(x.double(), None if time is None else time.double())
    assert found.is_contiguous(memory_format=torch.channels_last)
    assert float((found.double() - expected).norm() / expected.norm()) < tolerance


PLACES = [
    ('cpu', torch.float32, 1e-6),
    *(pytest.param('cuda', *each, marks=on_a_gpu) for each in DTYPES),
]


@pytest.mark.parametrize('size', [(240, 416), (101, 160)])
@pytest.mark.parametrize(('device', 'dtype', 'tolerance'), PLACES)
def test_a_pool_equals_that_of_torch(
    size: tuple[int, int],
    device: str,
    dtype: torch.dtype,
    tolerance: float,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if device == 'cpu':
        monkeypatch.setattr(innermost, '_is_large', lambda x: True)
    network = nn.Sequential(nn.AvgPool2d(2), nn.AvgPool2d(3, 2, 1))
    keep_channels_innermost(network)
    assert [type(part) for part in network] == [InnermostPool, nn.AvgPool2d]
    x = torch.randn(2, 64, *size).to(device, dtype, memory_format=torch.channels_last)
    found = network[0](x)
    assert found.is_contiguous(memory_format=torch.channels_last)
    exact = nn.functional.avg_pool2d(x.double(), 2)
    torch.testing.assert_close(found.double(), exact, atol=tolerance, rtol=tolerance)


@pytest.mark.parametrize('changes', [{'non_linearity': 'gelu'}, {'output_scale_factor': 2.0}])
def test_other_blocks_stay_as_they_are(changes: dict[str, Any]) -> None:
    block = ResnetBlock2D(in_channels=64, temb_channels=None, **changes)
    keep_channels_innermost(block)
    assert type(block) is ResnetBlock2D
    assert isinstance(block.norm1, InnermostGroupNorm)


@pytest.mark.gpu
@on_a_gpu[1]
def test_gradients_and_other_layouts_go_by_torch() -> None:
    norm = prepare(nn.GroupNorm(8, 64), GPU, torch.float32)
    x = torch.randn(2, 64, 256, 256, device='cuda')
    inner = x.to(memory_format=torch.channels_last)
    torch.testing.assert_close(norm(inner), norm(x), atol=1e-5, rtol=1e-5)
    assert norm(x).is_contiguous()
    inner.requires_grad_()
    norm(inner).square().sum().backward()
    assert inner.grad is not None
