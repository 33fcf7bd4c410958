"""The fields of messages, written once for both worlds: rosbags' objects and those of ROS."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drift_ros.structures import (
    Frame,
    Position,
    Roi,
    TargetMotion,
    TargetState,
    TrackedObject,
    TrackingResult,
)

IMAGE = 'sensor_msgs/msg/Image'
TRACKS = 'drift_ros/msg/TrackedObjectArray'
POINTS = 'drift_ros/msg/PointTracks'

Locate = Callable[[TrackedObject], Position | None]
"""Position (x, y, z) in m in the optical frame of a visible object; None where it is not known."""


@dataclass(frozen=True, slots=True)
class MessageBuilder:
    """Builds messages of this package and of sensor_msgs.

    Attributes:
        make: a message from its full type name and all its fields as keywords.
        array: the value of a field that is an array of numbers, from a list and a dtype.
    """

    make: Callable[..., Any]
    array: Callable[[list[Any], Any], Any] = lambda values, dtype: values

    def header(self, stamp_ns: int, frame_id: str) -> Any:
        """std_msgs/Header; `stamp_ns` in nanoseconds."""
        sec, nanosec = divmod(stamp_ns, 10**9)
        stamp = self.make('builtin_interfaces/msg/Time', sec=sec, nanosec=nanosec)
        return self.make('std_msgs/msg/Header', stamp=stamp, frame_id=frame_id)

    def image(self, array: NDArray[Any], encoding: str, stamp_ns: int, frame_id: str) -> Any:
        """sensor_msgs/Image without row padding.

        Args:
            array: (H, W) or (H, W, C), of any dtype that the encoding names; little endian in
                memory.
            encoding: of the array, such as rgb8, 8UC1, 32FC1.
            stamp_ns: in nanoseconds.
            frame_id: coordinate frame.
        """
        array = np.ascontiguousarray(array)
        height, width = array.shape[:2]
        return self.make(
            IMAGE,
            header=self.header(stamp_ns, frame_id),
            height=height,
            width=width,
            encoding=encoding,
            is_bigendian=0,
            step=array.nbytes // max(1, height),
            data=array.reshape(-1).view(np.uint8),
        )

    def label_map(self, labels: NDArray[np.uint8], frame: Frame) -> Any:
        """Label map with the frame's header: 8UC1 and not mono8, since it is no grey image."""
        return self.image(labels, '8UC1', frame.stamp, frame.frame_id)

    def labels(self, result: TrackingResult) -> Any:
        """Label map of a result: value = id."""
        return self.label_map(result.labels, result.frame)

    def tracks(
        self,
        result: TrackingResult,
        locate: Locate,
        motions: Mapping[int, TargetMotion] = MappingProxyType({}),
    ) -> Any:
        """drift_ros/TrackedObjectArray with all targets of a result.

        Args:
            result: of a frame.
            locate: where visible ones are.
            motions: id -> how a target moves in space, as far as it is known.
        """
        unknown = TargetMotion()
        return self.make(
            TRACKS,
            header=self.header(result.frame.stamp, result.frame.frame_id),
            generation=result.generation,
            objects=[
                self._object(result, obj, locate, motions.get(obj.id, unknown))
                for obj in result.objects
            ],
        )

    def point_tracks(
        self, result: TrackingResult, positions: Mapping[int, Position] = MappingProxyType({})
    ) -> Any:
        """drift_ros/PointTracks with all points of a result, which has some.

        Args:
            result: of a frame.
            positions: id -> (x, y, z) in m in the optical frame, of the points where it is known.
        """
        points = result.points
        assert points is not None, 'a result without points'
        ids = points.ids.tolist()
        places = [positions.get(id_) for id_ in ids]
        return self.make(
            POINTS,
            header=self.header(result.frame.stamp, result.frame.frame_id),
            generation=points.generation,
            ids=self.array(ids, np.uint32),
            positions=[self._point(x, y) for x, y in points.positions.tolist()],
            visible=self.array(points.visible.tolist(), np.bool_),
            confidence=self.array(points.confidence.tolist(), np.float32),
            has_position_3d=self.array([place is not None for place in places], np.bool_),
            positions_3d=[self._triple('Point', place) for place in places],
        )

    def _object(
        self, result: TrackingResult, obj: TrackedObject, locate: Locate, motion: TargetMotion
    ) -> Any:
        frame = result.frame
        if obj.visible:
            mask = self.label_map(result.mask(obj).view(np.uint8) * np.uint8(255), frame)
            (x, y), position = obj.centroid, locate(obj)
        else:
            mask = self.image(np.zeros((0, 0), np.uint8), '', frame.stamp, frame.frame_id)
            x, y, position = 0.0, 0.0, None
        occluded = obj.state == TargetState.OCCLUDED
        expected = obj.predicted_centroid if occluded else (0.0, 0.0)
        return self.make(
            'drift_ros/msg/TrackedObject',
            id=obj.id,
            name=obj.name,
            score=float(obj.score),
            visible=obj.visible,
            roi=self.region(obj.roi if obj.visible else Roi()),
            centroid=self._point(x, y),
            area=obj.area,
            mask=mask,
            has_position=position is not None,
            position=self._triple('Point', position),
            state=int(obj.state),
            unseen=float(obj.unseen),
            predicted_roi=self.region(obj.predicted_roi if occluded else Roi()),
            predicted_centroid=self._point(*expected),
            has_velocity=motion.velocity is not None,
            velocity=self._triple('Vector3', motion.velocity),
            velocity_deviation=self._triple('Vector3', motion.velocity_deviation),
            has_predicted_position=motion.predicted_position is not None,
            predicted_position=self._triple('Point', motion.predicted_position),
            predicted_deviation=self._triple('Vector3', motion.predicted_deviation),
        )

    def _triple(self, kind: str, values: Position | None) -> Any:
        x, y, z = values or (0.0, 0.0, 0.0)
        return self.make(f'geometry_msgs/msg/{kind}', x=x, y=y, z=z)

    def _point(self, x: float, y: float) -> Any:
        return self.make('drift_ros/msg/Point2D', x=float(x), y=float(y))

    def region(self, roi: Roi) -> Any:
        """sensor_msgs/RegionOfInterest of a box."""
        return self.make(
            'sensor_msgs/msg/RegionOfInterest',
            x_offset=roi.x,
            y_offset=roi.y,
            height=roi.height,
            width=roi.width,
            do_rectify=False,
        )
