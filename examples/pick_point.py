#!/usr/bin/env python3
"""A manipulation pipeline's end of the tracker: publishes where to reach for one target.

    python3 examples/pick_point.py --ros-args -p target:=cup -r tracks:=/tracker/tracks

Subscribes to `tracks` (drift_ros/TrackedObjectArray) and publishes `pick_point`
(geometry_msgs/PointStamped, metres, in the camera's optical frame, with the image's stamp) while
the target is seen, has a position and a score of at least `min_score`: never for one that is
occluded or lost, nor a predicted one. A planner transforms it at that stamp, so a moving camera is
no problem.
"""

from __future__ import annotations

import rclpy
from geometry_msgs.msg import PointStamped
from rcl_interfaces.msg import ParameterDescriptor
from rclpy.context import Context
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data

from drift_ros.msg import TrackedObject, TrackedObjectArray

STATES = {
    TrackedObject.VISIBLE: 'visible',
    TrackedObject.OCCLUDED: 'occluded',
    TrackedObject.LOST: 'lost',
}


class PickPoint(Node):
    """Follows one target by its name or its id."""

    def __init__(self, context: Context | None = None) -> None:
        super().__init__('pick_point', context=context)
        # `-p target:=2` is a number to ROS, and `-p min_score:=0` no float
        any_type = ParameterDescriptor(dynamic_typing=True)
        self._target = str(self.declare_parameter('target', '1', any_type).value)
        self._min_score = float(self.declare_parameter('min_score', 0.5, any_type).value)
        self._generation = -1
        self._state = TrackedObject.VISIBLE
        self._publisher = self.create_publisher(PointStamped, 'pick_point', 10)
        self.create_subscription(
            TrackedObjectArray, 'tracks', self._on_tracks, qos_profile_sensor_data
        )

    def _on_tracks(self, tracks: TrackedObjectArray) -> None:
        if tracks.generation != self._generation:  # the targets were set anew: ids may mean others
            self._generation = tracks.generation
            named = ', '.join(f'{o.id} {o.name!r}' for o in tracks.objects) or 'nothing'
            self.get_logger().info(f'generation {tracks.generation} tracks {named}')
        for found in tracks.objects:
            if not self._wanted(found):
                continue
            if found.state != self._state:
                self._state = found.state
                self.get_logger().info(f'{self._target} is {STATES[found.state]}')
            if found.state != TrackedObject.VISIBLE or not found.has_position:
                continue
            if found.score < self._min_score:
                self.get_logger().warning(
                    f'{self._target} is left out: its score {found.score:.2f} is below min_score '
                    f'({self._min_score}), which has to fit your extractor (docs/robots.md)',
                    throttle_duration_sec=5,
                )
                continue
            self._publisher.publish(PointStamped(header=tracks.header, point=found.position))

    def _wanted(self, found: TrackedObject) -> bool:
        return self._target in (found.name, str(found.id))


def main() -> None:
    rclpy.init()
    try:
        rclpy.spin(PickPoint())
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    finally:
        rclpy.try_shutdown()


if __name__ == '__main__':
    main()
