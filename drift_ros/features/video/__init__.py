"""Video diffusion UNets: I2VGen-XL, Stable Video Diffusion, ModelScope."""

from drift_ros.features.video.video_models import create

__all__ = ['create']
