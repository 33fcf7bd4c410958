"""How an embedded model is made and trained."""

from __future__ import annotations

from pydantic import Field, model_validator

from drift_ros.settings import Settings
from drift_ros.synthetic.settings import RandomSettings, Share


class NetworkSettings(Settings):
    """Shape of the network."""

    channels: tuple[int, ...] = Field(
        (32, 64, 128), description='Channels of each scale, from the finest; multiples of 32.'
    )
    context: int = Field(
        256,
        multiple_of=32,
        ge=32,
        le=4096,
        description='Channels of the scale between encoder and decoder, where cells see the '
        'whole frame and eight frames before it.',
    )
    depth: int = Field(2, ge=1, le=16, description='Stages at that scale.')
    patch: int = Field(4, ge=1, le=16, description='Pixels per cell of the finest scale.')
    readout: tuple[int, ...] = Field(
        (0, 40, 24),
        description='Channels of the descriptors that come from each decoder block, from the '
        'coarsest.',
    )
    temporal: bool = Field(True, description='Whether there are temporal layers.')


class TrainingSettings(Settings):
    """What is trained on what, and how fast."""

    network: NetworkSettings = NetworkSettings()
    video: RandomSettings = RandomSettings(
        width=224,
        height=224,
        frames=24,
        points=768,
        balls=0.4,
        identical=0.6,
        crossing=0.8,
        smallest=0.06,
    )
    views: tuple[tuple[int, int], ...] = Field(
        ((128, 12), (96, 16), (128, 12), (192, 6)),
        description='Side in px and number of frames of what a step sees of a video; steps take '
        'turns. Multiples of 16.',
    )
    batch: int = Field(1, ge=1, le=4096, description='Clips per step.')
    pool: int = Field(
        192, ge=1, le=100_000, description='Videos from which the clips of a step are drawn.'
    )
    reuse: float = Field(
        12.0, ge=1, le=1000, description='How often a video is drawn, on average, before it leaves.'
    )
    rate: float = Field(5e-4, gt=0, le=1, description='Learning rate of AdamW.')
    weight_decay: Share = Field(0.01, description='Weight decay of AdamW.')
    warm_up: int = Field(100, ge=0, le=100_000, description='Steps until the full learning rate.')
    cool_down: Share = Field(
        0.4,
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
    snr: float = Field(
        20.0,
        ge=0.01,
        le=1e6,
        description='Signal-to-noise ratio at which clips are matched, and descriptors are read.',
    )
    denoising: Share = Field(
        0.25,
        description='Share of the steps that only denoise, at any level of noise; 1: nothing is '
        'matched.',
    )
    alone: Share = Field(
        0.3,
        description='Share of the steps in which every frame is seen alone, so that the network '
        'serves as an image model too.',
    )
    weights: tuple[float, float] = Field(
        (5.0, 1.0), description='Weights of the losses of denoising and of matching.'
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
        for crop, frames in self.views:
            if not 32 <= crop <= side or crop % 16 or not 2 <= frames <= self.video.frames:
                raise ValueError(
                    f'views has {crop} px and {frames} frames: expected a multiple of 16 from 32 '
                    f'to the {side} px of the video, and 2 to its {self.video.frames} frames'
                )
        return self
