"""Cross-attention guidance for CogVideoX (CAG, of DiffTrack, Nam et al. 2025).

Beside the branches without and with the prompt runs a third one, with the prompt, in which some
layers do not gather from other frames. What is lost there is added, times a scale:

    eps = eps_u + guidance_scale (eps_c - eps_u) + cag_scale (eps_c - eps_p)
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from diffusers import CogVideoXPipeline
from torch import Tensor, nn
from torch.nn import functional

from drift_ros.errors import SettingsError
from drift_ros.features.dit.reader import queries_and_keys

INPUTS = ('hidden_states', 'encoder_hidden_states', 'timestep')  # that hold a row per branch


class CAGPipeline(CogVideoXPipeline):
    """The pipeline of diffusers with cross-attention guidance."""

    def __call__(
        self,
        prompt: str | list[str] | None = None,
        *,
        guidance_scale: float = 6.0,
        cag_scale: float = 1.0,
        cag_layers: Sequence[int] = (13, 17, 21),
        **others: Any,
    ) -> Any:
        """Generate videos.

        Args:
            prompt: as for `CogVideoXPipeline`.
            guidance_scale: of classifier-free guidance, which is off at 1 and below.
            cag_scale: 0 runs the plain pipeline.
            cag_layers: numbers of the blocks in which the third branch is cut; the scripts of
                DiffTrack take 13, 17, 21 of CogVideoX-2B and 15, 17, 18 of 5B.
            others: arguments of `CogVideoXPipeline`.

        Returns:
            As `CogVideoXPipeline`.

        Raises:
            SettingsError: the model has no such block.
        """
        branches = 2 if guidance_scale > 1 else 1
        with third_branch(self.transformer, cag_scale, cag_layers, branches):
            return super().__call__(prompt, guidance_scale=guidance_scale, **others)


@contextmanager
def third_branch(
    transformer: Any, scale: float, layers: Sequence[int], branches: int
) -> Iterator[None]:
    """Let a transformer run one more branch, and add to its other outputs what that one lost.

    Classifier-free guidance keeps what is added to both of its branches alike.

    Args:
        transformer: a `CogVideoXTransformer3DModel`, as its pipeline calls it.
        scale: of what is added; with 0 nothing is done.
        layers: numbers of the blocks in which the branch is cut.
        branches: that it is called with, the one with the prompt last.

    Raises:
        SettingsError: there is no such block.
    """
    if not scale:
        yield
        return
    blocks = transformer.transformer_blocks
    for number in layers:
        if not 0 <= number < len(blocks):
            raise SettingsError(
                f'there is no layer {number} to cut: this model has layers 0 to {len(blocks) - 1}'
            )
    branch = _Branch(scale, branches)
    attentions = [blocks[number].attn1 for number in dict.fromkeys(layers)]
    stock = [attention.processor for attention in attentions]
    hooks = [
        transformer.register_forward_pre_hook(branch.enter, with_kwargs=True),
        transformer.register_forward_hook(branch.leave),
    ]
    try:
        for attention, inner in zip(attentions, stock, strict=True):
            attention.set_processor(_CutProcessor(inner, branch))
        yield
    finally:
        for attention, inner in zip(attentions, stock, strict=True):
            attention.set_processor(inner)
        for hook in hooks:
            hook.remove()


class _Branch:
    """The rows of a batch that are cut, which are its last ones."""

    def __init__(self, scale: float, branches: int) -> None:
        self._scale = scale
        self._branches = branches
        self.rows = self.frames = 0

    def enter(self, module: Any, args: Any, kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        """Append the rows."""
        latents = kwargs['hidden_states']
        self.rows = len(latents) // self._branches
        self.frames = latents.shape[1] // (module.config.patch_size_t or 1)
        more = {name: torch.cat([kwargs[name], kwargs[name][-self.rows :]]) for name in INPUTS}
        return args, kwargs | more

    def leave(self, module: nn.Module, args: Any, output: tuple[Tensor]) -> tuple[Tensor]:
        """Take them out again, and add what they lost to all others."""
        *others, prompted, cut = output[0].float().split(self.rows)
        lost = self._scale * (prompted - cut)
        return (torch.cat([each + lost for each in (*others, prompted)]),)


class _CutProcessor:
    """Attends as before, and in the last rows without what other frames hold."""

    def __init__(self, inner: Any, branch: _Branch) -> None:
        self._inner = inner
        self._branch = branch

    def __call__(
        self,
        attn: Any,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor,
        attention_mask: Tensor | None = None,
        image_rotary_emb: tuple[Tensor, Tensor] | None = None,
    ) -> tuple[Tensor, ...]:
        """Attend; arguments as for any processor."""
        rows = self._branch.rows
        whole = self._inner(
            attn,
            hidden_states[:-rows],
            encoder_hidden_states[:-rows],
            attention_mask=attention_mask,
            image_rotary_emb=image_rotary_emb,
        )
        cut = attend_within_frames(
            attn,
            hidden_states[-rows:],
            encoder_hidden_states[-rows:],
            image_rotary_emb,
            self._branch.frames,
        )
        return tuple(torch.cat(both) for both in zip(whole, cut, strict=True))


def attend_within_frames(
    attn: Any, video: Tensor, text: Tensor, rotary: tuple[Tensor, Tensor] | None, frames: int
) -> tuple[Tensor, Tensor]:
    """Attention of a CogVideoX block in which tokens of a frame get nothing from other frames.

    Weights on these are 0 after the softmax and the others stay as they are, so they sum to less
    than 1. Text attends to everything. Values of other frames are 0 instead of weights, so that
    fused attention does it, at the cost of the whole.

    Args:
        attn: the attention layer.
        video: (B, tokens, D), frame by frame.
        text: (B, words, D).
        rotary: rotations of the queries and keys of the video.
        frames: number of frames.

    Returns:
        What the layer gives for video and text.
    """
    words = text.shape[1]
    both = zip(
        queries_and_keys(attn, text, None), queries_and_keys(attn, video, rotary), strict=True
    )
    query, key = (torch.cat(parts, 1).transpose(1, 2) for parts in both)
    value = attn.to_v(torch.cat([text, video], 1)).unflatten(2, (attn.heads, -1)).transpose(1, 2)
    attend = functional.scaled_dot_product_attention
    mixed = [attend(query[:, :, :words], key, value)]
    size = video.shape[1] // frames
    for start in range(words, words + video.shape[1], size):
        own = slice(start, start + size)
        kept = torch.zeros_like(value)
        kept[:, :, :words], kept[:, :, own] = value[:, :, :words], value[:, :, own]
        mixed.append(attend(query[:, :, own], key, kept))
    out = torch.cat(mixed, 2).transpose(1, 2).flatten(2)
    for layer in attn.to_out:
        out = layer(out)
    return out[:, words:], out[:, :words]
