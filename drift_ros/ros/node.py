"""The lifecycle node `tracker`: camera in, masks and positions out.

Threads: the executor's thread takes messages and calls; one worker thread owns the tracker and its
device, and publishes. The executor's thread waits for the worker in transitions only.
"""

from __future__ import annotations

import gc
import logging
import math
import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from contextlib import suppress
from functools import partial, wraps
from typing import Any, TypeVar

import torch
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn

from drift_ros.errors import DriftError, SettingsError
from drift_ros.node_settings import NodeSettings, tracker_settings
from drift_ros.ros import logs
from drift_ros.ros.clicks import Clicks
from drift_ros.ros.commands import Commands
from drift_ros.ros.diagnostics import Diagnostics
from drift_ros.ros.frame_reader import FrameReader
from drift_ros.ros.inputs import Inputs
from drift_ros.ros.outputs import Outputs
from drift_ros.ros.parameters import Parameters, unused_qos_overrides
from drift_ros.ros.positions import Positions
from drift_ros.ros.worker import Worker
from drift_ros.structures import TrackingResult
from drift_ros.tracking.tracker import Tracker

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
    """Tracks prompted objects through a camera's images.

    Attributes:
        state: label of the primary lifecycle state.
        parameters: the settings.
        worker: the thread that tracks; None while unconfigured.
        diagnostics: what /diagnostics says.

    Raises:
        SettingsError: a parameter given at the start is unknown or bad.
    """

    def __init__(self, name: str = 'tracker', **kwargs: Any) -> None:
        super().__init__(name, automatically_declare_parameters_from_overrides=True, **kwargs)
        self.state = 'unconfigured'
        self.worker: Worker[Any] | None = None
        self._positions: Positions | None = None
        self._inputs: Inputs | None = None
        self._outputs: Outputs | None = None
        self._clicks: Clicks | None = None
        self._log_handler = logs.attach(self.get_logger())
        self._throttle = logs.Throttle()
        # so that no consumer takes the targets of this process for those of one before it
        self._generation = random.getrandbits(31)
        self._leaving = threading.Event()
        self._wake_up = self.create_guard_condition(lambda: None)
        self.parameters = Parameters(self, lambda: self.worker is not None, self._update)
        self.diagnostics = Diagnostics(self.get_fully_qualified_name())
        self._diagnostics_publisher = self.create_publisher(DiagnosticArray, '/diagnostics', 10)
        self._diagnostics_timer: Any = None
        self._report_every(self.parameters.settings.diagnostics_period)
        self._commands = Commands(self)
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
        with suppress(Exception):  # the node may be gone already
            self._wake_up.trigger()

    def callback_failed(self, error: Exception) -> None:
        """Report an exception that a callback raised to the executor."""
        self.diagnostics.failed_callbacks += 1
        if (more := self._throttle(f'callback {type(error).__name__}')) is not None:
            log.error('a callback failed%s', more, exc_info=error)

    # ----------------------------------------------------------------------------- transitions

    @transition('configure', 'inactive')
    def on_configure(self, state: LifecycleState) -> None:
        """Load the weights, warm up, create subscriptions and publishers."""
        settings = self.parameters.settings
        self._release()
        try:
            self._start(settings)
        except BaseException:
            self._free()
            raise
        super().on_configure(state)

    @transition('activate', 'active')
    def on_activate(self, state: LifecycleState) -> None:
        """Take images."""
        super().on_activate(state)
        assert self._inputs is not None
        assert self.worker is not None
        self.worker.resume()
        self.worker.interrupt()
        self._inputs.open()

    @transition('deactivate', 'inactive')
    def on_deactivate(self, state: LifecycleState) -> None:
        """Take no more images, publish what was begun; weights and targets stay."""
        assert self._inputs is not None
        assert self.worker is not None
        self._inputs.close()
        flushed = self.worker.flush()
        try:
            self._wait(flushed, self.parameters.settings.service_timeout)
        except Exception as error:
            flushed.cancel()
            self.worker.give_up('the node was deactivated')
            reason = str(error) or f'{type(error).__name__} (service_timeout)'
            log.error('the last frames are lost: %s', reason)
            with suppress(Exception):
                self._wait(self.worker.submit(lambda tracker: None), STOP_TIMEOUT)
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

    # -------------------------------------------------------------------------------- internals

    def _start(self, settings: NodeSettings) -> None:
        self._positions = Positions(settings, self._warn)
        self._inputs = Inputs(self, settings, self._positions, self._put, self._lose)
        self._outputs = Outputs(self, self._positions)
        if settings.clicks:
            overlay = self.resolve_topic_name('~/overlay')
            self._clicks = Clicks(self, self._inputs.image_topic, overlay)
        publish = partial(self._publish, self._outputs, self._positions)
        read = FrameReader(self._inputs.image_topic, settings.stream.max_pixels)
        self.worker = Worker(read, publish, self._failed)
        tracker = self._wait(self.worker.load(partial(load, settings, self._generation)))
        self.worker.limit = settings.queue or tracker.window[1]
        self.diagnostics.restart()
        for name in unused_qos_overrides(self, self._inputs.topics + self._outputs.topics):
            log.warning('parameter %s has no effect: this node has no such topic', name)
        length, stride = tracker.window
        log.info(
            '%s on %s in %s, windows of %d frames every %d, prompts by %s, images from %s',
            tracker.extractor.name,
            tracker.extractor.device,
            str(tracker.extractor.dtype).removeprefix('torch.'),
            length,
            stride,
            tracker.segmenter.name,
            self._inputs.image_topic,
        )

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
        if self._inputs is not None:
            self._inputs.destroy()
        if self.worker is not None:
            self._stop(self.worker)
        if self._outputs is not None:
            self._outputs.destroy()
        if self._clicks is not None:
            self._clicks.destroy()
        self.worker = self._inputs = self._outputs = self._positions = self._clicks = None

    def _stop(self, worker: Worker[Any]) -> None:
        ended = worker.stop(LEAVE_TIMEOUT if self.leaving else STOP_TIMEOUT)
        if not ended and not self.leaving:
            log.warning('a library is still at work; the thread ends after that')
        self._generation = max(self._generation, worker.generation + 1)

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

    def _put(self, message: Any) -> None:
        if self.worker is not None:
            self.worker.put(message)

    def _lose(self, count: int) -> None:
        if self.worker is not None:
            self.worker.lose(count)

    def _publish(
        self,
        outputs: Outputs,
        positions: Positions,
        result: TrackingResult,
        received: float | None,
    ) -> None:
        """In the worker's thread."""
        outputs.publish(result)
        self.diagnostics.depth = dict(positions.outcomes)
        if received is not None:
            self.diagnostics.latencies.add_since(received)

    def _failed(self, reason: str, error: Exception) -> None:
        """In the worker's thread: an image, a window or a publication failed."""
        if (more := self._throttle(reason)) is None:
            return
        if isinstance(error, DriftError):
            log.warning('skipped: %s%s%s', error, self._where(str(error)), more)
        else:
            log.error('a %s failed%s', reason, more, exc_info=error)

    def _where(self, text: str) -> str:
        topic = self._inputs.image_topic if self._inputs is not None else ''
        return f' (topic {topic})' if topic and topic not in text else ''

    def _warn(self, kind: str, message: str) -> None:
        if (more := self._throttle(kind)) is not None:
            log.warning('%s%s', message, more)

    def _update(self, settings: NodeSettings) -> None:
        """Settings changed."""
        for part in (self._inputs, self._positions):
            if part is not None:
                part.update(settings)
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
        stamp = self.get_clock().now().to_msg()
        if self._inputs is not None:
            self.diagnostics.lost = self._inputs.lost
        report = self.diagnostics.report(stamp, self.state, self.worker)
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


def load(settings: NodeSettings, generation: int) -> Tracker:
    """Make the tracker with its initial prompts, and run it once; called in the worker's thread.

    Args:
        settings: the node's.
        generation: the tracker's first one, without targets.

    Raises:
        DriftError: a checkpoint, the device, or the prompts file is missing or unusable.
    """
    from drift_ros.prompts import read_prompts

    initial = []
    if settings.prompts_file:
        timed = read_prompts(settings.prompts_file)
        if late := [t for t in timed if t.frame or t.stamp]:
            raise SettingsError(
                f'prompts_file {settings.prompts_file!r} has {len(late)} prompts for later '
                'frames; the node applies those of frame 0, give the others to `drift track` or '
                '~/reset_targets'
            )
        initial = [t.prompt for t in timed]
    tracker = Tracker.from_settings(tracker_settings(settings), initial, live=True)
    tracker.generation = generation
    if settings.warm_up_size:
        width, height = (int(side) for side in settings.warm_up_size.split('x'))
        tracker.warm_up((height, width))
    return tracker
