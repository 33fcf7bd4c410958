"""Runs the tracker node: the executable `tracker`."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.logging import get_logger

from drift_ros.errors import DriftError
from drift_ros.ros.node import TrackerNode


def main(args: Sequence[str] | None = None) -> int:
    """Spin the node until it is interrupted. Returns the exit status."""
    rclpy.init(args=args)
    try:
        node = TrackerNode()
    except DriftError as error:
        get_logger('tracker').fatal(str(error))
        rclpy.try_shutdown()
        return 2
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    try:
        if not node.autostart():
            node.get_logger().error(
                'the node waits: mend what is said above, then '
                f'`ros2 lifecycle set {node.get_fully_qualified_name()} configure`'
            )
        executor.spin()
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    except RuntimeError:
        if rclpy.ok():  # else an interrupt took rclpy away in the middle of something
            raise
    busy = _leave(node)
    executor.shutdown()
    rclpy.try_shutdown()
    if busy:
        # A thread inside a native library would crash the interpreter while it is taken down.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)
    return 0


def _leave(node: TrackerNode) -> bool:
    """Take the node out of the graph. Returns whether its worker is still inside a window."""
    worker = node.worker
    node.destroy_node()
    return worker is not None and worker.alive


if __name__ == '__main__':
    sys.exit(main())
