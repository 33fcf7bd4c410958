"""Lets a service wait for another thread without holding up the executor.

A service's coroutine awaits an rclpy future. The other thread only triggers a guard condition; the
future is completed in the executor's own thread, so this works with every executor. While it waits
the executor sleeps as always. Services that wait need a reentrant callback group: in a mutually
exclusive one they would hold up every other callback of the group.
"""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future as ThreadFuture
from typing import TypeVar

from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.task import Future

from drift_ros.errors import DriftError

Answer = TypeVar('Answer')


class TimedOutError(DriftError):
    """The tracker did not answer in time."""


class Bridge:
    """Completes futures of worker threads in the executor's thread."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._clock = Clock(clock_type=ClockType.STEADY_TIME)
        self._done: deque[Future] = deque()
        self._group = node.default_callback_group
        self._guard = node.create_guard_condition(self._complete)

    async def wait(self, answer: ThreadFuture[Answer], timeout: float) -> Answer:
        """Await the answer of a worker thread.

        Raises:
            TimedOutError: no answer came within `timeout` seconds; a command that had not begun is
                taken back.
            Exception: whatever the worker raised.
        """
        arrived = Future()
        answer.add_done_callback(lambda _: self._arrived(arrived))
        timer = self._node.create_timer(
            timeout, lambda: self._finish(arrived), clock=self._clock, callback_group=self._group
        )
        try:
            await arrived
        finally:
            self._node.destroy_timer(timer)
        if answer.done():
            return answer.result()
        if answer.cancel():
            raise TimedOutError(
                f'the tracker was busy for {timeout:g} s, nothing was changed: try again, or raise '
                'service_timeout'
            )
        raise TimedOutError(
            f'the tracker was not done after {timeout:g} s and still works on it: watch ~/tracks '
            'for the outcome, or raise service_timeout'
        )

    def _arrived(self, future: Future) -> None:
        self._done.append(future)
        self._guard.trigger()

    def _complete(self) -> None:
        while self._done:
            self._finish(self._done.popleft())

    @staticmethod
    def _finish(future: Future) -> None:
        if not future.done():
            future.set_result(None)
