"""Queries and keys of full attention layers of a video diffusion transformer, per head."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

from diffusers.models.embeddings import apply_rotary_emb
from torch import Tensor, nn

Keep = Callable[[Tensor, Tensor], None]


class ReadingProcessor:
    """Attention processor that also reads the queries and keys of the video's tokens, as the
    attention compares them: normalised and, where the model does that, rotated by their places.

    Args:
        inner: the processor that attends; None leaves attention out, where nothing after it counts.
        keep: takes queries and keys, (B, tokens, heads, channels) each.
    """

    def __init__(self, inner: Any, keep: Keep) -> None:
        self._inner = inner
        self._keep = keep

    def __call__(
        self,
        attn: Any,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        image_rotary_emb: tuple[Tensor, Tensor] | None = None,
    ) -> Any:
        """Attend; arguments as for any processor."""
        self._keep(*queries_and_keys(attn, hidden_states, image_rotary_emb))
        if self._inner is None:
            return hidden_states, encoder_hidden_states
        return self._inner(
            attn,
            hidden_states,
            encoder_hidden_states,
            attention_mask=attention_mask,
            image_rotary_emb=image_rotary_emb,
        )


def queries_and_keys(
    attn: Any, hidden: Tensor, rotary: tuple[Tensor, Tensor] | None
) -> tuple[Tensor, Tensor]:
    """What a layer compares, of hidden states (B, tokens, D): (B, tokens, heads, channels) each."""
    found = []
    for project, norm in ((attn.to_q, attn.norm_q), (attn.to_k, attn.norm_k)):
        each = project(hidden).unflatten(2, (attn.heads, -1))
        each = each if norm is None else norm(each)
        if rotary is not None:
            each = apply_rotary_emb(each, rotary, sequence_dim=1)
        found.append(each)
    return found[0], found[1]


class LayerReader:
    """Reads layers of a transformer that was loaded up to the last of them, and cuts it there.

    Args:
        blocks: all that are left, in the order of execution; each has `attn1` or `attn`.
        layers: numbers of those that are read, rising; the last one is the last block.
    """

    def __init__(self, blocks: Sequence[Any], layers: Sequence[int]) -> None:
        self._lock = threading.Lock()  # streams in several threads may share the network
        self._seen: dict[int, tuple[Tensor, Tensor]] = {}
        self._layers = tuple(layers)
        for layer in layers:
            attention = attention_of(blocks[layer])
            last = layer == layers[-1]
            inner = None if last else attention.processor
            attention.set_processor(ReadingProcessor(inner, self._keeper(layer)))
        end_with(blocks[layers[-1]])
        self.heads = tuple(
            (str(layer), head)
            for layer in layers
            for head in range(attention_of(blocks[layer]).heads)
        )

    def read(self, run: Callable[[], Any]) -> list[tuple[Tensor, Tensor]]:
        """Queries and keys (B, tokens, heads, channels) of each layer in one pass."""
        with self._lock:
            try:
                run()
                return [self._seen[layer] for layer in self._layers]
            finally:
                self._seen.clear()

    def _keeper(self, layer: int) -> Keep:
        def keep(queries: Tensor, keys: Tensor) -> None:
            self._seen[layer] = queries, keys

        return keep


def attention_of(block: Any) -> Any:
    """The attention layer of a block."""
    return block.attn1 if hasattr(block, 'attn1') else block.attn


def end_with(block: nn.Module) -> None:
    """Leave out what follows on the projections to queries and keys of the last block."""
    attention = attention_of(block)
    for part, name in (
        *((attention, name) for name in ('to_v', 'to_out', 'add_v_proj', 'to_add_out')),
        *((block, name) for name in ('ff', 'ff_context')),
    ):
        if getattr(part, name, None) is not None:
            setattr(part, name, nn.Identity())


def per_head(each: Tensor, frames: int, grid: tuple[int, int], new: int) -> list[Tensor]:
    """(1, tokens, heads, C), frame by frame -> (new, C, h, w) of each head, newest frames only."""
    maps = each[0].unflatten(0, (frames, *grid))[-new:]
    return [head.permute(0, 3, 1, 2) for head in maps.unbind(3)]
