"""Every setting of the library, declared once.

A field carries its description, unit and range; the node's parameters, the command line and the
reference page are made from it. Names are dotted: `features.noise_level` is
`TrackerSettings.features.noise_level`.
"""

from drift_ros.settings.adaptation import AdaptationSettings, TextInversionSettings
from drift_ros.settings.base import Settings, ZeroOr, build, fields, flatten
from drift_ros.settings.features import (
    AttentionSettings,
    EmbeddedSettings,
    FeatureSettings,
    ImageUnetSettings,
    VideoDitSettings,
    VideoUnetSettings,
)
from drift_ros.settings.file import read_yaml
from drift_ros.settings.masks import PromptSettings, RefinementSettings
from drift_ros.settings.points import PointSettings
from drift_ros.settings.propagation import PropagationSettings
from drift_ros.settings.targets import TargetSettings
from drift_ros.settings.tracker import StreamSettings, TrackerSettings, WindowSettings

__all__ = [
    'AdaptationSettings',
    'AttentionSettings',
    'EmbeddedSettings',
    'FeatureSettings',
    'ImageUnetSettings',
    'PointSettings',
    'PromptSettings',
    'PropagationSettings',
    'RefinementSettings',
    'Settings',
    'StreamSettings',
    'TargetSettings',
    'TextInversionSettings',
    'TrackerSettings',
    'VideoDitSettings',
    'VideoUnetSettings',
    'WindowSettings',
    'ZeroOr',
    'build',
    'fields',
    'flatten',
    'read_yaml',
]
