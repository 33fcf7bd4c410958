"""How the network that recognizes targets is trained."""

from __future__ import annotations

from pydantic import Field

from drift_ros.settings import Settings


class RecognitionTraining(Settings):
    """How much is trained on what, and how fast."""

    steps: int = Field(6000, ge=1, le=10**7, description='Steps of the training.')
    batch: int = Field(
        256,
        ge=4,
        le=65536,
        multiple_of=4,
        description='Pairs of views per step, four of each known one.',
    )
    videos: int = Field(
        6000,
        ge=2,
        le=10**6,
        description='Videos at most that views are drawn from, some 25 views each of 0.17 MB in '
        'the memory of the device; one more with each step.',
    )
    first: int = Field(200, ge=2, le=10**6, description='Of these before the first step.')
    rate: float = Field(1e-3, gt=0, le=1, description='Highest learning rate of AdamW.')
    warm_up: int = Field(200, ge=0, le=100_000, description='Steps until the full learning rate.')
    workers: int = Field(
        1, ge=0, le=256, description='Processes that render; 0: none of their own.'
    )
    seed: int = Field(0, ge=0, le=2**31 - 1, description='Seed of weights, draws and videos.')
