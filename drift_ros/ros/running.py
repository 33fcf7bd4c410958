"""Runs the tracker node in a process of its own."""

from __future__ import annotations

from collections.abc import Sequence

import rclpy
from rclpy.executors import ExternalShutdownException, ShutdownException, SingleThreadedExecutor
from rclpy.logging import get_logger
from rclpy.signals import SignalHandlerOptions

from drift_ros.errors import DriftError
from drift_ros.ros.leaving import Leaving
from drift_ros.ros.node import TrackerNode

LEAVE_TIMEOUT = 1.0


def run(args: Sequence[str] | None = None) -> int:
    """Spin the node until it is asked to shut down. Returns the exit status."""
    leaving = Leaving(LEAVE_TIMEOUT)
    rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
    try:
        node = TrackerNode()
    except DriftError as error:
        get_logger('tracker').fatal(str(error))
        rclpy.try_shutdown()
        return 2
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    leaving.then(node.leave)
    if not node.autostart() and not node.leaving:
        node.get_logger().error(
            'the node waits: mend what is said above, then '
            f'`ros2 lifecycle set {node.get_fully_qualified_name()} configure`'
        )
    while not node.leaving:
        spin_once(executor, node)
    node.destroy_node()
    executor.shutdown()
    rclpy.try_shutdown()
    return 0


def spin_once(
    executor: SingleThreadedExecutor, node: TrackerNode, timeout: float | None = None
) -> None:
    """Run what is due; an exception of a callback is reported by the node, which goes on."""
    try:
        executor.spin_once(timeout_sec=timeout)
    except (ExternalShutdownException, ShutdownException):
        node.leave()
    except Exception as error:
        if node.context.ok():
            node.callback_failed(error)
        else:
            node.leave()
