"""ROS messages without ROS: objects of the library rosbags, built from arrays and results.

They have the fields of the messages of the same name in ROS and serialise to the same bytes.
"""

from __future__ import annotations

import functools
import struct
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

from drift_ros import interfaces
from drift_ros.io.message_fields import IMAGE as IMAGE
from drift_ros.io.message_fields import POINTS as POINTS
from drift_ros.io.message_fields import TRACKS as TRACKS
from drift_ros.io.message_fields import MessageBuilder
from drift_ros.structures import Position, Roi, TargetMotion, TrackingResult

COMPRESSED_IMAGE = 'sensor_msgs/msg/CompressedImage'
CAMERA_INFO = 'sensor_msgs/msg/CameraInfo'
IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)


@functools.cache
def typestore() -> Typestore:
    """The message types of ROS 2 and of this package."""
    store = get_typestore(Stores.LATEST)
    store.register(
        {
            name: fields
            for full in interfaces.names()
            if '/msg/' in full
            for name, fields in get_types_from_msg(interfaces.definition(full), full).items()
        }
    )
    return store


def make(typename: str, **fields: Any) -> Any:
    """A message of a type by its full name; every field has to be given."""
    return typestore().types[typename](**fields)


_builder = MessageBuilder(make, lambda values, dtype: np.array(values, dtype))
header, image, labels, region = (
    _builder.header,
    _builder.image,
    _builder.labels,
    _builder.region,
)
point_tracks = _builder.point_tracks


def tracks(
    result: TrackingResult,
    positions: Mapping[int, Position] = MappingProxyType({}),
    motions: Mapping[int, TargetMotion] = MappingProxyType({}),
) -> Any:
    """drift_ros/TrackedObjectArray of a result, as the node publishes it.

    Args:
        result: of one frame.
        positions: id -> (x, y, z) in m in the optical frame, of those objects where it is known.
        motions: id -> how it moves in space, likewise.
    """
    return _builder.tracks(result, lambda obj: positions.get(obj.id), motions)


def stamp_of(message: Any) -> int:
    """Stamp of a message's header in nanoseconds."""
    stamp = message.header.stamp
    return int(stamp.sec) * 10**9 + int(stamp.nanosec)


def raw_stamp(data: bytes) -> int:
    """Stamp in ns of a serialised message whose first field is a std_msgs/Header."""
    # second byte of the encapsulation: its lowest bit is the byte order
    order = '<' if data[1] & 1 else '>'
    sec, nanosec = struct.unpack_from(f'{order}iI', data, 4)
    return int(sec) * 10**9 + int(nanosec)


def compressed_image(data: bytes, form: str, stamp_ns: int, frame_id: str) -> Any:
    """sensor_msgs/CompressedImage: the bytes of a whole file of the format `form`: jpeg or png."""
    return make(
        COMPRESSED_IMAGE,
        header=header(stamp_ns, frame_id),
        format=form,
        data=np.frombuffer(data, np.uint8),
    )


def camera_info(
    fx: float,
    fy: float,
    cx: float,
    cy: float,
    width: int,
    height: int,
    stamp_ns: int,
    frame_id: str,
    *,
    distortion_model: str = 'plumb_bob',
    distortion: Sequence[float] = (0.0, 0.0, 0.0, 0.0, 0.0),
    rectification: Sequence[float] = IDENTITY,
    projection: Sequence[float] | None = None,
) -> Any:
    """sensor_msgs/CameraInfo of a camera.

    Args:
        fx, fy, cx, cy: pinhole of the raw image, in px.
        width, height: of the image, in px.
        stamp_ns: in nanoseconds.
        frame_id: optical frame.
        distortion_model, distortion: how the lens bends; default: not at all.
        rectification: 9 values, row by row.
        projection: 12 values, row by row; default: the pinhole of the raw image.
    """
    if projection is None:
        projection = (fx, 0.0, cx, 0.0, 0.0, fy, cy, 0.0, 0.0, 0.0, 1.0, 0.0)
    return make(
        CAMERA_INFO,
        header=header(stamp_ns, frame_id),
        height=height,
        width=width,
        distortion_model=distortion_model,
        d=np.array(distortion, np.float64),
        k=np.array([fx, 0.0, cx, 0.0, fy, cy, 0.0, 0.0, 1.0], np.float64),
        r=np.array(rectification, np.float64),
        p=np.array(projection, np.float64),
        binning_x=0,
        binning_y=0,
        roi=region(Roi()),
    )
