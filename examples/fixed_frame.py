"""What the examples for robots share: targets that are seen, in a frame that does not move.

The camera may move, and masks come later than their images. So the camera is looked up in tf at the
stamp of the image, never at the present time.
"""

from __future__ import annotations

import re
from abc import abstractmethod
from collections import deque
from collections.abc import Callable
from typing import TypeVar

import numpy as np
import rclpy
import tf2_ros
from geometry_msgs.msg import Transform
from numpy.typing import NDArray
from rcl_interfaces.msg import ParameterDescriptor
from rclpy.duration import Duration
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from rclpy.time import Time

from drift_ros.msg import TrackedObject, TrackedObjectArray

WAITING = 32  # images that may wait for their transform
PERIOD = 0.02  # s
Setting = TypeVar('Setting', str, float)


class FixedFrameNode(Node):
    """Subscribes to `tracks`, and hands them on with the camera's place in a fixed frame.

    Parameters: `fixed_frame`, `min_score`, and `patience`, the longest wait for a transform in s.
    """

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.fixed_frame = self.setting('fixed_frame', 'map')
        self._min_score = self.setting('min_score', 0.5)
        self._patience = Duration(seconds=self.setting('patience', 0.5))
        self._waiting: deque[tuple[Time, TrackedObjectArray]] = deque(maxlen=WAITING)
        self.buffer = tf2_ros.Buffer()
        self._listener = tf2_ros.TransformListener(self.buffer, self)
        self.create_subscription(TrackedObjectArray, 'tracks', self._take, qos_profile_sensor_data)
        self.create_timer(PERIOD, self._serve)

    def setting(self, name: str, default: Setting) -> Setting:
        """A parameter. `-p target:=2` is a number to ROS, and `-p min_score:=0` no float."""
        descriptor = ParameterDescriptor(dynamic_typing=True)
        return type(default)(self.declare_parameter(name, default, descriptor).value)

    @abstractmethod
    def on_tracks(self, tracks: TrackedObjectArray, camera: Transform) -> None:
        """Called for each image in order; `camera` goes from its frame to the fixed one."""

    def complete(self, tracks: TrackedObjectArray) -> bool:
        """Whether all else that is needed for an image has come; it is waited for."""
        return True

    def seen(self, found: TrackedObject) -> bool:
        """Whether a target may be acted upon: occluded and lost ones have no position."""
        if found.state != TrackedObject.VISIBLE or not found.has_position:
            return False
        if found.score < self._min_score:
            self.get_logger().warning(
                f'{label(found)} is left out: its score {found.score:.2f} is below min_score '
                f'({self._min_score}), which has to fit your extractor (docs/robots.md)',
                throttle_duration_sec=5,
            )
            return False
        return True

    def _take(self, tracks: TrackedObjectArray) -> None:
        stamp = Time.from_msg(tracks.header.stamp)
        if self._waiting and stamp < Time.from_msg(self._waiting[-1][1].header.stamp):
            self._waiting.clear()  # time stepped back, and so did tf and the clock
        self._waiting.append((self.get_clock().now(), tracks))
        self._serve()

    def _serve(self) -> None:
        while self._waiting:
            came, tracks = self._waiting[0]
            late = self.get_clock().now() - came >= self._patience
            try:
                camera = self.buffer.lookup_transform(
                    self.fixed_frame, tracks.header.frame_id, Time.from_msg(tracks.header.stamp)
                )
            except tf2_ros.TransformException as error:
                if not late:
                    return  # it may still come
                self._waiting.popleft()
                self.get_logger().warning(f'an image is left out: {error}', throttle_duration_sec=5)
            else:
                if not late and not self.complete(tracks):
                    return
                self._waiting.popleft()
                self.on_tracks(tracks, camera.transform)


def label(found: TrackedObject) -> str:
    """A name for frames and planners, that no two targets of a generation share."""
    name = re.sub(r'[^A-Za-z0-9]+', '_', found.name).strip('_')
    return f'{name or "target"}_{found.id}'


def transformed(transform: Transform, points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Points (n, 3) in m, taken into the frame that a transform goes to."""
    turn, shift = transform.rotation, transform.translation
    axis = np.array([turn.x, turn.y, turn.z])
    rotated = points + 2 * np.cross(axis, np.cross(axis, points) + turn.w * points)
    return np.asarray(rotated + np.array([shift.x, shift.y, shift.z]))


def run(node: Callable[[], Node]) -> None:
    """Make a node and spin it until the process is to end."""
    rclpy.init()
    try:
        rclpy.spin(node())
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    finally:
        rclpy.try_shutdown()
