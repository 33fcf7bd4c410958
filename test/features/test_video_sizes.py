"""Shapes, strides and weights of the published video models at 480 x 832 px, on the meta device:
nothing is computed.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch
from diffusers import (
    AutoencoderKL,
    AutoencoderKLTemporalDecoder,
    I2VGenXLUNet,
    UNet3DConditionModel,
    UNetSpatioTemporalConditionModel,
)

from drift_ros.features.truncation import truncate
from drift_ros.features.video.bypass import bypass_temporal

META = torch.device('meta')
CHANNELS = {
    'block_out_channels': (320, 640, 1280, 1280),
    'layers_per_block': 2,
    'cross_attention_dim': 1024,
}
# The published config.json of each, as far as it differs from the default of its class.
UNETS: dict[str, tuple[Any, dict[str, Any], int]] = {
    'i2vgen-xl': (I2VGenXLUNet, {'attention_head_dim': 64, 'norm_num_groups': 32}, 16),
    'svd': (
        UNetSpatioTemporalConditionModel,
        {'num_attention_heads': (5, 10, 20, 20), 'num_frames': 14},
        14,
    ),
    'svd-xt': (
        UNetSpatioTemporalConditionModel,
        {'num_attention_heads': (5, 10, 20, 20), 'num_frames': 25},
        25,
    ),
    'modelscope': (UNet3DConditionModel, {'attention_head_dim': 64, 'norm_num_groups': 32}, 16),
}
MILLIONS = {'i2vgen-xl': 1420, 'svd': 1525, 'svd-xt': 1525, 'modelscope': 1411}
OUTPUTS = [(1280, 15, 26), (1280, 30, 52), (640, 60, 104), (320, 60, 104)]


def inputs(name: str, frames: int) -> dict[str, Any]:
    """What the UNet is given for a window of 480 x 832 px."""
    latents = torch.empty(1, 4, frames, 60, 104, device=META)
    text = torch.empty(1, 77, 1024, device=META)
    time = torch.empty((), device=META)
    if name == 'i2vgen-xl':
        return {
            'sample': latents,
            'timestep': time,
            'fps': torch.empty(1, device=META),
            'image_latents': latents,
            'image_embeddings': torch.empty(1, 1, 1024, device=META),
            'encoder_hidden_states': text,
        }
    if name == 'modelscope':
        return {'sample': latents, 'timestep': time, 'encoder_hidden_states': text}
    return {
        'sample': torch.empty(1, frames, 8, 60, 104, device=META),
        'timestep': time,
        'encoder_hidden_states': text[:, :1],
        'added_time_ids': torch.empty(1, 3, device=META),
    }


def millions(module: torch.nn.Module) -> float:
    return sum(p.numel() for p in module.parameters()) / 1e6


@pytest.mark.parametrize('name', UNETS)
def test_all_blocks_have_the_published_shapes(name: str) -> None:
    cls, config, frames = UNETS[name]
    with META:
        unet = cls(**CHANNELS, **config).to(META)
    assert millions(unet) == pytest.approx(MILLIONS[name], abs=1)
    shapes: list[tuple[int, ...]] = []
    for block in unet.up_blocks:
        block.register_forward_hook(lambda _m, _a, out: shapes.append(tuple(out.shape)))
    with torch.no_grad():
        unet(**inputs(name, frames))
        truncate(unet, 2)
        found = unet(**inputs(name, frames), return_dict=False)[0]
    assert shapes[:4] == [(frames, *output) for output in OUTPUTS]
    found = found[0] if name.startswith('svd') else found[0].transpose(0, 1)
    assert tuple(found.shape) == (frames, *OUTPUTS[2])
    assert millions(unet) < MILLIONS[name] - 20
    before = millions(unet)
    bypass_temporal(unet)
    assert millions(unet) < 0.75 * before
    with torch.no_grad():
        assert unet(**inputs(name, frames), return_dict=False)[0].numel() == found.numel()


@pytest.mark.parametrize('cls', [AutoencoderKL, AutoencoderKLTemporalDecoder])
def test_latents_have_an_eighth_of_the_size(cls: Any) -> None:
    options: dict[str, Any] = {'block_out_channels': (128, 256, 512, 512), 'layers_per_block': 2}
    options['down_block_types'] = ('DownEncoderBlock2D',) * 4
    if cls is AutoencoderKL:
        options['up_block_types'] = ('UpDecoderBlock2D',) * 4
    with META, torch.no_grad():
        vae = cls(**options)
        found = vae.encode(torch.empty(2, 3, 480, 832)).latent_dist
    assert found.parameters.shape == (2, 8, 60, 104)
    assert millions(vae.encoder) == pytest.approx(34.2, abs=0.1)
