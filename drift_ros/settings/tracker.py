"""Settings of the whole tracker."""

from __future__ import annotations

from pydantic import Field

from drift_ros.pictures import MAX_PIXELS, MOST_PIXELS
from drift_ros.settings.adaptation import AdaptationSettings
from drift_ros.settings.base import Settings
from drift_ros.settings.features import FeatureSettings
from drift_ros.settings.masks import PromptSettings, RefinementSettings
from drift_ros.settings.points import PointSettings
from drift_ros.settings.propagation import PropagationSettings
from drift_ros.settings.targets import TargetSettings


class WindowSettings(Settings):
    """How the stream of frames is cut into windows."""

    length: int = Field(
        0,
        ge=0,
        le=128,
        description='Frames that the extractor sees together; 0 takes the length that the model '
        'was made for. Extractors that take a stream frame by frame do not use it.',
    )
    stride: int = Field(
        0,
        ge=0,
        le=128,
        description='New frames per window, and so the latency in frames; 0 takes the window '
        'length (windows that do not overlap), and 1 for extractors that take a stream frame by '
        'frame. A smaller stride costs more passes and lowers the latency.',
    )
    history: int = Field(
        32,
        ge=1,
        le=1024,
        description='Most recent frames that are kept, so that a prompt can name one of them.',
    )
    may_shrink: bool = Field(
        False,
        description='Whether the window may be halved until it fits when the device has too little '
        'memory; otherwise that is an error.',
    )


class StreamSettings(Settings):
    """Which images are taken, and when a stream is taken to have started anew."""

    backward_jump: float = Field(
        0.1,
        ge=0,
        le=3600,
        description='Step back of the stamps in seconds from which on the stream restarts (a bag '
        'that loops); an '
        'older frame within less than that came late and is skipped.',
        json_schema_extra={'dynamic': True},
    )
    max_pixels: int = Field(
        MAX_PIXELS,
        ge=1,
        le=MOST_PIXELS,
        description='Largest image in px, width times height; a larger one is skipped. Of '
        'compressed images the header is read before they are decoded.',
        json_schema_extra={'dynamic': True},
    )


class TrackerSettings(Settings):
    """All settings of the tracker."""

    features: FeatureSettings = FeatureSettings()
    window: WindowSettings = WindowSettings()
    propagation: PropagationSettings = PropagationSettings()
    adaptation: AdaptationSettings = AdaptationSettings()
    refinement: RefinementSettings = RefinementSettings()
    targets: TargetSettings = TargetSettings()
    points: PointSettings = PointSettings()
    stream: StreamSettings = StreamSettings()
    prompts: PromptSettings = PromptSettings()
