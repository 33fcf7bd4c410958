"""Frames in, descriptors out. Each extractor has a name in the registry below."""

from drift_ros.descriptors import Descriptors
from drift_ros.features.base import FeatureExtractor, Session, Window
from drift_ros.features.registry import EXTRACTORS, create, names

__all__ = [
    'EXTRACTORS',
    'Descriptors',
    'FeatureExtractor',
    'Session',
    'Window',
    'create',
    'names',
]
