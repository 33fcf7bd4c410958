"""From the original checkpoints of ADM to folders that diffusers reads.

ADM (Dhariwal and Nichol, "Diffusion Models Beat GANs on Image Synthesis", 2021) was published as a
state dict of its authors' own UNet. `diffusers.UNet2DModel` has the same blocks under other names;
only the attention differs in layout: one convolution gives the queries, keys and values of the
first head, then those of the second, and so on.
"""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from itertools import count
from pathlib import Path
from typing import Any

import torch
from diffusers import DDPMPipeline, DDPMScheduler, UNet2DModel
from torch import Tensor

from drift_ros.errors import CheckpointError

log = logging.getLogger(__name__)

Progress = Callable[[str, int, int], None]

CONFIG: dict[str, Any] = {
    'sample_size': 256,
    'in_channels': 3,
    'out_channels': 6,  # the noise, and where its variance lies between two bounds
    'block_out_channels': (256, 256, 512, 512, 1024, 1024),
    'layers_per_block': 2,
    'down_block_types': ('ResnetDownsampleBlock2D',) * 3 + ('AttnDownBlock2D',) * 3,
    'up_block_types': ('AttnUpBlock2D',) * 3 + ('ResnetUpsampleBlock2D',) * 3,
    'downsample_type': 'resnet',
    'upsample_type': 'resnet',
    'attention_head_dim': 64,
    'norm_num_groups': 32,
    'attn_norm_num_groups': 32,
    'norm_eps': 1e-5,
    'resnet_time_scale_shift': 'scale_shift',
    'time_embedding_type': 'positional',
    'flip_sin_to_cos': True,
    'freq_shift': 0,
}
"""The unconditional model for ImageNet at 256 px, as `UNet2DModel` takes it: 552.8 M parameters."""

SCHEDULE: dict[str, Any] = {
    'num_train_timesteps': 1000,
    'beta_schedule': 'linear',
    'beta_start': 1e-4,
    'beta_end': 0.02,
    'variance_type': 'learned_range',
}
"""Its noise schedule, as `DDPMScheduler` takes it."""


class BrokenFileError(CheckpointError):
    """A file with weights cannot be read."""


_RESIDUAL = {
    'in_layers.0': 'norm1',
    'in_layers.2': 'conv1',
    'emb_layers.1': 'time_emb_proj',
    'out_layers.0': 'norm2',
    'out_layers.3': 'conv2',
    'skip_connection': 'conv_shortcut',
}
_STEPS = ('reading', 'mapping', 'writing')


def convert(
    checkpoint: Path,
    out: Path,
    *,
    config: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
) -> None:
    """Convert an original checkpoint to a folder with `unet/` and `scheduler/`.

    The folder appears whole or not at all, and takes the place of an older one.

    Args:
        checkpoint: `256x256_diffusion_uncond.pt`.
        out: folder to write; `diffusers.DDPMPipeline` reads it too.
        config: architecture of the checkpoint; `CONFIG` if not given.
        progress: called with the present step, the number of steps done, and of all steps.

    Raises:
        CheckpointError: the file is missing, incomplete, or of another model, or the folder cannot
            be written.
    """
    report = progress or (lambda *_: None)
    report(_STEPS[0], 0, len(_STEPS))
    state = read(checkpoint)
    report(_STEPS[1], 1, len(_STEPS))
    with torch.device('meta'):
        unet = UNet2DModel(**(config or CONFIG))
    try:
        converted = convert_state(state, unet)
    except CheckpointError as error:
        raise CheckpointError(f'{checkpoint} is not the expected model: {error}') from None
    unet.load_state_dict(converted, assign=True)
    report(_STEPS[2], 2, len(_STEPS))
    write(DDPMPipeline(unet, DDPMScheduler(**SCHEDULE)), out)
    report(_STEPS[2], 3, len(_STEPS))


def read(checkpoint: Path) -> dict[str, Tensor]:
    """State dict of a `.pt` file; nothing but tensors is unpickled.

    Raises:
        CheckpointError: it is missing or no state dict; BrokenFileError if it cannot be read.
    """
    if not checkpoint.is_file():
        raise CheckpointError(f'there is no file {checkpoint}: give the original .pt file of ADM')
    try:
        state = torch.load(checkpoint, map_location='cpu', weights_only=True)
    except Exception as error:
        reason = ' '.join(str(error).split())[:200]
        raise BrokenFileError(
            f'cannot read {checkpoint} ({checkpoint.stat().st_size / 1e6:.1f} MB): the download is '
            f'incomplete, or it is not a PyTorch state dict; download it again ({reason})'
        ) from None
    if not isinstance(state, dict) or not all(isinstance(v, Tensor) for v in state.values()):
        raise CheckpointError(
            f'{checkpoint} holds a {type(state).__name__} that is no state dict (name -> tensor): '
            'give the original .pt file of ADM, not a training checkpoint'
        )
    return state


def convert_state(state: Mapping[str, Tensor], unet: UNet2DModel) -> dict[str, Tensor]:
    """Name the weights of an original UNet as diffusers does.

    Args:
        state: of the original.
        unet: of the same architecture; may be on the meta device.

    Returns:
        A state dict for `unet`, float32.

    Raises:
        CheckpointError: the weights belong to another architecture.
    """
    if 'label_emb.weight' in state:
        raise CheckpointError(
            'it is class-conditional (label_emb.weight); the unconditional one is needed'
        )
    unused = dict(state)
    converted: dict[str, Tensor] = {}
    for theirs, ours in _names(unet.config):
        for kind in ('weight', 'bias'):
            tensor = unused.pop(f'{theirs}.{kind}', None)
            if tensor is None:
                continue
            if theirs.endswith('.qkv'):
                names = [f'{ours}.{to}.{kind}' for to in ('to_q', 'to_k', 'to_v')]
                parts = _split_heads(tensor, theirs, unet.config.attention_head_dim)
                converted |= dict(zip(names, parts, strict=True))
            else:
                linear = theirs.endswith('.proj_out') and kind == 'weight'
                converted[f'{ours}.{kind}'] = (tensor.squeeze(-1) if linear else tensor).float()
    _check(converted, unused, unet)
    return converted


def _split_heads(tensor: Tensor, name: str, head_dim: int) -> list[Tensor]:
    """Queries, keys and values from (heads * 3 * head_dim, ...): contiguous, of all heads each."""
    if len(tensor) % (3 * head_dim):
        raise CheckpointError(
            f'{name} has {len(tensor)} rows, which are no heads of {head_dim} channels'
        )
    heads = tensor.float().reshape(-1, 3, head_dim, *tensor.shape[1:2])
    return [heads[:, i].flatten(0, 1).contiguous() for i in range(3)]


def _check(converted: Mapping[str, Tensor], unused: Mapping[str, Tensor], unet: Any) -> None:
    expected = unet.state_dict()
    missing = [name for name in expected if name not in converted]
    if missing or unused:
        raise CheckpointError(
            f'{len(missing)} of {len(expected)} weights are missing ({_some(missing)}) and '
            f'{len(unused)} are unknown ({_some(list(unused))}); it is another architecture'
        )
    for name, tensor in converted.items():
        if tensor.shape != expected[name].shape:
            raise CheckpointError(
                f'{name} has shape {tuple(tensor.shape)}, expected {tuple(expected[name].shape)}; '
                'it is another architecture'
            )


def _some(names: list[str]) -> str:
    return ', '.join(names[:2]) + (', ...' if len(names) > 2 else '') if names else 'none'


def _names(config: Any) -> Iterator[tuple[str, str]]:
    """Name of every layer with weights: in the original, in diffusers."""
    for theirs, ours in _blocks(config):
        if '.resnets.' in ours or 'samplers.' in ours:
            yield from ((f'{theirs}.{a}', f'{ours}.{b}') for a, b in _RESIDUAL.items())
        elif '.attentions.' in ours:
            yield f'{theirs}.norm', f'{ours}.group_norm'
            yield f'{theirs}.qkv', ours
            yield f'{theirs}.proj_out', f'{ours}.to_out.0'
        else:
            yield theirs, ours


def _blocks(config: Any) -> Iterator[tuple[str, str]]:
    """Name of every residual block, attention and single layer: in the original, in diffusers."""
    last = len(config.block_out_channels) - 1
    layers = config.layers_per_block
    yield 'time_embed.0', 'time_embedding.linear_1'
    yield 'time_embed.2', 'time_embedding.linear_2'
    yield 'input_blocks.0.0', 'conv_in'
    number = count(1)
    for level, kind in enumerate(config.down_block_types):
        for layer in range(layers):
            theirs = f'input_blocks.{next(number)}'
            yield f'{theirs}.0', f'down_blocks.{level}.resnets.{layer}'
            if kind.startswith('Attn'):
                yield f'{theirs}.1', f'down_blocks.{level}.attentions.{layer}'
        if level < last:
            yield f'input_blocks.{next(number)}.0', f'down_blocks.{level}.downsamplers.0'
    yield 'middle_block.0', 'mid_block.resnets.0'
    yield 'middle_block.1', 'mid_block.attentions.0'
    yield 'middle_block.2', 'mid_block.resnets.1'
    number = count()
    for level, kind in enumerate(config.up_block_types):
        attends = kind.startswith('Attn')
        for layer in range(layers + 1):
            theirs = f'output_blocks.{next(number)}'
            yield f'{theirs}.0', f'up_blocks.{level}.resnets.{layer}'
            if attends:
                yield f'{theirs}.1', f'up_blocks.{level}.attentions.{layer}'
        if level < last:  # upsampling is the last part of the level's last block
            yield f'{theirs}.{1 + attends}', f'up_blocks.{level}.upsamplers.0'
    yield 'out.0', 'conv_norm_out'
    yield 'out.2', 'conv_out'


def write(pipeline: DDPMPipeline, out: Path) -> None:
    """Save a pipeline to a folder that appears whole or not at all.

    Raises:
        CheckpointError: it cannot be written, for example because the disk is full.
    """
    size = sum(p.numel() * p.element_size() for p in pipeline.unet.parameters())
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(out.parent).free
        if free < size:
            raise CheckpointError(
                f'the converted weights take {size / 1e9:.2f} GB and {out.parent} has '
                f'{free / 1e9:.2f} GB left: free some, or convert to another disk by `drift '
                'convert-adm PT --out DIR`'
            )
        with tempfile.TemporaryDirectory(dir=out.parent, prefix=f'.{out.name}.') as temporary:
            fresh = Path(temporary) / 'fresh'
            pipeline.save_pretrained(fresh)
            _replace(fresh, out, Path(temporary) / 'old')
    except CheckpointError:
        raise
    except Exception as error:  # safetensors has its own kind for a disk that is full
        raise CheckpointError(f'cannot write the converted weights to {out}: {error}') from None


def _replace(fresh: Path, out: Path, old: Path) -> None:
    """Put a folder in its place, and away with what was there."""
    if out.exists():
        os.rename(out, old)
    try:
        os.rename(fresh, out)
    except OSError:
        if (out / 'unet').is_dir():  # another process has just put the same there
            return
        if old.exists():
            os.rename(old, out)
        raise
