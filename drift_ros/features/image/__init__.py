"""Image diffusion UNets as feature extractors: DIFT, and the image half of TED."""

from drift_ros.features.image.image_models import create

__all__ = ['create']
