"""The feeder against a pretended tracker: pace, prompts, losses."""

from __future__ import annotations

import struct
import threading
import time

import numpy as np
import pytest

from drift_ros.demo import feed
from drift_ros.demo.feed import Bundle, Feeder, StuckError, bundles
from drift_ros.errors import DriftError
from drift_ros.prompts.files import TimedPrompt
from drift_ros.prompts.prompt import Prompt

PERIOD = 10_000_000  # ns
CUP = Prompt(name='cup', points=np.array([[1.0, 1.0]]), point_labels=np.array([1], np.uint8))


def source(count: int) -> list[Bundle]:
    return [
        Bundle(i, (i + 1) * PERIOD, (i + 1) * PERIOD, [('info', b'i'), ('image', b'%d' % i)])
        for i in range(count)
    ]


class Tracker:
    """Answers each image after `delay` s, one after the other, and loses some on the way."""

    def __init__(self, delay: float = 0.0, lose: tuple[int, ...] = (), stride: int = 1) -> None:
        self.newest = self.results = 0
        self.stride = stride
        self.last = time.monotonic()
        self.delay, self.lose = delay, set(lose)
        self.sent: list[tuple[str, bytes]] = []
        self.times: list[float] = []
        self.prompted: list[tuple[int, int, bool]] = []
        self.most = 0
        self._waiting = 0
        self._lock = threading.Lock()
        self._turn = threading.Lock()

    def send(self, topic: str, data: bytes) -> None:
        self.sent.append((topic, data))
        self.times.append(time.monotonic())
        index = int(data) if topic == 'image' else -1
        if index < 0:
            return
        if index in self.lose:
            self.lose.discard(index)
            return
        with self._lock:
            self._waiting += 1
            self.most = max(self.most, self._waiting)
        threading.Thread(target=self._answer, args=(index,)).start()

    def _answer(self, index: int) -> None:
        with self._turn:
            time.sleep(self.delay)
            with self._lock:
                self._waiting -= 1
                self.newest = max(self.newest, (index + 1) * PERIOD)
                self.results += 1
                self.last = time.monotonic()

    def prompt(self, timed, bundle, keep) -> None:
        self.prompted.append((len(timed), bundle.index, keep))

    def feeder(self, rate: float = 0.0) -> Feeder:
        return Feeder(self.send, self.prompt, self, lambda: None, rate)


def test_frames_are_grouped_by_their_image():
    def message(stamp: int) -> bytes:
        return struct.pack('<4xiI', 0, stamp)

    raw = [
        ('info', 'I', 5, message(1)),
        ('image', 'P', 6, message(1)),
        ('image', 'P', 7, message(2)),
        ('depth', 'P', 8, message(3)),
        ('image', 'P', 9, message(3)),
        ('info', 'I', 10, message(4)),
    ]
    stamp_of = lambda data: struct.unpack_from('<iI', data, 4)[1]  # noqa: E731
    found = list(bundles(raw, 'image', stamp_of))
    assert [(b.index, b.stamp, b.time) for b in found] == [(0, 1, 6), (1, 2, 7), (2, 3, 9)]
    assert [[topic for topic, _ in b.messages] for b in found] == [
        ['info', 'image'],
        ['image'],
        ['depth', 'image'],
    ]
    assert len(list(bundles(raw, 'image', stamp_of, 2))) == 2


def test_everything_is_sent_in_order_and_the_first_frame_is_prompted():
    tracker = Tracker()
    frames = source(5)
    assert tracker.feeder().run(frames, [TimedPrompt(CUP), TimedPrompt(CUP)]) == PERIOD
    assert tracker.sent == [message for bundle in frames for message in bundle.messages]
    assert tracker.prompted == [(2, 0, False)]


def test_prompts_come_with_their_frames():
    tracker = Tracker()
    prompts = [
        TimedPrompt(CUP, frame=3),
        TimedPrompt(CUP, frame=None, stamp=2 * PERIOD),
        TimedPrompt(CUP, frame=3),
    ]
    assert tracker.feeder().run(source(5), prompts) == 2 * PERIOD
    assert tracker.prompted == [(1, 1, False), (2, 3, True)]


def test_a_prompt_for_a_frame_that_is_not_there_is_an_error():
    prompts = [TimedPrompt(CUP), TimedPrompt(CUP, frame=9)]
    with pytest.raises(DriftError, match='cup on frame 9'):
        Tracker().feeder().run(source(3), prompts)


@pytest.mark.parametrize('stride', [1, 3])
def test_a_slow_tracker_is_waited_for(stride):
    tracker = Tracker(delay=0.02, stride=stride)
    tracker.feeder().run(source(12), [TimedPrompt(CUP)])
    assert tracker.most <= 2 * stride - 1 or tracker.most == 1


def test_a_given_rate_does_not_wait():
    tracker = Tracker(delay=0.1)
    tracker.feeder(rate=1.0).run(source(12), [TimedPrompt(CUP)])
    assert tracker.most > 2


@pytest.mark.parametrize('rate', [1.0, 0.5])
def test_frames_keep_their_time(rate):
    tracker = Tracker()
    feeder = tracker.feeder(rate)
    feeder.run(source(11), [TimedPrompt(CUP)])
    assert feeder.sent == [bundle.stamp for bundle in source(11)]
    assert tracker.times[-1] - tracker.times[2] >= 0.09 / rate * 0.95


def test_a_lost_first_frame_is_sent_again(monkeypatch):
    monkeypatch.setattr(feed, 'RESEND', 0.05)
    tracker = Tracker(lose=(0,))
    tracker.feeder().run(source(3), [TimedPrompt(CUP)])
    assert [data for topic, data in tracker.sent if topic == 'image'] == [b'0', b'0', b'1', b'2']
    assert tracker.prompted == [(1, 0, False)]


def test_a_lost_later_frame_is_given_up(monkeypatch):
    monkeypatch.setattr(feed, 'MIN_PATIENCE', 0.1)
    tracker = Tracker(delay=0.01, lose=(4,))
    tracker.feeder().run(source(8), [TimedPrompt(CUP)])
    assert [data for topic, data in tracker.sent if topic == 'image'][-1] == b'7'


def test_a_tracker_that_never_answers_is_an_error(monkeypatch):
    monkeypatch.setattr(feed, 'ANSWER_TIMEOUT', 0.2)
    tracker = Tracker(delay=5)
    with pytest.raises(StuckError):
        tracker.feeder().run(source(3), [TimedPrompt(CUP)])


def test_a_dead_tracker_is_noticed():
    def dead() -> None:
        raise DriftError('it died')

    tracker = Tracker()
    with pytest.raises(DriftError):
        Feeder(tracker.send, tracker.prompt, tracker, dead).run(source(3), [])
    assert tracker.sent == []
