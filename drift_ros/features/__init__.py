"""Frames in, descriptors out. Each extractor has a name in the registry below."""

from drift_ros.features.base import FeatureExtractor, FeatureMap, Window
from drift_ros.features.registry import EXTRACTORS, create, names

__all__ = ['EXTRACTORS', 'FeatureExtractor', 'FeatureMap', 'Window', 'create', 'names']
