"""What all scenes have in common, as settings."""

from __future__ import annotations

from pydantic import Field

from drift_ros.settings import Settings


class SceneSettings(Settings):
    """Size, length and disturbance of a rendered video; equal settings give equal videos."""

    width: int = Field(640, ge=16, le=8192, description='Width of the image in px.')
    height: int = Field(480, ge=16, le=8192, description='Height of the image in px.')
    frames: int = Field(96, ge=1, le=100_000, description='Number of frames.')
    rate: float = Field(24.0, gt=0, le=1000, description='Frames per second.')
    seed: int = Field(0, ge=0, le=2**31 - 1, description='Seed of everything random in the scene.')
    noise: float = Field(
        3.0, ge=0, le=128, description='Standard deviation of the image noise in grey levels.'
    )
