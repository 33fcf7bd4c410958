"""A truncated network gives what a hook sees in the full one."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from diffusers import UNet2DConditionModel
from torch import Tensor, nn

from drift_ros.errors import SettingsError
from drift_ros.features.truncation import truncate

RNG = torch.Generator().manual_seed(0)


@pytest.fixture(scope='module')
def unet() -> UNet2DConditionModel:
    torch.manual_seed(0)
    return UNet2DConditionModel(
        block_out_channels=(8, 16, 16, 16),
        layers_per_block=1,
        cross_attention_dim=8,
        attention_head_dim=4,
        norm_num_groups=4,
    ).eval()


def run(unet: UNet2DConditionModel, size: tuple[int, int]) -> Tensor:
    latents = torch.randn(2, 4, *size, generator=torch.Generator().manual_seed(1))
    text = torch.ones(2, 3, 8)
    with torch.no_grad():
        return unet(latents, torch.tensor(10), text).sample


def hooked(unet: UNet2DConditionModel, module: nn.Module, size: tuple[int, int]) -> Tensor:
    seen: list[Tensor] = []
    handle = module.register_forward_hook(lambda _m, _a, output: seen.append(output))
    run(unet, size)
    handle.remove()
    (output,) = (s if isinstance(s, Tensor) else s[0] for s in seen)
    return output


@pytest.mark.parametrize('size', [(16, 16), (12, 20), (10, 14)])  # the last two halve to odd sizes
@pytest.mark.parametrize('block', range(4))
def test_a_block(unet: UNet2DConditionModel, block: int, size: tuple[int, int]) -> None:
    cut = copy.deepcopy(unet)
    truncate(cut, block)
    expected = hooked(unet, unet.up_blocks[block], size)
    torch.testing.assert_close(run(cut, size), expected, rtol=0, atol=0)


@pytest.mark.parametrize('layer', range(2))
@pytest.mark.parametrize('block', range(1, 4))
def test_a_layer_inside_a_block(unet: UNet2DConditionModel, block: int, layer: int) -> None:
    cut = copy.deepcopy(unet)
    truncate(cut, block, layer)
    expected = hooked(unet, unet.up_blocks[block].attentions[layer], (12, 20))
    torch.testing.assert_close(run(cut, (12, 20)), expected, rtol=0, atol=0)


def test_nothing_behind_the_layer_is_kept(unet: UNet2DConditionModel) -> None:
    def count(model: nn.Module) -> int:
        return sum(p.numel() for p in model.parameters())

    sizes = []
    for block, layer in ((0, 0), (0, 1), (0, None), (1, None), (2, None), (3, None)):
        cut = copy.deepcopy(unet)
        truncate(cut, block, layer)
        sizes.append(count(cut))
    assert sizes == sorted(set(sizes))
    assert sizes[-1] < count(unet)  # the output layers are gone as well


@pytest.mark.parametrize(
    ('where', 'message'),
    [
        ((4, None), 'blocks 0 to 3'),
        ((-1, None), 'blocks 0 to 3'),
        ((1, 2), 'block 1 of this model has layers 0 to 1'),
    ],
)
def test_what_is_not_there_is_named(unet: Any, where: Any, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        truncate(copy.deepcopy(unet), *where)
