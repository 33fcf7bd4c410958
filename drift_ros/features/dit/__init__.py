"""Video diffusion transformers: CogVideoX, HunyuanVideo."""

from drift_ros.features.dit.models import create

__all__ = ['create']
