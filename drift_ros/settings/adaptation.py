"""Settings of what is fitted to the prompted frame."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from drift_ros.settings.base import PLACES, Settings


class TextInversionSettings(Settings):
    """Textual inversion: an embedding per target, at the output of the text encoder."""

    invert: bool = Field(
        False,
        description='Whether an embedding per target is fitted to the prompted masks, so that '
        'cross-attention shows them; frames are then read with these in the prompt (Stable '
        'Diffusion only).',
    )
    steps: int = Field(100, ge=1, le=20000, description='Steps of the fit (AdamW).')
    rate: float = Field(0.01, gt=0, le=10, description='Rate of the fit (AdamW).')
    layers: str = Field(
        '',
        pattern=PLACES,
        description='Cross-attention layers of the decoder that are to show the masks, such as '
        '`3.0` or `2,3.0`; empty takes the first one of the last block that is run.',
    )
    loss: Literal['bce', 'mse'] = Field(
        'bce',
        description='Loss between the share of an embedding in cross-attention and the mask: '
        'binary cross-entropy or the squared error; in both a target has half the weight.',
    )
    spread: float = Field(
        0.0,
        ge=0,
        le=1000,
        description='Weight of the same loss on the shares after self-attention has spread them.',
    )
    passes: Literal['joint', 'each'] = Field(
        'joint',
        description='Whether targets are fitted in one prompt and pass, where they compete for '
        'cells (`joint`), or each by itself, in a prompt and pass of its own (`each`).',
    )


class AdaptationSettings(Settings):
    """Whether the attention kernel is adapted to the targets, on their prompted frame."""

    heads: Literal['uniform', 'fitted', 'closed-form'] = Field(
        'uniform',
        description='Weights of the attention heads: `uniform`, all equal; `fitted`, so that their '
        'mean gives the prompted masks back; `closed-form`, by how well each one does so alone.',
    )
    example: Literal['frame', 'copy'] = Field(
        'frame',
        description='What heads are weighed by: the prompted `frame` itself, where cells must not '
        'look at themselves and their neighbours, or a mirrored `copy` of it, which costs one more '
        'pass of the network.',
    )
    margin: int = Field(
        1,
        ge=0,
        le=64,
        description='Neighbours in cells, in each direction, that cells of the prompted frame must '
        'not look at.',
    )
    steps: int = Field(200, ge=1, le=10000, description='Steps of the fit (Adam).')
    rate: float = Field(0.1, gt=0, le=10, description='Rate of the fit (Adam).')
    temperature: float = Field(
        0.05,
        gt=0,
        le=10,
        description='Of `closed-form`: the lower it is, the more the best heads count.',
    )
    budget: float = Field(
        0.05,
        ge=0,
        le=60,
        description='Seconds per frame that a live node spends on fitting; tracking goes on '
        'unadapted until it is done. Offline it is done before tracking starts.',
        json_schema_extra={'dynamic': True},
    )
    text: TextInversionSettings = TextInversionSettings()
    file: str = Field(
        '',
        description='What `drift adapt` fitted before; it holds from the start, until something is '
        'fitted anew.',
    )
