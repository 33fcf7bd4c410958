"""The next frame is described in another thread while one is propagated: nothing else changes."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest
import torch
from clips import CausalColours, Colours, clip_frame, make_tracker, red_mask
from hypothesis import given, settings
from hypothesis import strategies as st

from drift_ros.errors import DriftError, PromptError
from drift_ros.features import Descriptors, FeatureExtractor, Window
from drift_ros.interruption import GivenUpError, Work, checkpoint
from drift_ros.prompts.prompt import Prompt
from drift_ros.structures import FailedFrames, Frame, TrackedPoints, TrackerOutput
from drift_ros.tracking.threads import share_cores
from drift_ros.tracking.upcoming import Peekable
from drift_ros.tracking.window_buffer import BufferedFrame

WAIT = 10.0
RED = Prompt(id=1, name='red', mask=red_mask(0))


class Watcher:
    """A follower that notes the frames that were described, and descriptors of them."""

    count = 1

    def __init__(self) -> None:
        self.seen: list[tuple[int, bytes]] = []

    def step(self, entry: BufferedFrame, descriptors: Descriptors) -> TrackedPoints | None:
        self.seen.append((entry.number, descriptors.features.numpy().tobytes()))
        return None

    def go_back_to(self, number: int) -> None:
        self.seen.append((number, b'back'))

    def miss(self, numbers: Collection[int]) -> None:
        self.seen += [(number, b'missed') for number in sorted(numbers)]

    def reset(self) -> None:
        self.seen.append((-1, b'reset'))


class FragileAlone(Colours):
    """Fails on some frames, in whatever thread; sees each by itself."""

    length = 1

    def __init__(self, broken: Collection[int] = ()) -> None:
        super().__init__(self.length)
        self.broken = {clip_frame(index).stamp for index in broken}
        self.threads: set[int] = set()

    def extract(self, window: Window) -> Descriptors:
        self.threads.add(threading.get_ident())
        if self.broken & set(window.stamps):
            raise DriftError('broken')
        return super().extract(window)


class Fragile(FragileAlone, CausalColours):
    """The same of a stream."""

    length = 4


@dataclass
class Played:
    """What came of a script."""

    outputs: list[TrackerOutput] = field(default_factory=list)
    descriptors: list[tuple[int, bytes]] = field(default_factory=list)

    def text(self) -> list[object]:
        """All of it, to be compared."""
        said: list[object] = [*self.descriptors]
        for output in self.outputs:
            if isinstance(output, FailedFrames):
                said.append([type(output.error), str(output.error), *map(stamp, output.frames)])
            else:
                labels = output.labels.tobytes()
                said.append((stamp(output.frame), output.gap, output.generation, labels))
                said.append(output.objects)
        return said


def stamp(frame: Frame) -> int:
    return frame.stamp


ORDERS = (
    st.just('frame')
    | st.sampled_from(['gap', 'late', 'encoding', 'size', 'pause', 'reset', 'clear', 'flush'])
    | st.tuples(st.just('prompt'), st.integers(0, 4), st.booleans())
)
SCRIPTS = st.lists(
    st.just('frame') | st.just('frame') | ORDERS,  # mostly frames
    min_size=4,
    max_size=14,
)


def play(
    script: Sequence[object], extractor: FeatureExtractor, ahead: bool, follow: bool
) -> Played:
    """Obey the orders of a script as the node does: each in its turn, past frames caught up."""
    tracker = make_tracker(extractor=extractor, initial_prompts=[RED])
    watcher, played = Watcher(), Played()
    if follow:
        tracker.follower = watcher  # type: ignore[assignment]
    shown: list[Frame] = []
    frames = {
        place: frame_of(order, place)
        for place, order in enumerate(script)
        if order in ('frame', 'gap', 'late', 'encoding', 'size')
    }
    for place, order in enumerate(script):
        upcoming = (lambda place=place: frames.get(place + 1)) if ahead else None
        if place in frames:
            played.outputs += tracker.step(frames[place], upcoming=upcoming)
            shown.append(frames[place])
        elif order == 'pause':
            played.outputs += tracker.interrupt()
        elif order == 'reset':
            tracker.reset()
        elif order == 'clear':
            tracker.clear_targets()
        elif order == 'flush':
            played.outputs += tracker.flush()
        elif isinstance(order, tuple) and shown:
            _, back, keep = order
            at = shown[max(0, len(shown) - 1 - back)]
            prompt = Prompt(mask=np.pad(np.ones((20, 20), bool), [(4, s - 24) for s in at.size]))
            try:
                tracker.set_targets([prompt], at.stamp, keep_existing=keep)
            except PromptError:
                continue
        while tracker.due:
            played.outputs += tracker.advance(upcoming)
    played.outputs += tracker.flush()
    played.descriptors = watcher.seen
    return played


def frame_of(order: object, place: int) -> Frame:
    index = place + 5 * (order == 'gap')
    if order == 'late':
        return clip_frame(max(0, place - 2))
    if order == 'size':
        return clip_frame(index, image=np.full((48, 64, 3), 90, np.uint8))
    return clip_frame(index, encoding='bgr8' if order == 'encoding' else 'rgb8')


@settings(deadline=None, max_examples=40)
@given(
    SCRIPTS,
    st.sets(st.integers(0, 12), max_size=2),
    st.booleans(),
    st.sampled_from([Fragile, FragileAlone]),
)
def test_results_are_the_same_to_the_bit(
    script: list[object], broken: set[int], follow: bool, kind: type[FragileAlone]
) -> None:
    without, ahead = (play(script, kind(broken), way, follow) for way in (False, True))
    assert ahead.text() == without.text()
    if kind is FragileAlone:  # nor does it matter that frames are described one by one
        windowed = kind(broken)
        windowed.reentrant = False
        assert play(script, windowed, False, follow).text() == without.text()


@pytest.mark.parametrize('kind', [Fragile, FragileAlone])
def test_the_next_frame_is_described_while_one_is_propagated(kind: type[FragileAlone]) -> None:
    described = threading.Event()
    extractor = kind()
    extract = extractor.extract

    def telling(window: Window) -> Descriptors:
        found = extract(window)
        if clip_frame(1).stamp in window.stamps:
            described.set()
        return found

    extractor.extract = telling  # type: ignore[method-assign]
    tracker = make_tracker(extractor=extractor)
    find = tracker._masks.step

    def propagate(*args: object) -> object:
        assert described.wait(WAIT), 'nothing happened beside'
        return find(*args)  # type: ignore[arg-type]

    tracker._masks.step = propagate  # type: ignore[assignment, method-assign]
    following = clip_frame(1)
    (first,) = tracker.step(clip_frame(0), [RED], upcoming=lambda: following)
    (second,) = tracker.step(following)
    assert [first.frame.index, second.frame.index] == [0, 1]
    stamps = [stamp for window, _ in extractor.windows for stamp in window]
    assert stamps == [clip_frame(0).stamp, clip_frame(1).stamp]  # none twice
    assert len(extractor.threads) == 2


def test_frames_that_wait_for_a_prompt_to_catch_up_are_described_ahead_too() -> None:
    extractor = Fragile()
    tracker = make_tracker(extractor=extractor)
    for index in range(4):
        tracker.step(clip_frame(index))
    tracker.set_targets([RED], clip_frame(0).stamp)
    results = tracker.flush()
    assert [r.frame.index for r in results] == [0, 1, 2, 3]
    assert len(extractor.runs) == 1 and len(extractor.threads) == 2


def test_what_fails_beside_fails_with_its_own_frame() -> None:
    tracker = make_tracker(extractor=Fragile([1]))
    following = clip_frame(1)
    (first,) = tracker.step(clip_frame(0), [RED], upcoming=lambda: following)
    assert not isinstance(first, FailedFrames)
    (failed,) = tracker.step(following)
    assert isinstance(failed, FailedFrames)
    assert [frame.index for frame in failed.frames] == [1]
    (third,) = tracker.step(clip_frame(2))
    assert third.gap == 1


@pytest.mark.parametrize('change', ['frame', 'text'])
def test_what_was_described_in_vain_is_thrown_away(change: str) -> None:
    extractor, promised = Fragile(), clip_frame(1)
    tracker = make_tracker(extractor=extractor, features__colour=0)
    tracker.step(clip_frame(0), [RED], upcoming=lambda: promised)
    if change == 'frame':
        promised = clip_frame(1, image=255 - promised.image)
    else:
        tracker._features.text = torch.zeros(1, 1, 1)
    watcher = Watcher()
    tracker.follower = watcher  # type: ignore[assignment]
    tracker.step(promised)
    images = tracker._features.input_of(promised.image)[None]
    alone = extractor.extract(Window(images, (promised.stamp,), 1)).features
    first = torch.cat([alone, torch.zeros_like(alone[:, :1])], 1)  # of a stream
    assert watcher.seen == [(1, first.numpy().tobytes())]


def test_work_that_is_given_up_ends_beside_as_well() -> None:
    begun = threading.Event()
    extractor = Fragile()
    extract = extractor.extract

    def endless(window: Window) -> Descriptors:
        if clip_frame(1).stamp in window.stamps:
            begun.set()
            end = time.monotonic() + WAIT
            while time.monotonic() < end:
                checkpoint()
            raise AssertionError('never ended')
        return extract(window)

    extractor.extract = endless  # type: ignore[method-assign]
    tracker, work, following = make_tracker(extractor=extractor), Work(), clip_frame(1)
    work.begin()
    try:
        tracker.step(clip_frame(0), [RED], upcoming=lambda: following)
        assert begun.wait(WAIT)
        work.give_up('enough')
        (failed,) = tracker.step(following)
    finally:
        Work().begin()
    assert isinstance(failed, FailedFrames) and isinstance(failed.error, GivenUpError)


@pytest.mark.parametrize('targets', [True, False])
def test_nobody_is_asked_where_nothing_can_be_described_ahead(targets: bool) -> None:
    prompts = [RED] if targets else []
    extractor = FragileAlone() if targets else CausalColours(4)
    extractor.reentrant = not targets
    tracker = make_tracker(extractor=extractor)

    def upcoming() -> Frame:
        raise AssertionError('asked')

    for index in range(3):
        (result,) = tracker.step(clip_frame(index), [] if index else prompts, upcoming=upcoming)
        assert result.frame.index == index


@pytest.mark.parametrize(('given', 'threads'), [(None, 3), ('8', 8)])
def test_two_threads_share_the_cores(
    monkeypatch: pytest.MonkeyPatch, given: str | None, threads: int
) -> None:
    now = [8]
    monkeypatch.delenv('OMP_NUM_THREADS', raising=False)
    if given:
        monkeypatch.setenv('OMP_NUM_THREADS', given)
    monkeypatch.setattr('os.sched_getaffinity', lambda _: set(range(6)))
    monkeypatch.setattr('torch.set_num_threads', lambda count: now.append(count))
    share_cores.__wrapped__()
    assert now[-1] == threads


def broken_source() -> Iterator[int]:
    yield 1
    yield 2
    raise DriftError('torn')


def test_a_look_at_the_next_item_changes_nothing() -> None:
    items = Peekable(broken_source())
    assert [items.peek(), items.peek(), next(items), next(items), items.peek()] == [
        1,
        1,
        1,
        2,
        None,
    ]
    with pytest.raises(DriftError, match='torn'):
        next(items)
    whole = Peekable([1, 2, 3])
    assert [(item, whole.peek()) for item in whole] == [(1, 2), (2, 3), (3, None)]
