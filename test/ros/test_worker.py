"""The worker's thread, with a tracker whose speed and failures are set by the test."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from clips import clip_frame, make_tracker, red_mask

pytest.importorskip('rclpy', reason='the room ros needs rclpy')

from drift_ros.errors import DriftError, FrameError
from drift_ros.features import Descriptors, Window
from drift_ros.prompts.prompt import Prompt
from drift_ros.ros.stream import Incoming, Stream
from drift_ros.ros.worker import Worker
from drift_ros.structures import Frame, Stats, TrackingResult

WAIT = 10.0


class FakeTracker:
    """Gives each frame back at once; a step waits for the gate and may fail."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.gate.set()
        self.due = False
        self.generation = 0
        self.frames: list[Frame] = []
        self.fail: set[int] = set()
        self.flushed = 0
        self.stats = Stats()

    def step(self, frame: Frame, upcoming: object = None) -> list[TrackingResult]:
        self.gate.wait(WAIT)
        if frame.index in self.fail:
            raise RuntimeError(f'window of frame {frame.index}')
        self.frames.append(frame)
        return [result(frame)]

    def flush(self) -> list[TrackingResult]:
        self.flushed += 1
        return []


class LookingTracker(FakeTracker):
    """Asks for the upcoming frame as soon as the test lets it."""

    def __init__(self) -> None:
        super().__init__()
        self.ask = threading.Event()
        self.taken: list[Frame | None] = []

    def step(self, frame: Frame, upcoming: Any = None) -> list[TrackingResult]:
        self.ask.wait(WAIT)
        self.taken.append(upcoming())
        return super().step(frame)


def result(frame: Frame) -> TrackingResult:
    return TrackingResult(frame, np.zeros(frame.size, np.uint8), (), 0)


def to_frame(item: Incoming[int]) -> Frame:
    if item.message < 0:
        raise FrameError('unknown encoding: negative')
    return Frame(np.zeros((4, 4, 3), np.uint8), item.message, index=item.index)


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + WAIT
    while not condition():
        assert time.monotonic() < end, 'the condition did not come true'
        time.sleep(0.001)


class Rig:
    def __init__(self, tracker: Callable[[], Any] = FakeTracker) -> None:
        self.published: list[int] = []
        self.latencies: list[float | None] = []
        self.errors: list[tuple[str, Exception]] = []
        self.stream: Stream[int] = Stream(Worker(), to_frame, self._publish, self._error)
        self.tracker: Any = self.stream.load(tracker).result(WAIT)

    def _publish(self, result: TrackingResult, received: float | None) -> None:
        if result.frame.stamp == 13:
            raise ValueError('publisher')
        self.published.append(result.frame.stamp)
        self.latencies.append(received)

    def _error(self, reason: str, error: Exception) -> None:
        self.errors.append((reason, error))


@pytest.fixture
def rig() -> Iterator[Rig]:
    rig = Rig()
    yield rig
    rig.tracker.gate.set()
    assert rig.stream.worker.stop(WAIT)


def test_frames_come_out_in_order(rig: Rig) -> None:
    rig.stream.limit = 100
    for stamp in range(50):
        rig.stream.put(stamp if stamp != 13 else 1000)
    until(lambda: len(rig.published) == 50)
    assert rig.published == [s if s != 13 else 1000 for s in range(50)]
    assert [f.index for f in rig.tracker.frames] == list(range(50))
    assert rig.stream.counters.dropped == 0


def test_oldest_frames_give_way_and_are_counted(rig: Rig) -> None:
    rig.stream.limit = 3
    rig.tracker.gate.clear()
    rig.stream.put(100)
    until(lambda: not rig.stream._line)  # the worker is inside the first frame
    for stamp in range(101, 120):
        rig.stream.put(stamp)
    rig.tracker.gate.set()
    until(lambda: len(rig.published) == 4)
    assert rig.published == [100, 117, 118, 119]
    assert [f.index for f in rig.tracker.frames] == [0, 17, 18, 19]  # a gap that the tracker sees
    assert rig.stream.counters.dropped == 16
    assert rig.stream.counters.received == 20


def test_an_image_that_is_to_be_kept_is_not_dropped(rig: Rig) -> None:
    rig.stream.limit = 2
    rig.tracker.gate.clear()
    rig.stream.put(100)
    until(lambda: not rig.stream._line)
    for stamp in range(101, 120):
        rig.stream.put(stamp, keep=stamp in (103, 105))
    assert len(rig.stream._line) == 3  # the later one that is kept, and the newest two
    rig.tracker.gate.set()
    until(lambda: len(rig.published) == 4)
    assert rig.published == [100, 105, 118, 119]
    assert rig.stream.counters.dropped == 16


def test_images_that_are_kept_do_not_pile_up(rig: Rig) -> None:
    rig.tracker.gate.clear()
    for stamp in range(100, 150):
        rig.stream.put(stamp, keep=True)
    assert len(rig.stream._line) <= 2
    rig.stream.give_up('the end')
    assert not rig.stream._line


def test_images_that_are_not_taken_are_told(rig: Rig) -> None:
    left: list[int] = []
    rig.stream._left_out = left.append
    rig.tracker.gate.clear()
    rig.stream.put(1)
    until(lambda: not rig.stream._line)
    for stamp in (2, 3, 4):
        rig.stream.put(stamp)
    rig.stream.pause(True)
    rig.stream.put(5)
    assert left == [2, 3, 5]


@pytest.fixture
def looking() -> Iterator[Rig]:
    """A rig that is inside of frame 100."""
    rig = Rig(LookingTracker)
    rig.tracker.gate.clear()
    rig.stream.put(100)
    until(lambda: not rig.stream._line)
    yield rig
    rig.tracker.gate.set()
    assert rig.stream.worker.stop(WAIT)


def test_a_frame_that_was_looked_at_comes_next_and_is_not_dropped(looking: Rig) -> None:
    looking.stream.put(101)
    looking.tracker.ask.set()
    until(lambda: len(looking.tracker.taken) == 1)
    looking.stream.put(102)
    seen = looking.stream.submit(lambda tracker: [f.stamp for f in tracker.frames])  # type: ignore
    looking.stream.put(103)  # pushes 102 out
    looking.tracker.gate.set()
    assert seen.result(WAIT) == [100, 101]
    until(lambda: looking.published == [100, 101, 103])
    assert looking.tracker.frames[1] is looking.tracker.taken[0]
    assert looking.stream.counters.dropped == 1


def test_a_frame_behind_a_command_is_not_looked_at(looking: Rig) -> None:
    done = looking.stream.submit(lambda tracker: None)
    looking.stream.put(101)
    looking.tracker.ask.set()
    looking.tracker.gate.set()
    done.result(WAIT)
    until(lambda: looking.published == [100, 101])
    assert looking.tracker.taken == [None, None]


def test_a_frame_that_was_looked_at_is_given_up_with_the_others(looking: Rig) -> None:
    left: list[int] = []
    looking.stream._left_out = left.append
    looking.stream.put(101)
    looking.tracker.ask.set()
    until(lambda: len(looking.tracker.taken) == 1)
    looking.stream.give_up('enough')
    looking.stream.resume()
    looking.stream.put(102)
    looking.tracker.gate.set()
    until(lambda: looking.published == [100, 102])
    assert left == [101]
    assert looking.stream.counters.dropped == 1


def test_a_frame_that_cannot_be_read_ahead_is_skipped(looking: Rig) -> None:
    looking.stream.put(-1)
    looking.tracker.ask.set()
    until(lambda: len(looking.tracker.taken) == 1)
    looking.stream.put(101)
    looking.tracker.gate.set()
    until(lambda: looking.published == [100, 101])
    assert looking.tracker.taken == [None, None]
    assert looking.stream.counters.skipped == {'unknown encoding': 1}


def test_commands_are_served_in_line_and_never_dropped(rig: Rig) -> None:
    rig.stream.limit = 2
    rig.tracker.gate.clear()
    rig.stream.put(1)
    until(lambda: not rig.stream._line)
    rig.stream.put(2)
    seen = rig.stream.submit(lambda tracker: [f.stamp for f in tracker.frames])  # type: ignore
    rig.stream.put(3)
    rig.stream.put(4)  # pushes 2 out
    rig.tracker.gate.set()
    assert seen.result(WAIT) == [1]
    until(lambda: rig.published == [1, 3, 4])


def test_bad_frames_are_skipped_by_reason(rig: Rig) -> None:
    rig.stream.limit = 10
    for stamp in (1, -1, 2, -1, 3):
        rig.stream.put(stamp)
    until(lambda: rig.published == [1, 2, 3])
    assert rig.stream.counters.skipped == {'unknown encoding': 2}
    assert rig.stream.counters.errors == 0
    assert [reason for reason, _ in rig.errors] == ['unknown encoding'] * 2


def test_failing_windows_and_publications_are_not_fatal(rig: Rig) -> None:
    rig.stream.limit = 10
    rig.tracker.fail = {1}
    for stamp in (1, 2, 13, 4):
        rig.stream.put(stamp)
    until(lambda: rig.published == [1, 4])
    assert rig.stream.counters.errors == 2
    assert [reason for reason, _ in rig.errors] == ['frame', 'publication']


def test_only_the_frames_of_a_failed_window_go_unpublished() -> None:
    tracker = make_tracker(window__length=2)
    extract = tracker.extractor.extract

    def scarce(window: Window) -> Descriptors:
        if clip_frame(2).stamp in window.stamps:
            raise torch.OutOfMemoryError('tried to allocate 2.00 GiB')
        return extract(window)

    tracker.extractor.extract = scarce  # type: ignore[method-assign]
    published: list[TrackingResult] = []
    errors: list[tuple[str, Exception]] = []
    stream: Stream[int] = Stream(
        Worker(),
        lambda item: clip_frame(item.message),
        lambda result, _: published.append(result),
        lambda reason, error: errors.append((reason, error)),
    )
    stream.limit = 10
    stream.load(lambda: tracker).result(WAIT)
    for index in range(6):
        stream.put(index)
    stream.submit(lambda tracker: None).result(WAIT)
    red = Prompt(id=1, mask=red_mask(0))
    stream.submit(lambda tracker: tracker.set_targets([red], clip_frame(0).stamp)).result(WAIT)
    until(lambda: len(published) == 10)  # six without targets, then all but two
    assert [r.frame.index for r in published[6:]] == [0, 1, 4, 5]
    assert [type(error) for _, error in errors] == [torch.OutOfMemoryError]
    assert stream.counters.errors == 1
    assert stream.worker.stop(WAIT)


def test_the_device_that_ran_out_of_memory_is_named(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def scarce(frame: Frame, upcoming: object = None) -> list[TrackingResult]:
        raise torch.OutOfMemoryError('tried to allocate 2.00 GiB')

    memory = {torch.device('cuda:1'): (2**30, 8 * 2**30)}
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    monkeypatch.setattr(torch.cuda, 'empty_cache', lambda: None)
    monkeypatch.setattr(torch.cuda, 'mem_get_info', lambda device=None: memory[device])
    rig.tracker.extractor = SimpleNamespace(device=torch.device('cuda:1'))
    rig.tracker.step = scarce
    rig.stream.put(1)
    until(lambda: len(rig.errors) == 1)
    assert 'cuda:1 ran out of memory: 1.00 of 8.00 GiB are free' in caplog.text


@pytest.mark.parametrize('what', ['interrupt', 'flush'])
def test_failures_at_a_break_of_the_stream_are_reported(rig: Rig, what: str) -> None:
    def fail() -> list[TrackingResult]:
        raise RuntimeError('the last window')

    setattr(rig.tracker, what, fail)
    if what == 'interrupt':
        rig.stream.interrupt()
    else:
        rig.stream.pause(True)
    until(lambda: len(rig.errors) == 1)
    assert rig.stream.counters.errors == 1


def test_errors_of_commands_go_to_their_caller(rig: Rig) -> None:
    def refuse(tracker: Any) -> None:
        raise DriftError('no')

    with pytest.raises(DriftError, match='no'):
        rig.stream.submit(refuse).result(WAIT)
    assert rig.stream.submit(lambda tracker: 7).result(WAIT) == 7


def test_a_command_can_be_taken_back_before_its_turn(rig: Rig) -> None:
    rig.tracker.gate.clear()
    rig.stream.put(1)
    until(lambda: not rig.stream._line)
    ran = threading.Event()
    command = rig.stream.submit(lambda tracker: ran.set())
    assert command.cancel()
    rig.tracker.gate.set()
    rig.stream.submit(lambda tracker: None).result(WAIT)
    assert not ran.is_set()


def test_pause_labels_what_waits_and_ignores_what_comes(rig: Rig) -> None:
    rig.stream.limit = 10
    rig.stream.put(1)
    rig.stream.pause(True)
    for stamp in (2, 3):
        rig.stream.put(stamp)
    rig.stream.submit(lambda tracker: None).result(WAIT)
    assert rig.published == [1]
    assert rig.tracker.flushed == 1
    assert rig.stream.counters.paused == 2
    rig.stream.pause(False)
    rig.stream.put(4)
    until(lambda: rig.published == [1, 4])
    assert rig.tracker.frames[-1].index == 3


def test_windows_that_are_due_run_between_commands(rig: Rig) -> None:
    left = 3

    def advance(upcoming: object = None) -> list[TrackingResult]:
        nonlocal left
        left -= 1
        rig.tracker.due = left > 0
        return [result(Frame(np.zeros((4, 4, 3), np.uint8), 50 - left))]

    rig.tracker.advance = advance

    def begin(tracker: Any) -> None:
        tracker.due = True

    rig.stream.submit(begin).result(WAIT)
    rig.stream.put(99)
    until(lambda: len(rig.published) == 4)
    assert rig.published == [48, 49, 50, 99]


def test_latency_is_told_once_per_frame(rig: Rig) -> None:
    before = time.monotonic()
    rig.stream.put(1)
    until(lambda: len(rig.published) == 1)
    again = rig.tracker.frames[0]
    rig.stream.submit(lambda tracker: rig.stream._hand_on([result(again)])).result(WAIT)
    first, second = rig.latencies
    assert first is not None
    assert before <= first <= time.monotonic()
    assert second is None


def test_stop_under_load_joins_and_gives_up_what_waits() -> None:
    rig = Rig()
    rig.stream.limit = 100
    original = rig.tracker.step

    def slow(frame: Frame, upcoming: Any = None) -> list[TrackingResult]:
        time.sleep(0.02)
        return list(original(frame))

    rig.tracker.step = slow
    for stamp in range(100):
        rig.stream.put(stamp)
    waiting = rig.stream.submit(lambda tracker: None)
    assert rig.stream.worker.stop(WAIT)
    assert len(rig.tracker.frames) < 100
    with pytest.raises(DriftError, match='shut down'):
        waiting.result(0)
    with pytest.raises(DriftError, match='shutting down'):
        rig.stream.submit(lambda tracker: None).result(0)


def test_stop_during_a_window_says_that_it_goes_on() -> None:
    rig = Rig()
    rig.tracker.gate.clear()
    rig.stream.put(1)
    until(lambda: not rig.stream._line)
    assert not rig.stream.worker.stop(0.05)
    rig.tracker.gate.set()
    assert rig.stream.worker.stop(WAIT)
    assert rig.published == []  # the results of a stopped worker go nowhere


def test_failed_load_reaches_the_caller() -> None:
    rig = Rig()

    def fail() -> Any:
        raise DriftError('no weights')

    with pytest.raises(DriftError, match='no weights'):
        rig.stream.load(fail).result(WAIT)
    assert rig.stream.worker.stop(WAIT)
