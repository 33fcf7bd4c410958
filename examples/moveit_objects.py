#!/usr/bin/env python3
"""Targets as collision objects of MoveIt's planning scene.

    python3 examples/moveit_objects.py --ros-args -p fixed_frame:=base_link \
        -r tracks:=/tracker/tracks -r cloud:=/tracker/cloud

Each target that is seen becomes a box around its points (the masked, registered depth) in the fixed
frame, on `collision_object` (moveit_msgs/CollisionObject), which move_group listens to. A target
that is occluded keeps the box that it had: it is still an obstacle, where it was last seen. One
that is lost, removed, or of an earlier generation is taken out of the scene.

A camera sees the near side only: `padding` makes the box larger on all sides.
"""

from __future__ import annotations

from collections import OrderedDict

import numpy as np
from fixed_frame import WAITING, FixedFrameNode, label, run, transformed
from geometry_msgs.msg import Point, Pose, Transform
from moveit_msgs.msg import CollisionObject
from numpy.typing import NDArray
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import PointCloud2
from shape_msgs.msg import SolidPrimitive
from std_msgs.msg import Header

from drift_ros.msg import TrackedObject, TrackedObjectArray

LAYOUT = np.dtype([('x', '<f4'), ('y', '<f4'), ('z', '<f4'), ('id', '<u4')])  # of ~/cloud
FEWEST = 20  # points that make a box


class MoveItObjects(FixedFrameNode):
    """Keeps the scene as the tracks say."""

    def __init__(self) -> None:
        super().__init__('moveit_objects')
        self._padding = self.setting('padding', 0.01)
        self._tolerance = self.setting('tolerance', 0.01)
        self._clouds: OrderedDict[tuple[int, int], PointCloud2] = OrderedDict()  # by stamp
        self._scene: dict[str, NDArray[np.float64]] = {}  # label -> corners of the box, (2, 3) m
        self._generation = -1
        self._publisher = self.create_publisher(CollisionObject, 'collision_object', 10)
        self.create_subscription(PointCloud2, 'cloud', self._keep, qos_profile_sensor_data)

    def _keep(self, cloud: PointCloud2) -> None:
        self._clouds[_stamp(cloud.header)] = cloud
        while len(self._clouds) > WAITING:
            self._clouds.popitem(last=False)

    def complete(self, tracks: TrackedObjectArray) -> bool:
        """Whether the points of what is seen have come."""
        return _stamp(tracks.header) in self._clouds or not any(map(self.seen, tracks.objects))

    def on_tracks(self, tracks: TrackedObjectArray, camera: Transform) -> None:
        """Change the scene by what is seen and what is lost."""
        if tracks.generation != self._generation:  # ids may mean other things now
            self._generation = tracks.generation
            self._remove(set(self._scene), tracks.header)
        present = {label(f) for f in tracks.objects if f.state != TrackedObject.LOST}
        self._remove(set(self._scene) - present, tracks.header)
        cloud = self._clouds.pop(_stamp(tracks.header), None)
        if cloud is None:
            return
        points = np.frombuffer(cloud.data, LAYOUT)
        for found in filter(self.seen, tracks.objects):
            own = points[points['id'] == found.id]
            if len(own) >= FEWEST:
                places = np.stack([own[axis] for axis in 'xyz'], 1).astype(np.float64)
                self._place(label(found), transformed(camera, places), tracks.header)

    def _place(self, name: str, points: NDArray[np.float64], header: Header) -> None:
        # depth cameras put points between an object and what is behind it
        corners = np.percentile(points, (2, 98), axis=0)
        before = self._scene.get(name)
        if before is not None and np.abs(corners - before).max() < self._tolerance:
            return  # planners begin anew with every change
        self._scene[name] = corners
        size = corners[1] - corners[0] + 2 * self._padding
        x, y, z = corners.mean(0).tolist()
        box = SolidPrimitive(type=SolidPrimitive.BOX, dimensions=size.tolist())
        placed = self._about(name, header, CollisionObject.ADD)
        placed.pose = Pose(position=Point(x=x, y=y, z=z))
        placed.primitives, placed.primitive_poses = [box], [Pose()]
        self._publisher.publish(placed)

    def _remove(self, names: set[str], header: Header) -> None:
        for name in names:
            del self._scene[name]
            self._publisher.publish(self._about(name, header, CollisionObject.REMOVE))

    def _about(self, name: str, header: Header, operation: bytes) -> CollisionObject:
        about = Header(stamp=header.stamp, frame_id=self.fixed_frame)
        return CollisionObject(header=about, id=name, operation=operation)


def _stamp(header: Header) -> tuple[int, int]:
    return header.stamp.sec, header.stamp.nanosec


if __name__ == '__main__':
    run(MoveItObjects)
