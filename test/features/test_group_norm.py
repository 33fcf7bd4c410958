"""The group norm of our own on a GPU, against torch in double precision."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from drift_ros.features.device import LAYOUTS, ChannelsInnermost, prepare

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a CUDA device'),
]
SHAPES = [
    (1, 320, 60, 104),
    (4, 256, 48, 64),
    (2, 96, 7, 40, 52),
    (16, 32, 64, 64),
    (1, 2560, 8, 64),
]


@pytest.mark.parametrize('shape', SHAPES)
@pytest.mark.parametrize(
    ('dtype', 'tolerance'),
    [(torch.float32, 1e-5), (torch.float16, 4e-3), (torch.bfloat16, 3e-2)],
)
def test_equals_that_of_torch(shape: tuple[int, ...], dtype: torch.dtype, tolerance: float) -> None:
    torch.manual_seed(0)
    norm = nn.GroupNorm(32, shape[1])
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    means = 10 * torch.randn(shape[1]).view(-1, *[1] * (len(shape) - 2))
    x = (torch.randn(shape) + means).to('cuda', dtype, memory_format=LAYOUTS[len(shape)])
    norm = prepare(norm, torch.device('cuda'), dtype)
    assert isinstance(norm, ChannelsInnermost)
    found = norm(x)
    exact = nn.functional.group_norm(
        x.double(), 32, norm.weight.double(), norm.bias.double(), norm.eps
    )
    assert found.dtype == dtype
    assert found.stride() == x.stride()
    torch.testing.assert_close(found.double(), exact, atol=tolerance, rtol=tolerance)


@pytest.mark.filterwarnings('error')
def test_gradients_and_other_layouts_go_by_torch() -> None:
    norm = prepare(nn.GroupNorm(8, 64), torch.device('cuda'), torch.float32)
    x = torch.randn(2, 64, 128, 128, device='cuda')
    inner = x.to(memory_format=torch.channels_last)
    torch.testing.assert_close(norm(inner), norm(x), atol=1e-5, rtol=1e-5)
    assert norm(x).is_contiguous()
    inner.requires_grad_()
    norm(inner).square().sum().backward()
    assert inner.grad is not None
