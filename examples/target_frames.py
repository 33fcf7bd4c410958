#!/usr/bin/env python3
"""A tf frame for each target that is seen, in a fixed frame, at the stamp of its image.

    python3 examples/target_frames.py --ros-args -p fixed_frame:=map -r tracks:=/tracker/tracks

The frame of target 3 named cup is `cup_3`. Its axes are those of the fixed frame: a mask says where
something is, not how it is turned. While a target is occluded or lost its frame is not renewed, so
tf has it at the stamps at which it was seen, and refuses to say where it is now.
"""

from __future__ import annotations

import numpy as np
import tf2_ros
from fixed_frame import FixedFrameNode, label, run, transformed
from geometry_msgs.msg import Transform, TransformStamped, Vector3
from std_msgs.msg import Header

from drift_ros.msg import TrackedObjectArray


class TargetFrames(FixedFrameNode):
    """Broadcasts the frames."""

    def __init__(self) -> None:
        super().__init__('target_frames')
        self._broadcaster = tf2_ros.TransformBroadcaster(self)

    def on_tracks(self, tracks: TrackedObjectArray, camera: Transform) -> None:
        """Broadcast what is seen."""
        about = Header(stamp=tracks.header.stamp, frame_id=self.fixed_frame)
        frames = []
        for found in filter(self.seen, tracks.objects):
            at = found.position
            x, y, z = transformed(camera, np.array([[at.x, at.y, at.z]]))[0].tolist()
            frame = TransformStamped(header=about, child_frame_id=label(found))
            frame.transform.translation = Vector3(x=x, y=y, z=z)
            frames.append(frame)
        if frames:
            self._broadcaster.sendTransform(frames)


if __name__ == '__main__':
    run(TargetFrames)
