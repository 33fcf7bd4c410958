"""Settings of masks: how prompts become masks, and how masks get better outlines."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from drift_ros.settings.base import Settings


class PromptSettings(Settings):
    """Who turns clicks and boxes into masks."""

    backend: Literal['auto', 'grabcut', 'spread', 'segment-anything', 'transformers'] = Field(
        'auto',
        description='Segmenter: `segment-anything` (a .pth checkpoint), `transformers` (a folder '
        'with SAM or SAM 2), `grabcut` (OpenCV, no weights), `spread` (clicks spread to what the '
        'extractor of features.name finds alike, then GrabCut). `auto` goes by the checkpoint and '
        'is GrabCut without one.',
    )
    checkpoint: str = Field('', description='File or folder with the weights of the segmenter.')


class RefinementSettings(Settings):
    """Whether outlines of masks are found anew in the image."""

    backend: Literal['none', 'grabcut', 'sam'] = Field(
        'none',
        description='Who refines masks: `none`; `grabcut`, colours and edges in a band around the '
        'outline (OpenCV, no weights); `sam`, Segment Anything prompted by the mask.',
    )
    checkpoint: str = Field(
        '',
        description='Weights of `sam`, a file or folder as for prompts.checkpoint; empty takes the '
        'segmenter of the prompts.',
    )
    every: int = Field(
        1,
        ge=0,
        le=1000,
        description='Every which frame is refined; the others stay as they are. 0 refines none.',
        json_schema_extra={'dynamic': True},
    )
    min_iou: float = Field(
        0.5,
        ge=0,
        le=1,
        description='Overlap (intersection over union) with the mask that was to be refined below '
        'which the refined one is not taken.',
        json_schema_extra={'dynamic': True},
    )
    feedback: bool = Field(
        True,
        description='Whether the refined mask is remembered and propagated from, or published '
        'only.',
        json_schema_extra={'dynamic': True},
    )
    band: int = Field(
        6,
        ge=1,
        le=256,
        description='Half width in px of the band that `grabcut` looks at.',
        json_schema_extra={'dynamic': True},
    )
    iterations: int = Field(
        1,
        ge=1,
        le=20,
        description='Iterations of `grabcut`.',
        json_schema_extra={'dynamic': True},
    )
    margin: float = Field(
        0.1,
        ge=0,
        le=1,
        description='Margin of the box that `sam` is given, in parts of its longer side.',
        json_schema_extra={'dynamic': True},
    )
