"""The lifecycle node `tracker`: cameras in, masks and positions out.

What belongs to one camera is in `Camera`; the node has the networks that they share, and the thread
that runs them.

Threads: the executor's thread takes messages and calls; one worker thread owns the trackers and
their device, and publishes. The executor's thread waits for the worker in transitions only.
"""

from __future__ import annotations

import gc
import logging
import math
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from contextlib import suppress
from functools import wraps
from typing import Any, TypeVar

import torch
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn

from drift_ros.errors import DriftError
from drift_ros.node_settings import NodeSettings
from drift_ros.ros import logs
from drift_ros.ros.camera import Camera
from drift_ros.ros.loading import Loader
from drift_ros.ros.parameters import Parameters, unused_qos_overrides
from drift_ros.ros.worker import Worker

log = logging.getLogger(__name__)

STOP_TIMEOUT = 0.9
LEAVE_TIMEOUT = 0.3  # for the worker, where the process ends anyway
POLL = 0.05
Answer = TypeVar('Answer')
Transition = Callable[['TrackerNode', LifecycleState], None]


def transition(name: str, after: str) -> Callable[[Transition], Any]:
    """Make a lifecycle callback that logs why it failed, and leaves a state from which to retry."""

    def decorate(run: Transition) -> Any:
        @wraps(run)
        def callback(self: TrackerNode, state: LifecycleState) -> TransitionCallbackReturn:
            try:
                run(self, state)
            except DriftError as error:
                log.error('cannot %s: %s', name, error)
            except Exception:
                if self.leaving:
                    log.warning('interrupted: did not %s', name)
                else:
                    log.exception('cannot %s', name)
            else:
                self.state = after
                return TransitionCallbackReturn.SUCCESS
            return TransitionCallbackReturn.FAILURE

        return callback

    return decorate


class LeavingError(DriftError):
    """The process is to end."""


class TrackerNode(LifecycleNode):
    """Tracks prompted objects through the images of cameras.

    Attributes:
        state: label of the primary lifecycle state.
        parameters: the settings.
        cameras: what it tracks through.
        worker: the thread that tracks; None while unconfigured.
        failed_callbacks: exceptions that callbacks raised.

    Raises:
        SettingsError: a parameter given at the start is unknown or bad.
    """

    def __init__(self, name: str = 'tracker', **kwargs: Any) -> None:
        super().__init__(name, automatically_declare_parameters_from_overrides=True, **kwargs)
        self.state = 'unconfigured'
        self.worker: Worker | None = None
        self.cameras: list[Camera] = []
        self.failed_callbacks = 0
        self._log_handler = logs.attach(self.get_logger())
        self._throttle = logs.Throttle()
        self._leaving = threading.Event()
        self._wake_up = self.create_guard_condition(lambda: None)
        self.parameters = Parameters(self, lambda: self.worker is not None, self._update)
        self._diagnostics_publisher = self.create_publisher(DiagnosticArray, '/diagnostics', 10)
        self._diagnostics_timer: Any = None
        self._report_every(self.parameters.settings.diagnostics_period)
        self.cameras = [Camera(self, name) for name in self.parameters.settings.cameras]
        self._refuse_impossible_transitions()

    def autostart(self) -> bool:
        """Configure and activate, if the parameter says so. Returns whether that went well."""
        if not self.parameters.settings.autostart:
            return True
        done = TransitionCallbackReturn.SUCCESS
        return self.trigger_configure() == done and self.trigger_activate() == done

    @property
    def leaving(self) -> bool:
        """Whether the process is to end."""
        return self._leaving.is_set() or not self.context.ok()

    def leave(self) -> None:
        """End what waits, and wake the executor; may be called from any thread."""
        self._leaving.set()
        self.wake()

    def wake(self) -> None:
        """Let the executor look again at what is due; may be called from any thread."""
        with suppress(Exception):  # the node may be gone already
            self._wake_up.trigger()

    def callback_failed(self, error: Exception) -> None:
        """Report an exception that a callback raised to the executor."""
        self.failed_callbacks += 1
        if (more := self._throttle(f'callback {type(error).__name__}')) is not None:
            log.error('a callback failed%s', more, exc_info=error)

    # ----------------------------------------------------------------------------- transitions

    @transition('configure', 'inactive')
    def on_configure(self, state: LifecycleState) -> None:
        """Load the weights, warm up, create publishers and then subscriptions."""
        self._release()
        try:
            self._start()
        except BaseException:
            self._free()
            raise
        super().on_configure(state)

    @transition('activate', 'active')
    def on_activate(self, state: LifecycleState) -> None:
        """Take images."""
        super().on_activate(state)
        for camera in self.cameras:
            camera.start()

    @transition('deactivate', 'inactive')
    def on_deactivate(self, state: LifecycleState) -> None:
        """Take no more images, publish what was begun; weights and targets stay."""
        flushed = [camera.stop() for camera in self.cameras]
        end = time.monotonic() + self.parameters.settings.service_timeout
        for camera, done in zip(self.cameras, flushed, strict=True):
            try:
                self._wait(done, max(end - time.monotonic(), 0))
            except Exception as error:
                done.cancel()
                reason = str(error) or f'{type(error).__name__} (service_timeout)'
                with suppress(Exception):
                    self._wait(camera.give_up(reason), STOP_TIMEOUT)
        super().on_deactivate(state)

    @transition('clean up', 'unconfigured')
    def on_cleanup(self, state: LifecycleState) -> None:
        """Free all memory."""
        self._free()
        super().on_cleanup(state)

    @transition('shut down', 'finalized')
    def on_shutdown(self, state: LifecycleState) -> None:
        """Stop within a second."""
        self._release()
        super().on_shutdown(state)

    @transition('recover from the error', 'unconfigured')
    def on_error(self, state: LifecycleState) -> None:
        """Free all memory, so that the node can be configured again."""
        self._free()
        super().on_error(state)

    def destroy_node(self) -> None:
        """Stop the worker and leave the graph."""
        self._release()
        logs.detach(self._log_handler)
        super().destroy_node()
        # which rclpy leaves to the garbage collector, and the node and its participant with it
        self._state_machine.destroy_when_not_in_use()

    # -------------------------------------------------------------------------------- internals

    def _start(self) -> None:
        self.worker = Worker()
        load = Loader()
        for camera in self.cameras:
            camera.open(self.worker)
        for camera in self.cameras:
            tracker = self._wait(camera.load(load))
            camera.describe(tracker)
        for camera in self.cameras:
            camera.subscribe()
        topics = [topic for camera in self.cameras for topic in camera.topics]
        for name in unused_qos_overrides(self, topics):
            log.warning('parameter %s has no effect: this node has no such topic', name)

    def _wait(self, answer: Future[Answer], timeout: float = math.inf) -> Answer:
        """Wait for the worker, as long as the process is not to end."""
        end = time.monotonic() + timeout
        while not wait([answer], min(POLL, timeout)).done:
            if self.leaving:
                raise LeavingError('the process is to end')
            if time.monotonic() >= end:
                raise TimeoutError
        return answer.result()

    def _release(self) -> None:
        if self.worker is not None:
            ended = self.worker.stop(LEAVE_TIMEOUT if self.leaving else STOP_TIMEOUT)
            if not ended and not self.leaving:
                log.warning('a library is still at work; the thread ends after that')
        for camera in self.cameras:
            camera.close()
        self.worker = None

    def _free(self) -> None:
        """Release everything, and give back what the tracker took, cycles and the device's cache
        included; that takes a good part of a second, and is left out where the process ends.
        """
        self._release()
        if self.leaving:
            return
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def _update(self, settings: NodeSettings) -> None:
        """Settings changed."""
        for camera in self.cameras:
            camera.update()
        self._report_every(settings.diagnostics_period)

    def _report_every(self, period: float) -> None:
        timer = self._diagnostics_timer
        if timer is not None:
            if period and timer.timer_period_ns == round(period * 1e9):
                return
            self.destroy_timer(timer)
            self._diagnostics_timer = None
        if period:
            steady = Clock(clock_type=ClockType.STEADY_TIME)
            self._diagnostics_timer = self.create_timer(period, self._report, clock=steady)

    def _report(self) -> None:
        report = DiagnosticArray(status=[camera.report() for camera in self.cameras])
        report.header.stamp = self.get_clock().now().to_msg()
        self._diagnostics_publisher.publish(report)

    def _refuse_impossible_transitions(self) -> None:
        """Without this a call for a transition that the state does not have would end the node."""
        service = getattr(self, '_service_change_state', None)
        if service is None:
            return
        change_state = service.callback

        def guarded(request: Any, response: Any) -> Any:
            try:
                return change_state(request, response)
            except RuntimeError as error:  # rclpy's RCLError
                log.error('no such transition from %s: %s', self.state, error)
                response.success = False
                return response

        service.callback = guarded
