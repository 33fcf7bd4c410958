"""Cuts a UNet down to what lies before the layer that is read.

Its forward pass then ends there by itself, without hooks or exceptions, so it can be compiled; and
what lies behind is not computed, not moved to the device, and not kept.
"""

from __future__ import annotations

import copy
from itertools import chain
from typing import Any, TypeVar

from torch import Tensor, nn

from drift_ros.errors import SettingsError

Module = TypeVar('Module', bound=nn.Module)


class _Passthrough(nn.Module):
    """Stands for the decoder blocks that were cut off.

    It is the last block now, so the one before it still learns the size that the next block would
    have, which matters where that is not twice its own.
    """

    has_cross_attention = False

    def __init__(self) -> None:
        super().__init__()
        self.resnets = nn.ModuleList()

    def forward(self, hidden_states: Tensor, *_args: Any, **_kwargs: Any) -> Tensor:
        return hidden_states


def truncate(unet: Any, block: int, layer: int | None = None) -> None:
    """Let the output of a diffusers UNet be that of one of its decoder blocks, in place.

    Args:
        unet: any of diffusers' UNets with `up_blocks`.
        block: decoder block that is read, 0 = deepest.
        layer: number of the layer (residual block and what attends to it) in that block after which
            to stop; None for the whole block with its upsampler.

    Raises:
        SettingsError: there is no such block or layer.
    """
    blocks = unet.up_blocks
    if not 0 <= block < len(blocks):
        raise SettingsError(
            f'decoder block {block} does not exist: this model has blocks 0 to {len(blocks) - 1}'
        )
    last = blocks[block]
    if layer is not None:
        if not 0 <= layer < len(last.resnets):
            raise SettingsError(
                f'layer {layer} does not exist: decoder block {block} of this model has layers 0 '
                'to '
                f'{len(last.resnets) - 1}'
            )
        for name in ('resnets', 'attentions', 'temp_convs', 'temp_attentions'):
            if hasattr(last, name):
                setattr(last, name, nn.ModuleList(list(getattr(last, name))[: layer + 1]))
        last.upsamplers = None
    kept = list(blocks)[: block + 1]
    if layer is None and block + 1 < len(blocks):
        kept.append(_Passthrough())
    unet.up_blocks = nn.ModuleList(kept)
    unet.conv_norm_out = nn.Identity()
    unet.conv_act = nn.Identity()
    unet.conv_out = nn.Identity()


def shared_copy(network: Module) -> Module:
    """A copy of a network with the very same weights, so that one of the two can be cut."""
    tensors = chain(network.parameters(), network.buffers())
    return copy.deepcopy(network, {id(tensor): tensor for tensor in tensors})
