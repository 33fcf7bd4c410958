"""One camera's images on their way through its tracker, in the thread of a worker.

Frames and commands wait in one line and are served in the order in which they came. Commands are
never dropped; of the frames only the newest `limit` wait: when one more comes, the oldest is
dropped before it enters a window, and counted. Every frame that comes in gets the next index, so
that the tracker sees dropped frames as gaps. The tracker may take the frame at the head of the line
ahead of its turn, to describe it beside the propagation of the one before; its turn is still next.

This module knows no ROS; the node gives it what to do with a frame, with results and with errors.
"""

from __future__ import annotations

import logging
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Generic, TypeVar

import torch

from drift_ros.errors import DriftError, FrameError
from drift_ros.interruption import Work
from drift_ros.ros.worker import Job, Worker
from drift_ros.structures import FailedFrames, Frame, TrackerOutput, TrackingResult
from drift_ros.tracking.stages import Stages
from drift_ros.tracking.tracker import Tracker

log = logging.getLogger(__name__)

Message = TypeVar('Message')
Answer = TypeVar('Answer')
STAMPS_KEPT = 4096


@dataclass(frozen=True, slots=True)
class Incoming(Generic[Message]):
    """One image as it came in.

    Attributes:
        message: the image, in whatever form `to_frame` understands.
        index: how many images had come in, or were lost on their way, before.
        received: monotonic time in s at which it came.
    """

    message: Message
    index: int
    received: float


@dataclass(frozen=True, slots=True)
class Ahead(Generic[Message]):
    """An image that was read before its turn, and the seconds that this took."""

    item: Incoming[Message]
    frame: Frame
    seconds: float


@dataclass(frozen=True, slots=True)
class Command:
    """Something that the worker's thread shall do with the tracker, and where its answer goes."""

    run: Callable[[Tracker], Any]
    answer: Future[Any]
    supersedes: bool = False  # a prompt that takes long gives way to it


@dataclass(slots=True)
class Counters:
    """What happened to the images since the worker was started.

    Attributes:
        received: images that came in while the worker took images.
        dropped: images that gave way to newer ones because the tracker was busy.
        paused: images that came while the worker was paused, and were not taken.
        lost: images that the middleware lost on their way here.
        published: results handed on.
        errors: frames or windows that failed.
        skipped: images that could not be read, by reason.
    """

    received: int = 0
    dropped: int = 0
    paused: int = 0
    lost: int = 0
    published: int = 0
    errors: int = 0
    skipped: dict[str, int] = field(default_factory=dict)


class Stream(Generic[Message]):
    """Runs a tracker in the thread of a worker, which other streams may share.

    All public methods may be called from any thread, and none of them waits.

    Args:
        worker: serves this stream, and others in turn.
        to_frame: makes a frame of an incoming image; a `FrameError` skips the image.
        publish: takes results, each with the monotonic time in s at which its image came in; None
            if the image was labelled before and is now labelled anew.
        on_error: takes (reason, error) of a skipped image, a failed window or a failed publication.
        left_out: takes images that are dropped, or came while paused; it must not wait.
        on_room: called when there is room for one more image in the line; it must not wait.

    Attributes:
        worker: serves this stream.
        limit: frames that may wait in the line, at least 1.
        generation: of the last tracker; it stays when the thread has ended.
        counters: what happened so far.
        stages: where the time of frames goes beside tracking: `queue` is the time from the arrival
            of an image until its turn, whether or not it was read before.
    """

    def __init__(
        self,
        worker: Worker,
        to_frame: Callable[[Incoming[Message]], Frame],
        publish: Callable[[TrackingResult, float | None], None],
        on_error: Callable[[str, Exception], None],
        left_out: Callable[[Message], None] = lambda message: None,
        on_room: Callable[[], None] = lambda: None,
    ) -> None:
        self.worker = worker
        self._to_frame = to_frame
        self._publish = publish
        self._on_error = on_error
        self._left_out = left_out
        self._on_room = on_room
        self._line: deque[Incoming[Message] | Command] = deque()
        self._frames = 0  # frames in the line
        self._kept: Incoming[Message] | None = None  # one of them that is not dropped
        self._ahead: Ahead[Message] | None = None  # before the line
        self._changed = worker.changed
        self._work = Work()
        self._paused = False
        self._received: OrderedDict[int, float] = OrderedDict()  # by stamp, until published
        self._tracker: Tracker | None = None
        self._last_generation = 0
        self.counters = Counters()
        self.stages = Stages('queue', 'conversion', 'publishing')
        self.limit = 1
        worker.serve(self)

    # ------------------------------------------------------------------------ from other threads

    @property
    def tracker(self) -> Tracker | None:
        """The tracker, for reading its numbers; only the worker's thread may run it."""
        return self._tracker

    @property
    def generation(self) -> int:
        """The tracker's; when the worker stops nothing is published with a later one."""
        tracker = self._tracker
        return self._last_generation if tracker is None else tracker.generation

    @property
    def paused(self) -> bool:
        """Whether incoming images are ignored."""
        return self._paused

    def load(self, make: Callable[[], Tracker]) -> Future[Tracker]:
        """Make the tracker in the worker's thread. The future gets it, or what `make` raises."""

        def run() -> Tracker:
            self._tracker = make()
            return self._tracker

        answer: Future[Tracker] = Future()
        self._enqueue(Command(lambda _: run(), answer))
        return answer

    def put(self, message: Message, keep: bool = False) -> None:
        """Take one image; the oldest waiting one is dropped if too many wait.

        Args:
            message: the image.
            keep: do not drop it, as what is drawn on it would be taken for another one. It waits
                beside `limit` others, and gives way to a later one that is to be kept.
        """
        now = time.monotonic()
        with self._changed:
            item = Incoming(message, self.counters.received + self.counters.lost, now)
            self.counters.received += 1
            if self._paused:
                self.counters.paused += 1
                self._left_out(message)
                return
            self._line.append(item)
            self._frames += 1
            self._kept = item if keep else self._kept
            while self._droppable > max(1, self.limit):
                self._drop_oldest_frame()
            self._changed.notify()

    @property
    def full(self) -> bool:
        """Whether the next image would make the oldest waiting one drop."""
        return self._droppable >= max(1, self.limit)

    @property
    def _droppable(self) -> int:
        return self._frames - (self._kept is not None)

    def lose(self, count: int) -> None:
        """Count images that were lost on their way: a gap before the next one."""
        with self._changed:
            self.counters.lost += count

    @property
    def waiting(self) -> int:
        """Commands that wait for their turn."""
        return len(self._line) - self._frames

    def submit(self, run: Callable[[Tracker], Answer], supersedes: bool = False) -> Future[Answer]:
        """Let the worker run something with the tracker after the frames that came before it.

        The future gets the answer, or the error. Cancelling it before its turn takes it back.

        Args:
            run: gets the tracker.
            supersedes: what prompts are being segmented does not matter any more; that is given up
                if it takes long.
        """
        answer: Future[Answer] = Future()
        self._enqueue(Command(run, answer, supersedes))
        return answer

    def pause(self, paused: bool) -> None:
        """Ignore images from now on, or take them again. What waits for a window is labelled."""
        with self._changed:
            changed, self._paused = self._paused != paused, paused
        if changed and paused:
            self._flush(supersedes=False).add_done_callback(self._report)

    def flush(self) -> Future[None]:
        """Let the worker label what waits for a window to fill."""
        return self._flush(supersedes=True)

    def _flush(self, supersedes: bool) -> Future[None]:
        return self.submit(lambda tracker: self._hand_on(tracker.flush()), supersedes)

    def interrupt(self) -> None:
        """Tell the tracker that the images after this do not follow on those before."""
        done = self.submit(lambda tracker: self._hand_on(tracker.interrupt()))
        done.add_done_callback(self._report)

    def give_up(self, reason: str) -> None:
        """End what runs at its next checkpoint, and let no other window run until `resume`."""
        with self._changed:
            if self._ahead is not None:
                self._line.appendleft(self._ahead.item)
                self._frames += 1
                self._ahead = None
            self._kept = None
            while self._frames:
                self._drop_oldest_frame()
            self._work.give_up(reason)

    def resume(self) -> None:
        """Take `give_up` back."""
        self._work.resume()

    # ---------------------------------------------------------------------- in the worker's thread

    def next_job(self) -> Job | None:
        """The head of the line, or a window that is due; the worker holds the lock."""
        head = self._ahead or (self._line[0] if self._line else None)
        if not isinstance(head, Command) and self._tracker and self._tracker.due:
            return partial(self._run, None)
        if head is None:
            return None
        if head is self._ahead:
            self._ahead = None
        else:
            self._leave_line()
        self._supersede()
        return partial(self._run, head)

    def end(self) -> None:
        """What waits is given up."""
        with self._changed:
            left, self._line = self._line, deque()
            self._ahead = None
        for item in left:
            if isinstance(item, Command) and item.answer.set_running_or_notify_cancel():
                item.answer.set_exception(DriftError('the tracker was shut down before its turn'))
        self._last_generation = self.generation
        self._tracker = None

    def _run(self, item: Incoming[Message] | Ahead[Message] | Command | None) -> None:
        self._work.begin()
        try:
            if isinstance(item, Command):
                self._serve(item)
            elif item is not None:
                self._take(item)
            else:
                self._guarded(self._advance, 'window')
        except Exception:  # not even what reports errors may end the thread
            self.counters.errors += 1
            log.exception('the worker failed')

    def _advance(self) -> None:
        assert self._tracker is not None
        self._hand_on(self._tracker.advance(self._look_ahead))

    def _serve(self, command: Command) -> None:
        if not command.answer.set_running_or_notify_cancel():
            return
        try:
            # `load` is the one command that needs no tracker
            result = command.run(self._tracker)  # type: ignore[arg-type]
        except Exception as error:
            self._free_memory(error)
            command.answer.set_exception(error)
            return
        with self._changed:
            if not self.worker.stopping:
                command.answer.set_result(result)
                return
        command.answer.set_exception(DriftError('the tracker was shut down'))

    def _take(self, waiting: Incoming[Message] | Ahead[Message]) -> None:
        def run() -> None:
            assert self._tracker is not None
            now = time.monotonic()
            read = waiting if isinstance(waiting, Ahead) else self._read(waiting)
            received, frame = read.item.received, read.frame
            self.stages.add('queue', now - received - (read.seconds if read is waiting else 0))
            self._received[frame.stamp] = received
            if len(self._received) > STAMPS_KEPT:
                self._received.popitem(last=False)
            late = self._tracker.stats.late
            self._hand_on(self._tracker.step(frame, upcoming=self._look_ahead))
            if self._tracker.stats.late > late:
                raise FrameError(
                    f'stamp not newer: header.stamp {frame.stamp / 1e9:.9f} s is not after that of '
                    'the image before; the publisher must stamp each image with its own time, and '
                    'only one may publish on a topic'
                )

        if self._tracker is not None:
            self._guarded(run, 'frame')

    def _read(self, item: Incoming[Message]) -> Ahead[Message]:
        begin = time.monotonic()
        with self.stages.measure('conversion'):
            frame = self._to_frame(item)
        return Ahead(item, frame, time.monotonic() - begin)

    def _look_ahead(self) -> Frame | None:
        """The frame at the head of the line, which is dropped no more; None if there is none."""
        with self._changed:
            if self._ahead is not None:
                return self._ahead.frame
            item = self._line[0] if self._line else None
            if not isinstance(item, Incoming):
                return None
            self._leave_line()

        def run() -> None:
            self._ahead = self._read(item)

        self._guarded(run, 'frame')
        return self._ahead.frame if self._ahead else None

    def _guarded(self, run: Callable[[], None], what: str) -> None:
        """Nothing that a frame does may end the thread."""
        try:
            run()
        except FrameError as error:
            reason = str(error).split(':')[0].split(',')[0]
            self.counters.skipped[reason] = self.counters.skipped.get(reason, 0) + 1
            self._on_error(reason, error)
        except Exception as error:
            self._failed(what, error)

    def _failed(self, what: str, error: Exception) -> None:
        if self.worker.stopping:
            return
        self._free_memory(error)
        self.counters.errors += 1
        self._on_error(what, error)

    def _hand_on(self, outputs: Sequence[TrackerOutput]) -> None:
        for output in outputs:
            if self.worker.stopping:
                return
            if isinstance(output, FailedFrames):
                self._failed('window', output.error)
                for frame in output.frames:
                    self._received.pop(frame.stamp, None)
            else:
                self._guarded(partial(self._publish_one, output), 'publication')

    def _publish_one(self, result: TrackingResult) -> None:
        received = self._received.pop(result.frame.stamp, None)
        with self.stages.measure('publishing'):
            self._publish(result, received)
        self.counters.published += 1

    # ------------------------------------------------------------------------------------ internals

    def _enqueue(self, command: Command) -> None:
        with self._changed:
            if self.worker.stopping:
                command.answer.set_exception(DriftError('the tracker is shutting down'))
                return
            self._line.append(command)
            self._supersede()
            self._changed.notify()

    def _supersede(self) -> None:
        waits = any(isinstance(item, Command) and item.supersedes for item in self._line)
        self._work.supersede('a later reset, clear or deactivation waited for it' if waits else '')

    def _report(self, done: Future[None]) -> None:
        if not done.cancelled() and isinstance(error := done.exception(), Exception):
            self.counters.errors += 1
            self._on_error('window', error)

    def _leave_line(self) -> None:
        """The head's turn has come."""
        head = self._line.popleft()
        if isinstance(head, Incoming):
            self._kept = None if head is self._kept else self._kept
            self._frames -= 1
            self._on_room()

    def _drop_oldest_frame(self) -> None:
        frames = (item for item in self._line if isinstance(item, Incoming))
        oldest = next(item for item in frames if item is not self._kept)
        self._line.remove(oldest)
        self._left_out(oldest.message)
        self._frames -= 1
        self.counters.dropped += 1

    def _free_memory(self, error: Exception) -> None:
        """Give cached memory back after an out-of-memory error, and say how much there is."""
        if not isinstance(error, torch.OutOfMemoryError) or not torch.cuda.is_available():
            return
        torch.cuda.empty_cache()
        where = self._tracker.extractor.device if self._tracker else torch.device('cpu')
        if where.type != 'cuda':
            return
        free, total = torch.cuda.mem_get_info(where)
        log.error(
            '%s ran out of memory: %.2f of %.2f GiB are free after giving back what was '
            'cached; lower features.resolution or window.length, or use float16',
            where,
            free / 2**30,
            total / 2**30,
        )
