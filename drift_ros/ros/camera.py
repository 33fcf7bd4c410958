"""What belongs to one camera: its topics, services, targets and diagnostics."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import Any

from diagnostic_msgs.msg import DiagnosticStatus

from drift_ros.errors import DriftError
from drift_ros.node_settings import NodeSettings, tracker_settings
from drift_ros.ros import logs
from drift_ros.ros.clicks import Clicks
from drift_ros.ros.commands import Commands
from drift_ros.ros.diagnostics import Diagnostics
from drift_ros.ros.frame_reader import FrameReader
from drift_ros.ros.inputs import Inputs
from drift_ros.ros.outputs import Outputs
from drift_ros.ros.positions import Positions
from drift_ros.ros.stream import Stream
from drift_ros.ros.worker import Worker
from drift_ros.structures import TrackingResult
from drift_ros.tracking.confidence import CALIBRATIONS
from drift_ros.tracking.tracker import Tracker

log = logging.getLogger(__name__)


class Camera:
    """One camera of a tracker node. Its services exist always, its topics while it is open.

    Args:
        node: a TrackerNode.
        name: before the names of all its topics and services; empty for the only camera.

    Attributes:
        name: as given.
        stream: its images on their way through its tracker; None while it is closed.
        inputs: what it listens to; None while it is closed.
        positions: where its targets are; None while it is closed.
        diagnostics: what is said of it.
    """

    def __init__(self, node: Any, name: str = '') -> None:
        self._node = node
        self.name = name
        self.stream: Stream[Any] | None = None
        self.inputs: Inputs | None = None
        self.positions: Positions | None = None
        self._outputs: Outputs | None = None
        self._clicks: Clicks | None = None
        self._throttle = logs.Throttle()
        # so that no consumer takes the targets of this process for those of one before it
        self._generation = random.getrandbits(31)
        self.diagnostics = Diagnostics(f'{node.get_fully_qualified_name()}: tracking', name)
        self._commands = Commands(node, self)

    @property
    def settings(self) -> NodeSettings:
        """The node's, with what is set for this camera alone."""
        settings: NodeSettings = self._node.parameters.of(self.name)
        return settings

    @property
    def topics(self) -> list[str]:
        """Full names of its topics; none while it is closed."""
        return [name for part in (self.inputs, self._outputs) if part for name in part.topics]

    def topic(self, name: str) -> str:
        """A topic or service of this camera, relative to the node's namespace."""
        return f'{self.name}/{name}' if self.name else name

    def private(self, name: str) -> str:
        """A topic or service of this camera below the node's name."""
        return f'~/{self.topic(name)}'

    def open(self, worker: Worker) -> None:
        """Create publishers; `worker` will track.

        Raises:
            DriftError: a topic cannot be published on.
        """
        settings = self.settings
        self._tracked = tracker_settings(settings)
        self._update_waits = False
        self.positions = Positions(settings, self._warn)
        self.inputs = Inputs(self._node, settings, self)
        self._outputs = Outputs(self._node, self)
        self._listen_to_clicks(settings.clicks)
        publish = partial(self._publish, self._outputs, self.positions)
        self._reader = FrameReader(self.inputs.image_topic, settings.stream.max_pixels)
        keeps_all = settings.image_history == 'keep_all'
        self.stream = Stream(
            worker,
            self._reader,
            publish,
            self._failed,
            self.positions.forget,
            self._node.wake if keeps_all else lambda: None,
        )
        self.diagnostics.restart()

    def load(self, make: Callable[[NodeSettings, int], Tracker]) -> Future[Tracker]:
        """Make the tracker, by settings and its first generation, in the worker's thread."""
        assert self.stream is not None
        return self.stream.load(partial(make, self.settings, self._generation))

    def subscribe(self) -> None:
        """Create subscriptions, now that images can be tracked.

        Raises:
            InputError: a topic cannot be subscribed to.
        """
        assert self.inputs is not None
        self.inputs.subscribe()

    def close(self) -> None:
        """Give up all topics; call it when the worker was stopped."""
        if self.inputs is not None:
            self.inputs.destroy()
        if self.stream is not None:
            self._generation = max(self._generation, self.stream.generation + 1)
        if self._outputs is not None:
            self._outputs.destroy()
        self._listen_to_clicks(False)
        self.stream = self.inputs = self._outputs = self.positions = self._clicks = None

    def describe(self, tracker: Tracker) -> None:
        """Say what was loaded for it, and fit the line of waiting images to it."""
        assert self.stream is not None
        assert self.inputs is not None
        self._fit_line(tracker)
        length, stride = tracker.window
        log.info(
            '%s on %s in %s, windows of %d frames every %d, prompts by %s, images from %s',
            tracker.extractor.name,
            tracker.extractor.device,
            str(tracker.extractor.dtype).removeprefix('torch.'),
            length,
            stride,
            tracker.segmenter.name,
            self.inputs.image_topic,
        )
        if tracker.extractor.name not in CALIBRATIONS:
            log.info(
                'scores of %s are no probabilities, they only rank masks: what acts on them needs '
                'a threshold of its own',
                tracker.extractor.name,
            )

    def _fit_line(self, tracker: Tracker) -> None:
        assert self.stream is not None
        assert self.positions is not None
        _, stride = tracker.window
        self.stream.limit = self.settings.queue or stride
        self.positions.keep(self.stream.limit + tracker.history + 2 * stride)

    def start(self) -> None:
        """Take images."""
        assert self.stream is not None
        assert self.inputs is not None
        self.stream.resume()
        self.stream.interrupt()
        self.inputs.open()

    def stop(self) -> Future[None]:
        """Take no more images; the future is done when what was begun is published."""
        assert self.stream is not None
        assert self.inputs is not None
        self.inputs.close()
        return self.stream.flush()

    def give_up(self, reason: str) -> Future[None]:
        """Give up what `stop` began; the future is done when that has ended."""
        assert self.stream is not None
        self.stream.give_up('the node was deactivated')
        log.error('the last frames are lost: %s%s', reason, self._where())
        return self.stream.submit(lambda tracker: None)

    def report(self) -> DiagnosticStatus:
        """How it is."""
        if self.inputs is not None:
            self.diagnostics.lost = self.inputs.lost
            self.diagnostics.heard = self.inputs.heard
        return self.diagnostics.status(self._node.state, self.stream, self._node.failed_callbacks)

    def update(self) -> None:
        """Take over changed settings."""
        settings = self.settings
        for part in (self.inputs, self.positions):
            if part is not None:
                part.update(settings)
        if self.stream is None:
            return
        self._reader.max_pixels = settings.stream.max_pixels
        if self.stream.tracker is not None:
            self._fit_line(self.stream.tracker)
        if settings.clicks != (self._clicks is not None):
            self._listen_to_clicks(settings.clicks)
        tracked = tracker_settings(settings)
        if tracked != self._tracked:
            self._tracked = tracked
            if not self._update_waits:
                self._update_waits = True
                self.stream.submit(self._update)

    def _listen_to_clicks(self, listen: bool) -> None:
        if self._clicks is not None:
            self._clicks.destroy()
        self._clicks = Clicks(self._node, self) if listen else None

    # ------------------------------------------------------------------------------ callbacks

    def put(self, message: Any, begins: bool = False) -> None:
        """An image came in; `begins`: a stream, so that prompts_file is drawn on this very one."""
        if self.stream is not None:
            self.stream.put(message, begins and bool(self.settings.prompts_file))

    def has_room(self) -> bool:
        """Whether another image can wait without one being dropped."""
        return self.stream is None or not self.stream.full

    def lose(self, count: int) -> None:
        """The middleware lost images more."""
        if self.stream is not None:
            self.stream.lose(count)

    def _update(self, tracker: Tracker) -> None:
        """In the worker's thread: the newest settings, however often they changed meanwhile."""
        self._update_waits = False
        tracker.update(self._tracked)

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
            log.error('a %s failed%s%s', reason, self._where(), more, exc_info=error)

    def _where(self, text: str = '') -> str:
        topic = self.inputs.image_topic if self.inputs is not None else ''
        return f' (topic {topic})' if topic and topic not in text else ''

    def _warn(self, kind: str, message: str) -> None:
        if (more := self._throttle(kind)) is not None:
            which = f'camera {self.name}: ' if self.name else ''
            log.warning('%s%s%s', which, message, more)
