"""Layers that keep channels innermost in memory and pass over large maps as seldom as they can, in
place of those of torch and diffusers: for inference on a GPU.

What they get with gradients, in another layout, under `torch.compile` or, but for pools, without
Triton goes the way of the class that they take the place of, as does what is too small to be worth
it.
"""

from __future__ import annotations

import logging
from functools import lru_cache
from types import ModuleType
from typing import Any

import torch
from diffusers.models.resnet import ResnetBlock2D
from torch import Tensor, nn
from torch.nn import functional

from drift_ros.features.device import LAYOUTS

log = logging.getLogger(__name__)

LARGE = 2**22  # entries from which maps are worth launches of our own
PAIRS = (2, 2, 0)  # size, stride and padding of a pool of 2 x 2 cells each
MOST = 2**31  # entries of one image that kernels can number


def keep_channels_innermost(network: nn.Module) -> None:
    """Change the group norms, pools and residual blocks of a network, in place."""
    for part in network.modules():
        if type(part) is nn.GroupNorm and part.affine:
            part.__class__ = InnermostGroupNorm
        elif type(part) is ResnetBlock2D and _is_plain(part):
            part.__class__ = InnermostResnetBlock
        elif type(part) is nn.AvgPool2d and _is_of_pairs(part):
            part.__class__ = InnermostPool


class InnermostGroupNorm(nn.GroupNorm):
    """A group norm of large maps."""

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, ...) of the same dtype and layout."""
        kernels = _kernels_for(input)
        if kernels is None:
            return super().forward(input)
        return _norm(kernels, self, input)


class InnermostPool(nn.AvgPool2d):
    """Means of 2 x 2 cells of large maps, which torch reads against the order of memory."""

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, H / 2, W / 2) of (N, C, H, W), of the same dtype and layout."""
        if not _is_large(input) or input.shape[2] % 2 or input.shape[3] % 2:
            return super().forward(input)
        cells = input.permute(0, 2, 3, 1).unflatten(2, (-1, 2)).unflatten(1, (-1, 2))
        return cells.mean((2, 4)).permute(0, 3, 1, 2)


class InnermostResnetBlock(ResnetBlock2D):
    """A residual block that adds biases and embeddings where the next norm or sum reads anyway."""

    def forward(self, input_tensor: Tensor, temb: Tensor | None = None, *args: Any) -> Tensor:
        """(N, C', H', W') of (N, C, H, W) and the embedding of time (N, E)."""
        kernels = _kernels_for(input_tensor)
        if kernels is None:
            whole: Tensor = super().forward(input_tensor, temb, *args)
            return whole
        skipped, hidden = input_tensor, _norm(kernels, self.norm1, input_tensor, silu=True)
        resample = self.upsample or self.downsample
        if resample is not None:
            skipped, hidden = _innermost(resample(skipped)), resample(hidden)
        hidden = _without_bias(self.conv1, hidden)
        before = self.conv1.bias.expand(len(hidden), -1)
        scale = shift = None
        if self.time_emb_proj is not None:
            given = self.time_emb_proj(temb if self.skip_time_act else self.nonlinearity(temb))
            given = given.expand(len(hidden), -1)
            if self.time_embedding_norm == 'default':
                before = before + given
            else:
                scale, shift = (part.contiguous() for part in given.chunk(2, 1))
        hidden = _norm(
            kernels,
            self.norm2,
            hidden,
            before=before.contiguous(),
            scale=scale,
            shift=shift,
            silu=True,
        )
        hidden = _without_bias(self.conv2, hidden)
        bias = self.conv2.bias
        if self.conv_shortcut is not None:
            skipped = _without_bias(self.conv_shortcut, skipped)
            if self.conv_shortcut.bias is not None:
                bias = bias + self.conv_shortcut.bias
        total: Tensor = kernels.add(skipped, hidden, bias)
        return total


def _is_plain(block: Any) -> bool:
    """Whether nothing is in it that the block above does not know."""
    return (
        isinstance(block.nonlinearity, nn.SiLU)
        and block.output_scale_factor == 1
        and (block.time_emb_proj is None or block.time_embedding_norm in ('default', 'scale_shift'))
        and block.norm1.affine
        and block.norm2.affine
    )


def _is_of_pairs(pool: nn.AvgPool2d) -> bool:
    sizes = (pool.kernel_size, pool.stride, pool.padding)
    return sizes == PAIRS and pool.divisor_override is None


def _kernels_for(x: Tensor) -> ModuleType | None:
    """Those of `group_norm.py`, if they suit a map."""
    return _kernels() if _is_large(x) else None


def _is_large(x: Tensor) -> bool:
    """Whether a map is worth a way of its own on a GPU, and has channels innermost."""
    layout = LAYOUTS.get(x.dim())
    return not (
        torch.compiler.is_compiling()
        or layout is None
        or not x.is_cuda
        or x.numel() < LARGE
        or x[0].numel() >= MOST
        or (torch.is_grad_enabled() and x.requires_grad)
        or not x.is_contiguous(memory_format=layout)
    )


@lru_cache(maxsize=1)
def _kernels() -> ModuleType | None:
    try:
        from drift_ros.features import group_norm
    except ImportError:
        log.warning('Triton is not installed: large networks are slower on this GPU without it')
        return None
    return group_norm


def _norm(kernels: ModuleType, norm: nn.GroupNorm, x: Tensor, **more: Any) -> Tensor:
    found: Tensor = kernels.group_norm(x, norm.num_groups, norm.weight, norm.bias, norm.eps, **more)
    return found


def _without_bias(conv: nn.Conv2d, x: Tensor) -> Tensor:
    return _innermost(
        functional.conv2d(x, conv.weight, None, conv.stride, conv.padding, conv.dilation)
    )


def _innermost(x: Tensor) -> Tensor:
    return x.contiguous(memory_format=torch.channels_last)
