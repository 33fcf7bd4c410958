"""Settings of how labels go from frame to frame."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from drift_ros.settings.base import Settings


class PropagationSettings(Settings):
    """How labels travel from remembered frames to the current one."""

    temperature: float = Field(
        0.1,
        ge=1e-3,
        le=10,
        description='Softmax temperature of the affinity, dimensionless.',
        json_schema_extra={'dynamic': True},
    )
    top_k: int = Field(
        10,
        ge=1,
        le=4096,
        description='Strongest matches per cell that vote, over all remembered frames together.',
        json_schema_extra={'dynamic': True},
    )
    radius: int = Field(
        12,
        ge=0,
        le=512,
        description='Half width of the square search window in feature cells, or radius of the '
        'disc; 0 searches the whole frame.',
        json_schema_extra={'dynamic': True},
    )
    window: Literal['square', 'disc'] = Field(
        'square',
        description='Shape of the search window: `square` (DINO, DIFT, TED) or `disc` (CRW: cells '
        'nearer than the radius).',
        json_schema_extra={'dynamic': True},
    )
    mask_references: bool = Field(
        True,
        description='Whether the window holds for prompted frames too (DINO, DIFT, TED). Without '
        'it they are searched as a whole (CRW), which finds targets again elsewhere and costs more '
        'time.',
        json_schema_extra={'dynamic': True},
    )
    attention_window: bool = Field(
        False,
        description='Whether attention is limited to `top_k` matches inside `radius`, as features '
        'are; else it is one softmax over all remembered frames (extractors that read attention '
        'only, which use neither temperature nor similarity).',
        json_schema_extra={'dynamic': True},
    )
    similarity: Literal['cosine', 'dot'] = Field(
        'cosine',
        description='Similarity of descriptors: `cosine`, or `dot` for the scalar product of '
        'descriptors as the extractor gives them.',
    )
    channels: int = Field(
        0,
        ge=0,
        le=4096,
        description='Channels that descriptors are reduced to before they are matched; 0 keeps '
        'all. Fewer cost less time and memory, and some accuracy.',
    )
    reduction: Literal['pca', 'random'] = Field(
        'pca',
        description='How channels are reduced: `pca` (fitted to the first window after a start or '
        'a reset) or `random` (a seeded random projection).',
    )
    upsampling: Literal['bilinear', 'joint_bilateral'] = Field(
        'joint_bilateral',
        description='How soft labels are brought from cells to pixels: `bilinear` as in the '
        'papers, or `joint_bilateral`, which lets outlines follow the colours of the image.',
    )
    memory: int = Field(
        7, ge=0, le=128, description='Recent frames that vote, besides the prompted ones.'
    )
    memory_every: int = Field(
        4,
        ge=1,
        le=1000,
        description='Of frames that are older than the newest half of `memory`, only every n-th is '
        'remembered, so that memory reaches further back; 1 remembers the most recent ones alone, '
        'as the papers do.',
    )
    max_references: int = Field(
        4,
        ge=1,
        le=32,
        description='Prompted frames that are kept for voting; the first ones stay longest.',
    )
