"""The node's settings: those of the tracker, and how it meets the ROS graph."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import Field, field_validator
from pydantic.config import JsonDict

from drift_ros.reference import marks
from drift_ros.settings import Settings, TrackerSettings, ZeroOr, fields

DYNAMIC: JsonDict = {'dynamic': True}  # marks a field that may change while the node is configured
CAMERA: JsonDict = {'camera': True}  # marks a field that may differ between cameras

LARGEST_SIDE = 8192  # px
NAME = re.compile(r'[a-z](_?[a-z0-9])*')  # of a camera: a part of a topic and of a parameter


class DepthSettings(Settings):
    """How depth images give the targets a position."""

    slop: float = Field(
        0.005,
        ge=0,
        le=1,
        description='Largest difference in seconds between the stamps of an image and the depth '
        'that is paired with it. Keep it below half the period of the camera.',
        json_schema_extra=DYNAMIC | CAMERA,
    )
    rectified: bool = Field(
        False,
        description='Whether the images are rectified: then the projection matrix P of '
        'camera_info is used, else the intrinsic matrix K, and lens distortion is '
        'left uncorrected.',
        json_schema_extra=DYNAMIC | CAMERA,
    )
    min_pixels: int = Field(
        5,
        ge=1,
        le=2**31 - 1,
        description='Smallest number of mask pixels with a depth measurement that give a position.',
        json_schema_extra=DYNAMIC | CAMERA,
    )
    gap: float = Field(
        0.02,
        ge=0,
        le=1,
        description='What of a mask is before or behind most of the target, with a gap in depth of '
        'more than this part of the distance between them, is taken for what the mask spills over, '
        'and left out of positions, cloud and boxes. 0 keeps all.',
        json_schema_extra=DYNAMIC | CAMERA,
    )
    acceleration: float = Field(
        0.3,
        gt=0,
        le=1000,
        description='How much the velocity of a target may change within a second, in m/s (white '
        'noise, one standard deviation along each axis): larger follows sudden motion sooner, '
        'smaller gives steadier velocities and predictions.',
        json_schema_extra=DYNAMIC | CAMERA,
    )


class NodeSettings(TrackerSettings):
    """All parameters of the tracker node."""

    depth: DepthSettings = DepthSettings()
    cameras: list[str] = Field(
        [''],
        max_length=16,
        description='Names of the cameras, such as [left, wrist]: each has topics and services '
        'under its name and targets of its own, all share one set of weights. One empty name is '
        'one camera without a prefix. Where it says so, `<camera>.<parameter>` sets a parameter '
        'for one of them.',
        json_schema_extra={'read_only': True},
    )
    image_transport: Literal['raw', 'compressed'] = Field(
        'raw',
        description='Type of the input: `raw` takes sensor_msgs/Image on `image`, `compressed` '
        'takes sensor_msgs/CompressedImage on `image/compressed`.',
        json_schema_extra=CAMERA,
    )
    image_history: Literal['keep_last', 'keep_all'] = Field(
        'keep_last',
        description='What becomes of images that the tracker has no time for: `keep_last` drops '
        'the oldest of those that wait. `keep_all`, for replay, takes no more than `queue`, and '
        'leaves the others with the middleware, which holds a reliable publisher that keeps all '
        'as well (docs/robots.md says what it needs for that).',
        json_schema_extra=CAMERA,
    )
    queue: int = Field(
        0,
        ge=0,
        le=1024,
        description='Images that may wait for the tracker; when more come, the oldest are dropped '
        'and counted. 0 is the window stride: what comes in while one window is being '
        'computed.',
        json_schema_extra=DYNAMIC | CAMERA,
    )
    max_rate: Annotated[float, ZeroOr(0.01)] = Field(
        0.0,
        ge=0,
        le=1000,
        description='Highest rate in Hz at which images are taken, by their stamps; 0 takes all.',
        json_schema_extra=DYNAMIC | CAMERA,
    )
    prompts_file: str = Field(
        '',
        description='Prompts file (YAML, JSON or annotated PNG) that is applied to the first '
        'image of the stream, so that tracking starts without a service call.',
        json_schema_extra=CAMERA,
    )
    clicks: bool = Field(
        False,
        description='Whether clicks of other tools add targets on the newest image: '
        'geometry_msgs/Point in px on `<image>_mouse_left` and `~/overlay_mouse_left` '
        '(rqt_image_view), and geometry_msgs/PointStamped in px on `clicked_point` (publish panel '
        'of Foxglove), where a header.stamp that is not zero names the image.',
        json_schema_extra=DYNAMIC | CAMERA,
    )
    warm_up_size: str = Field(
        '640x480',
        pattern=r'^([1-9]\d{0,4}x[1-9]\d{0,4}|)$',
        description='WIDTHxHEIGHT in px of the image on which the networks are run once when the '
        'node is configured, so that the first real one is not slow and too little '
        f'memory is found early; at most {LARGEST_SIDE} px a side; empty: no such run.',
        json_schema_extra=CAMERA,
    )
    service_timeout: float = Field(
        10.0,
        ge=0.01,
        le=3600,
        description='Longest time in seconds that a service call waits for the tracker.',
        json_schema_extra=DYNAMIC,
    )
    diagnostics_period: Annotated[float, ZeroOr(0.05)] = Field(
        1.0,
        ge=0,
        le=3600,
        description='Seconds between two messages on /diagnostics; 0 sends none.',
        json_schema_extra=DYNAMIC,
    )
    missing_input_timeout: Annotated[float, ZeroOr(0.1)] = Field(
        5.0,
        ge=0,
        le=3600,
        description='Seconds after activation until missing images are reported in the log; 0 '
        'never.',
        json_schema_extra=DYNAMIC,
    )
    autostart: bool = Field(
        False,
        description='Whether the node configures and activates itself when it starts. Leave it '
        'off under a lifecycle manager.',
        json_schema_extra={'read_only': True},
    )

    @field_validator('cameras')
    @classmethod
    def _can_be_told_apart(cls, value: list[str]) -> list[str]:
        names = value or ['']
        if names == ['']:
            return names
        for name in names:
            if not NAME.fullmatch(name):
                raise ValueError(
                    f'{name[:64]!r} is no name: give lower-case letters, digits and single _, a '
                    'letter first'
                )
            if name in cls.model_fields:
                raise ValueError(f'{name!r} is the name of a parameter')
        if len(set(names)) < len(names):
            raise ValueError('two cameras have the same name')
        return names

    @field_validator('warm_up_size')
    @classmethod
    def _small_enough(cls, value: str) -> str:
        if any(int(side) > LARGEST_SIDE for side in value.split('x') if side):
            raise ValueError(f'no side may be longer than {LARGEST_SIDE} px')
        return value


def camera_names() -> set[str]:
    """Dotted names of the settings that may differ between cameras."""
    return {name for name, info in fields(NodeSettings) if marks(info).get('camera')}


def dynamic_names() -> set[str]:
    """Dotted names of the settings that may change while the node is configured."""
    return {name for name, info in fields(NodeSettings) if marks(info).get('dynamic')}


def tracker_settings(settings: NodeSettings) -> TrackerSettings:
    """The part of the settings that the tracker knows."""
    names = TrackerSettings.model_fields
    return TrackerSettings(**{name: getattr(settings, name) for name in names})
