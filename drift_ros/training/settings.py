"""How an embedded model is made and trained."""

from __future__ import annotations

from pydantic import Field, model_validator

from drift_ros.settings import Settings
from drift_ros.synthetic.settings import RandomSettings


class NetworkSettings(Settings):
    """Shape of the network."""

    channels: tuple[int, ...] = Field(
        (64, 128, 256), description='Channels of each scale, from the finest; multiples of 32.'
    )
    layers: int = Field(
        1, ge=1, le=4, description='Residual blocks per scale, in the encoder and in the decoder.'
    )
    near: tuple[bool, ...] = Field(
        (False, True),
        description='For each scale but the coarsest, whether cells look around in the frames '
        'before and after.',
    )
    patch: int = Field(4, ge=1, le=16, description='Pixels per cell of the finest scale.')
    temporal: bool = Field(
        True, description='Whether there are temporal layers; the twin has none.'
    )


class TrainingSettings(Settings):
    """What is trained on what, and how fast."""

    network: NetworkSettings = NetworkSettings()
    video: RandomSettings = RandomSettings()
    frames: int = Field(16, ge=2, le=64, description='Frames of a clip.')
    crop: int = Field(
        96, ge=32, le=512, multiple_of=16, description='Side in px of what a step sees of a video.'
    )
    batch: int = Field(8, ge=1, le=4096, description='Clips per step.')
    pool: int = Field(
        128, ge=1, le=100_000, description='Videos from which the clips of a step are drawn.'
    )
    reuse: float = Field(
        4.0, ge=1, le=1000, description='How often a video is drawn, on average, before it leaves.'
    )
    rate: float = Field(1e-3, gt=0, le=1, description='Learning rate of AdamW.')
    weight_decay: float = Field(0.01, ge=0, le=1, description='Weight decay of AdamW.')
    warm_up: int = Field(100, ge=0, le=100_000, description='Steps until the full learning rate.')
    cool_down: float = Field(
        0.4,
        ge=0,
        le=1,
        description='Share of the training, at its end, in which the learning rate falls to '
        'nothing along a cosine.',
    )
    clip_norm: float = Field(1.0, gt=0, description='Largest norm of the gradient.')
    decay: float = Field(
        0.999, ge=0, lt=1, description='Decay of the moving average of the weights, per step.'
    )
    lowest: float = Field(
        -6.0, ge=-20, le=20, description='Lowest log of the signal-to-noise ratio in training.'
    )
    highest: float = Field(
        3.0, ge=-20, le=20, description='Highest log of the signal-to-noise ratio in training.'
    )
    mixed: float = Field(
        0.5,
        ge=0,
        le=1,
        description='Share of clips whose frames have noise levels of their own; the others have '
        'one level for all frames, as in use.',
    )
    seed: int = Field(0, ge=0, le=2**31 - 1, description='Seed of weights, noise and videos.')
    workers: int = Field(
        1, ge=0, le=256, description='Processes that render; 0: none of their own.'
    )
    compile: bool = Field(False, description='Whether the network is compiled by torch.compile.')

    @model_validator(mode='after')
    def _ordered(self) -> TrainingSettings:
        if self.lowest >= self.highest:
            raise ValueError(f'lowest ({self.lowest}) must be below highest ({self.highest})')
        side = min(self.video.width, self.video.height)
        if self.crop > side:
            raise ValueError(f'crop ({self.crop}) must fit into the video ({side} px)')
        return self
