"""How much the cells of a frame attend to each token of the text, with gradients into the text."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from drift_ros.errors import SettingsError
from drift_ros.features.attention import Place, grid_of

Projected = dict[tuple[int, str], Tensor]  # by layer and name of the projection


@dataclass(frozen=True, slots=True, eq=False)
class TextAttention:
    """What was read of a frame.

    Attributes:
        tokens: (b, tokens, h, w) share of each token in the cross-attention of each cell, the mean
            over heads and layers; it sums to one over tokens.
        queries: of self-attention in the same layers, (b, C, h, w) per head, scaled.
        keys: of the same shapes.
    """

    tokens: Tensor
    queries: tuple[Tensor, ...]
    keys: tuple[Tensor, ...]


View = Callable[[Tensor, int], TextAttention]  # text (b, tokens, dim) and number of the draw


class TextConditioned(ABC):
    """An extractor whose network takes a text.

    Attributes:
        prompt: (1, tokens, dim) output of the text encoder that frames are read with, unless their
            session has a text of its own.
    """

    prompt: Tensor

    @abstractmethod
    def view(self, image: Tensor, stamp: int, layers: str) -> View:
        """What the network reads in a frame for any text.

        Args:
            image: (3, H, W) uint8 RGB on the extractor's device.
            stamp: of the frame in ns.
            layers: of the decoder as `parse_places` takes them; empty for the first one of the last
                block.

        Raises:
            SettingsError: there is no cross-attention at one of them.
        """


class CrossAttentionReader:
    """Reads cross-attention in passes of a network that keep gradients.

    Args:
        unet: a conditional UNet of diffusers, whose modules get hooks; its weights may be shared.
        places: of the layers.

    Raises:
        SettingsError: there is no cross-attention at one of them.
    """

    def __init__(self, unet: Any, places: Sequence[Place]) -> None:
        blocks = [_transformer(unet, place) for place in places]
        self._layers = [(block.attn1, block.attn2) for block in blocks]
        self._lock = threading.Lock()  # streams in several threads may share it
        self._seen: Projected = {}
        for index, pair in enumerate(self._layers):
            for kind, attention in zip(('self', 'cross'), pair, strict=True):
                for name in ('to_q', 'to_k'):
                    keep = self._keeper(index, f'{kind}.{name}')
                    getattr(attention, name).register_forward_hook(keep)

    def read(self, run: Callable[[], Any], size: tuple[int, int]) -> TextAttention:
        """What is read in one pass.

        Args:
            run: runs the network.
            size: of its input in any unit; grids of cells have the same aspect.
        """
        with self._lock:
            try:
                run()
                seen = dict(self._seen)
            finally:
                self._seen.clear()
        shares: list[Tensor] = []
        queries: list[Tensor] = []
        keys: list[Tensor] = []
        for index, (own, cross) in enumerate(self._layers):
            grid = grid_of(seen[index, 'self.to_q'].shape[1], size)
            query = _heads(seen[index, 'cross.to_q'], cross.heads).float() * cross.scale
            key = _heads(seen[index, 'cross.to_k'], cross.heads).float()
            share = (query @ key.mT).softmax(3).mean(1)  # (b, cells, tokens)
            shares.append(share.mT.unflatten(2, grid))
            for name, scale, found in (('to_q', own.scale, queries), ('to_k', 1, keys)):
                each = _heads(seen[index, f'self.{name}'], own.heads) * scale
                found += each.mT.unflatten(3, grid).unbind(1)
        finest = max((each.shape[2], each.shape[3]) for each in shares)
        resized = [
            nn.functional.interpolate(each, finest, mode='bilinear', align_corners=False)
            for each in shares
        ]
        return TextAttention(torch.stack(resized).mean(0), tuple(queries), tuple(keys))

    def _keeper(self, index: int, name: str) -> Callable[..., None]:
        def keep(_module: nn.Module, _inputs: Any, output: Tensor) -> None:
            self._seen[index, name] = output

        return keep


def cross_attention_places(unet: Any) -> list[Place]:
    """Where the decoder of a network attends to a text, in the order of execution."""
    return [
        (index, layer)
        for index, block in enumerate(unet.up_blocks)
        for layer, each in enumerate(getattr(block, 'attentions', None) or ())
        if getattr(getattr(each, 'transformer_blocks', [None])[0], 'attn2', None) is not None
    ]


def _transformer(unet: Any, place: Place) -> Any:
    known = cross_attention_places(unet)
    if place not in known:
        named = ', '.join(f'{block}.{layer}' for block, layer in known)
        raise SettingsError(
            f'there is no cross-attention at {place[0]}.{place[1]}: as far as this model is run, '
            f'its decoder attends to text at {named or "no layer"}; set adaptation.text.layers to '
            'one of these'
        )
    block, layer = place
    return unet.up_blocks[block].attentions[layer].transformer_blocks[0]


def _heads(projected: Tensor, heads: int) -> Tensor:
    """(b, n, heads * C) -> (b, heads, n, C)."""
    return projected.unflatten(2, (heads, -1)).transpose(1, 2)
