#!/usr/bin/env python3
"""Waits until one target is seen, sure and at rest, and then says once where to grasp it.

    python3 examples/grasp.py --ros-args -p target:=cup -p fixed_frame:=base_link \
        -r tracks:=/tracker/tracks
    ros2 service call /grasp/arm std_srvs/srv/Trigger

After `arm` it publishes one `grasp_pose` (geometry_msgs/PoseStamped in the fixed frame, with the
stamp of the image) as soon as the target was visible with a score of at least `min_score` in every
image of the last `steady_for` seconds, and moved by less than `steady_within` metres meanwhile.
Whenever it is occluded, lost or unsure, and when the targets are set anew, waiting begins anew.
"""

from __future__ import annotations

import numpy as np
from fixed_frame import FixedFrameNode, run, transformed
from geometry_msgs.msg import Point, PoseStamped, Transform
from rclpy.time import Time
from std_msgs.msg import Header
from std_srvs.srv import Trigger

from drift_ros.msg import TrackedObject, TrackedObjectArray


class Grasp(FixedFrameNode):
    """Follows one target by its name or its id."""

    def __init__(self) -> None:
        super().__init__('grasp')
        self._target = self.setting('target', '1')
        self._steady_for = self.setting('steady_for', 1.0)
        self._steady_within = self.setting('steady_within', 0.01)
        self._armed = False
        self._generation = -1
        self._places: list[tuple[float, np.ndarray]] = []  # stamp in s, (3,) m
        self._publisher = self.create_publisher(PoseStamped, 'grasp_pose', 10)
        self.create_service(Trigger, '~/arm', self._arm)

    def _arm(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        self._armed, self._places = True, []
        response.success, response.message = True, f'waiting for {self._target} to be at rest'
        return response

    def on_tracks(self, tracks: TrackedObjectArray, camera: Transform) -> None:
        """Watch whether the target is at rest."""
        found = next((f for f in tracks.objects if self._wanted(f)), None)
        anew = tracks.generation != self._generation
        self._generation = tracks.generation
        if anew or found is None or not self.seen(found):
            self._places = []
        if found is None or not self.seen(found) or not self._armed:
            return
        at = found.position
        place = transformed(camera, np.array([[at.x, at.y, at.z]]))[0]
        now = Time.from_msg(tracks.header.stamp).nanoseconds / 1e9
        self._places.append((now, place))
        # those that are older than need be, but for the newest of them, which spans the time
        while len(self._places) > 1 and now - self._places[1][0] >= self._steady_for:
            self._places.pop(0)
        if now - self._places[0][0] >= self._steady_for and self._at_rest():
            self._publish(tracks, np.median([p for _, p in self._places], 0))

    def _at_rest(self) -> bool:
        places = np.array([place for _, place in self._places])
        return bool(np.ptp(places, axis=0).max() < self._steady_within)

    def _publish(self, tracks: TrackedObjectArray, place: np.ndarray) -> None:
        self._armed = False
        pose = PoseStamped(header=Header(stamp=tracks.header.stamp, frame_id=self.fixed_frame))
        x, y, z = place.tolist()
        pose.pose.position = Point(x=x, y=y, z=z)
        self._publisher.publish(pose)
        self.get_logger().info(f'{self._target} is at rest at {x:.3f}, {y:.3f}, {z:.3f} m')

    def _wanted(self, found: TrackedObject) -> bool:
        return self._target in (found.name, str(found.id))


if __name__ == '__main__':
    run(Grasp)
