"""How the network for points is trained."""

from __future__ import annotations

from pydantic import Field

from drift_ros.settings import Settings
from drift_ros.synthetic import RandomSettings


class PointTraining(Settings):
    """How much is trained on what, and how fast."""

    video: RandomSettings = RandomSettings(
        width=640,
        height=480,
        frames=24,
        rate=12,
        points=512,
        crossing=1,
        occluders=0.6,
        returns=0.2,
        slow_crossings=0.2,
        noise=4,
    )
    videos: int = Field(160, ge=1, le=100_000, description='Videos that are drawn from.')
    pairs: int = Field(4500, ge=0, le=10**7, description='Steps of the first part, on pairs.')
    clips: int = Field(600, ge=0, le=10**7, description='Videos of the second part.')
    followed: int = Field(256, ge=1, le=10_000, description='Points that are followed in each.')
    rate: float = Field(2e-3, gt=0, le=1, description='Highest learning rate of AdamW.')
    seed: int = Field(0, ge=0, le=2**31 - 1, description='Seed of weights, draws and videos.')
