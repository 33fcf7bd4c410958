"""Attention with heads that are too wide for the fast kernels of a GPU, such as the one of a VAE:
products and a softmax take half the time of what torch falls back to.
"""

from __future__ import annotations

from typing import Any

import torch
from diffusers.models.attention_processor import Attention, AttnProcessor2_0
from torch import Tensor, nn

WIDE = 256  # channels of a head up to which there are fast kernels
MOST = 2**27  # pairs of cells of one image, in all heads; float32 logits alone take 512 MiB


def use_products(network: nn.Module) -> None:
    """Change the attention layers of a network whose heads are wide, in place."""
    for part in network.modules():
        if (
            isinstance(part, Attention)
            and type(part.processor) is AttnProcessor2_0
            and part.inner_dim // part.heads > WIDE
            and part.spatial_norm is None
            and part.norm_q is None
            and part.norm_k is None
        ):
            part.set_processor(ProductAttention())


class ProductAttention(AttnProcessor2_0):
    """Self-attention over maps, one image after the other. Whatever else is asked for goes the way
    of the class that it takes the place of.
    """

    def __call__(
        self,
        attn: Attention,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        temb: Tensor | None = None,
        *args: Any,
        **kwargs: Any,
    ) -> Tensor:
        """(N, C, h, w) of the same."""
        x = hidden_states
        pairs = attn.heads * x[0, 0].numel() ** 2 if x.dim() == 4 else MOST + 1
        if pairs > MOST or encoder_hidden_states is not None or attention_mask is not None:
            whole: Tensor = super().__call__(
                attn, x, encoder_hidden_states, attention_mask, temb, *args, **kwargs
            )
            return whole
        cells = x if attn.group_norm is None else attn.group_norm(x)
        cells = cells.flatten(2).transpose(1, 2)
        query, key, value = (
            layer(cells).unflatten(-1, (attn.heads, -1)).transpose(1, 2)
            for layer in (attn.to_q, attn.to_k, attn.to_v)
        )
        mixed = torch.stack([_attend(*each) for each in zip(query, key, value, strict=True)])
        mixed = attn.to_out[0](mixed.transpose(1, 2).flatten(2))
        found = mixed.transpose(1, 2).unflatten(2, x.shape[2:])
        if attn.residual_connection:
            found = found + x
        return found / attn.rescale_output_factor


def _attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """(heads, n, C); logits are float32, which do not overflow."""
    query, key = query * query.shape[-1] ** -0.5, key.transpose(1, 2)
    if query.is_cuda and query.dtype != torch.float32:
        logits = torch.bmm(query, key, torch.float32)
    else:
        logits = torch.bmm(query.float(), key.float())
    return torch.bmm(logits.softmax(-1).to(value.dtype), value)
