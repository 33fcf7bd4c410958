"""Queries and keys of self-attention layers, per head, out of the decoders of diffusers' UNets."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from drift_ros.descriptors import Descriptors
from drift_ros.errors import CheckpointError, SettingsError
from drift_ros.features.truncation import truncate
from drift_ros.settings import AttentionSettings

Place = tuple[int, int]  # decoder block, 0 = deepest, and layer in it


def parse_places(text: str, layers: int) -> list[Place]:
    """Places of layers from a setting such as `3` (all layers of block 3) or `2.0,3.1`.

    Args:
        text: blocks, or blocks with layers, separated by commas.
        layers: that a block has.

    Returns:
        Each place once, in the order of execution.
    """
    places: set[Place] = set()
    for part in text.split(','):
        block, _, layer = part.partition('.')
        chosen = range(layers) if not layer else [int(layer)]
        places |= {(int(block), index) for index in chosen}
    return sorted(places)


def self_attention(unet: Any, place: Place) -> Any:
    """The self-attention layer at a place of a decoder.

    Raises:
        SettingsError: this model has none there.
    """
    block, layer = place
    blocks = unet.up_blocks
    found = getattr(blocks[block], 'attentions', None) if block < len(blocks) else None
    if not found or layer >= len(found):
        known = [
            f'{b}.{n}'
            for b, each in enumerate(blocks)
            for n, _ in enumerate(getattr(each, 'attentions', None) or ())
        ]
        raise SettingsError(
            f'there is no attention layer {block}.{layer}: the decoder of this model attends at '
            f'{", ".join(known) or "no layer"} (features.attention.layers)'
        )
    attention = found[layer]
    if hasattr(attention, 'transformer_blocks'):
        attention = attention.transformer_blocks[0].attn1
    if not all(hasattr(attention, name) for name in ('to_q', 'to_k', 'heads')):
        raise CheckpointError(
            f'decoder layer {block}.{layer} is a {type(attention).__name__}, expected a '
            'self-attention layer with projections to queries and keys'
        )
    return attention


def grid_of(cells: int, size: tuple[int, int]) -> tuple[int, int]:
    """(h, w) of that many cells over an input of a size (H, W)."""
    step = math.isqrt(size[0] * size[1] // cells)
    return size[0] // step, size[1] // step


class AttentionReader:
    """Reads queries and keys in a pass of a network that ends after the last layer that is read.

    Args:
        unet: any of diffusers' UNets whose decoder attends; it is cut in place.
        places: of the layers.
        settings: what is compared, and how sharply.

    Raises:
        SettingsError: there is no attention layer at one of them.

    Attributes:
        heads: (layer, head) of every map, as `descriptors` orders them.
    """

    def __init__(
        self, unet: Any, places: Sequence[Place], settings: AttentionSettings | None = None
    ) -> None:
        self._settings = settings or AttentionSettings()
        self.places = sorted(places)
        self._layers = [self_attention(unet, place) for place in self.places]
        self.heads = tuple(
            (f'{block}.{layer}', head)
            for (block, layer), attention in zip(self.places, self._layers, strict=True)
            for head in range(attention.heads)
        )
        truncate(unet, *self.places[-1])
        _end_with(unet, *self.places[-1], self._layers[-1])
        self._lock = threading.Lock()  # streams in several threads may share the network
        self._seen: dict[tuple[int, str], Tensor] = {}
        for index, attention in enumerate(self._layers):
            for name in ('to_q', 'to_k'):
                getattr(attention, name).register_forward_hook(self._keeper(index, name))

    def read(self, run: Callable[[], Any], size: tuple[int, int]) -> list[Tensor]:
        """Queries and keys of one pass.

        Args:
            run: runs the network.
            size: of its input in any unit; grids of cells have the same aspect.

        Returns:
            Of each layer (b, 2 C, h, w): queries over keys, the heads one after the other. Queries
            are scaled, so that a product of query and key is a logit; they are the keys where these
            are compared.
        """
        with self._lock:
            try:
                run()
                seen = dict(self._seen)
            finally:
                self._seen.clear()
        maps = []
        for index, attention in enumerate(self._layers):
            query, key = seen[index, 'to_q'], seen[index, 'to_k']
            compared = key if self._settings.compare == 'keys' else query
            scale = attention.scale / self._settings.temperature
            both = torch.cat([compared * scale, key], 2)
            maps.append(both.mT.unflatten(2, grid_of(query.shape[1], size)))
        return maps

    def descriptors(self, maps: Sequence[Tensor], height: int) -> Descriptors:
        """A map per layer and head, of what `read` gave for frames of a height in px."""
        queries: list[Tensor] = []
        keys: list[Tensor] = []
        for both, attention in zip(maps, self._layers, strict=True):
            query, key = both.chunk(2, 1)
            queries += query.chunk(attention.heads, 1)
            keys += key.chunk(attention.heads, 1)
        finest = max(each.shape[2] for each in maps)
        return Descriptors(tuple(queries), tuple(keys), height // finest)

    def _keeper(self, index: int, name: str) -> Callable[..., None]:
        def keep(_module: nn.Module, _inputs: Any, output: Tensor) -> None:
            self._seen[index, name] = output

        return keep


class _Ends:
    """Attention processor that projects to queries and keys and leaves the rest out."""

    def __call__(self, attention: Any, hidden_states: Tensor, *_: Any, **__: Any) -> Tensor:
        cells = hidden_states
        if cells.ndim == 4:
            cells = cells.flatten(2).mT
        if attention.group_norm is not None:
            cells = attention.group_norm(cells.mT).mT
        attention.to_q(cells)
        attention.to_k(cells)
        return hidden_states


def _end_with(unet: Any, block: int, layer: int, attention: Any) -> None:
    """Leave out what follows on the projections of the last layer."""
    attention.set_processor(_Ends())
    for name in ('to_v', 'to_out'):
        setattr(attention, name, nn.Identity())
    last = unet.up_blocks[block].attentions[layer]
    if hasattr(last, 'transformer_blocks'):
        transformer = last.transformer_blocks[0]
        last.transformer_blocks = nn.ModuleList([transformer])
        transformer.attn2 = None
        transformer.norm3 = transformer.ff = last.proj_out = nn.Identity()
