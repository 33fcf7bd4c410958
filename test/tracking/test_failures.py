"""What the tracker promises when a window fails: nothing lost, nothing wrong, nothing blind."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from clips import SIZE, blue_mask, clip_frame, iou, make_tracker, red_mask
from hypothesis import given, settings
from hypothesis import strategies as st

from drift_ros.errors import DeviceError, PromptError
from drift_ros.features import Descriptors, Window
from drift_ros.prompts.prompt import Prompt
from drift_ros.propagation import Memory, affinity
from drift_ros.structures import FailedFrames, TrackerOutput, TrackingResult
from drift_ros.tracking import Tracker

Make = Callable[..., Tracker]
RED = Prompt(id=1, name='red', mask=red_mask(0))


def out_of_memory() -> Exception:
    return torch.OutOfMemoryError('tried to allocate 2.00 GiB, 1.00 GiB free')


def fail(tracker: Tracker, when: Callable[[Window], bool], error: Exception | None = None) -> None:
    """Let the extractor raise on some windows."""
    extract = tracker.extractor.extract

    def checked(window: Window) -> Descriptors:
        if when(window):
            raise error or out_of_memory()
        return extract(window)

    tracker.extractor.extract = checked  # type: ignore[method-assign]


def shows(*indices: int) -> Callable[[Window], bool]:
    """Whether a window has one of these frames as a new one."""
    stamps = {clip_frame(index).stamp for index in indices}
    return lambda window: bool(stamps & set(window.stamps[-window.new :]))


def longer_than(most: int) -> Callable[[Window], bool]:
    return lambda window: len(window.images) > most


def split(outputs: Sequence[TrackerOutput]) -> tuple[list[TrackingResult], list[Exception]]:
    """Results and errors."""
    failed = [output for output in outputs if isinstance(output, FailedFrames)]
    results = [output for output in outputs if isinstance(output, TrackingResult)]
    return results, [output.error for output in failed]


def play(tracker: Tracker, frames: Sequence[int]) -> tuple[list[TrackingResult], list[Exception]]:
    """Results and errors, in the manner of the node."""
    outputs: list[TrackerOutput] = []
    for index in frames:
        outputs += tracker.step(clip_frame(index))
        while tracker.due:
            outputs += tracker.advance()
    return split(outputs)


def indices(results: Sequence[TrackingResult]) -> list[int]:
    return [r.frame.index for r in results]


def test_results_of_earlier_windows_survive_the_failure_of_a_later_one(make: Make) -> None:
    tracker = make(window__length=2, window__stride=2)
    for index in range(5):
        tracker.step(clip_frame(index))
    tracker.set_targets([RED], clip_frame(0).stamp)
    fail(tracker, shows(4), RuntimeError('broken'))
    *results, failed = tracker.step(clip_frame(5))
    assert indices(results) == [0, 1, 2, 3]
    assert isinstance(failed, FailedFrames) and isinstance(failed.error, RuntimeError)
    assert [frame.index for frame in failed.frames] == [4, 5]
    assert not tracker.due
    assert tracker.step(clip_frame(6)) == []
    assert indices(tracker.step(clip_frame(7))) == [6, 7]


def test_frames_of_a_failed_window_are_counted_as_a_gap(make: Make) -> None:
    tracker = make(window__length=4, window__stride=2)
    fail(tracker, shows(4))
    tracker.step(clip_frame(0), [RED])
    results, errors = play(tracker, [1, 2, 3, 4, 5, 8, 9, 10, 11])
    assert indices(results) == [0, 1, 2, 3, 8, 9, 10, 11]
    assert [r.gap for r in results] == [0, 0, 0, 0, 4, 0, 0, 0]
    assert [type(error) for error in errors] == [torch.OutOfMemoryError]
    assert (tracker.stats.failed, tracker.stats.lost, tracker.stats.results) == (2, 2, 8)
    assert list(tracker.targets) == [1]
    assert iou(results[-1].labels == 1, red_mask(11)) > 0.75


def test_a_target_that_can_never_be_seen_is_dropped_by_name(
    make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    tracker = make(window__length=2, window__stride=2)
    fail(tracker, shows(3))
    tracker.step(clip_frame(0), [RED])
    play(tracker, [1, 2])
    blue = Prompt(id=2, name='blue', mask=blue_mask(2))
    tracker.set_targets([blue], keep_existing=True)
    with caplog.at_level(logging.ERROR):
        results, errors = play(tracker, range(3, 8))
    assert len(errors) == 1
    assert tracker.targets == {1: 'red'}
    said = [r.getMessage() for r in caplog.records if r.levelno == logging.ERROR]
    assert ['2 (blue)' in each for each in said] == [True]
    assert indices(results) == [4, 5, 6, 7]
    assert {o.id for r in results for o in r.objects} == {1}
    assert iou(results[-1].labels == 1, red_mask(7)) > 0.75


def test_after_the_last_target_is_dropped_frames_pass_and_prompting_works(make: Make) -> None:
    tracker = make()
    fail(tracker, shows(0))
    (failed,) = tracker.step(clip_frame(0), [RED])
    assert isinstance(failed, FailedFrames)
    assert tracker.targets == {}
    results, errors = play(tracker, [1, 2])
    assert (indices(results), errors) == ([1, 2], [])
    with pytest.raises(PromptError, match='used before'):
        tracker.set_targets([RED], keep_existing=True)
    tracker.set_targets([Prompt(id=1, mask=red_mask(2))])
    results, errors = play(tracker, [3, 4])
    assert (indices(results), errors) == ([2, 3, 4], [])
    assert iou(results[-1].labels == 1, red_mask(4)) > 0.75


def test_windows_shrink_within_the_stream(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    tracker = make(length=16, window__may_shrink=True)
    fail(tracker, longer_than(5))
    tracker.step(clip_frame(0), [RED])
    results, errors = play(tracker, range(1, 20))
    more, further = split(tracker.flush())
    results += more
    assert (indices(results), errors + further) == (list(range(20)), [])
    assert tracker.window == (4, 4)
    assert tracker.stats.failed == 0
    said = [r.getMessage() for r in caplog.records if r.name == 'drift_ros.tracking.tracker']
    assert len(said) == 2 and all('trying windows of' in each for each in said)
    for index, result in enumerate(results):
        assert iou(result.labels == 1, red_mask(index)) > 0.75


def test_memory_that_is_too_little_for_one_frame_is_told(make: Make) -> None:
    tracker = make(length=4, window__may_shrink=True)
    fail(tracker, longer_than(0))
    tracker.step(clip_frame(0), [RED])
    results, errors = play(tracker, range(1, 5))
    assert tracker.window == (1, 1)
    assert len(errors) == 1  # then the target is gone, and no network runs
    assert indices(results) == [1, 2, 3, 4]


def test_a_failure_at_the_end_of_a_stream_does_not_cost_the_next_one(make: Make) -> None:
    tracker = make(window__length=4, initial_prompts=[RED])
    play(tracker, range(6))
    fail(tracker, shows(5), RuntimeError('broken'))
    (failed,) = tracker.step(clip_frame(0))  # a bag that loops
    assert isinstance(failed, FailedFrames)
    assert [frame.index for frame in failed.frames] == [4, 5]
    assert tracker.stats.restarts == 1
    results, errors = play(tracker, [1, 2, 3])
    assert (indices(results), errors) == ([0, 1, 2, 3], [])
    assert results[0].prompted


@pytest.mark.parametrize('end', ['flush', 'interrupt'])
def test_the_end_of_a_stream_comes_past_a_failure(make: Make, end: str) -> None:
    tracker = make(window__length=2, window__stride=2)
    for index in range(6):
        tracker.step(clip_frame(index))
    tracker.set_targets([RED], clip_frame(0).stamp)
    fail(tracker, shows(2))
    results, errors = split(getattr(tracker, end)())
    assert indices(results) == [0, 1, 4, 5] and len(errors) == 1
    assert tracker.flush() == []
    if end == 'interrupt':
        with pytest.raises(PromptError, match='no frame'):
            tracker.set_targets([RED])


def test_a_failure_of_propagation_keeps_what_was_labelled(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    tracker = make(window__length=4)
    propagate, calls = affinity.propagate, []

    def scarce(*args: object, **options: object) -> torch.Tensor:
        calls.append(1)
        if len(calls) == 2:
            raise out_of_memory()
        return propagate(*args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(affinity, 'propagate', scarce)
    tracker.step(clip_frame(0), [RED])
    results, errors = play(tracker, range(1, 8))
    assert indices(results) == [0, 1, 4, 5, 6, 7]
    assert len(errors) == 1
    assert results[2].gap == 2
    assert iou(results[-1].labels == 1, red_mask(7)) > 0.7


@pytest.mark.parametrize('may_shrink', [True, False])
@pytest.mark.parametrize('failing', [1, 2, 3])
def test_a_failure_to_remember_leaves_nothing_half_remembered(
    make: Make, monkeypatch: pytest.MonkeyPatch, failing: int, may_shrink: bool
) -> None:
    tracker = make(window__length=4, window__may_shrink=may_shrink)
    write, calls = Memory._write, []

    def scarce(*args: Any) -> None:
        calls.append(1)
        if len(calls) == failing:
            raise out_of_memory()
        write(*args)

    monkeypatch.setattr(Memory, '_write', scarce)
    tracker.step(clip_frame(0), [RED])
    results, errors = play(tracker, range(1, 9))
    more, _ = split(tracker.flush())
    results += more
    assert len(errors) == (not may_shrink)
    assert list(tracker.targets) == ([1] if may_shrink or failing > 1 else [])
    seen = list(range(9)) if may_shrink else [*range(failing - 1), *range(4, 9)]
    assert indices(results) == seen
    for result in results:
        if result.objects:
            assert iou(result.labels == 1, red_mask(result.frame.index)) > 0.7


@settings(deadline=None, max_examples=15)
@given(
    window=st.sampled_from([(1, 1), (3, 1), (4, 2), (5, 5)]),
    broken=st.sets(st.integers(0, 15), max_size=5),
    may_shrink=st.booleans(),
    late=st.integers(0, 6),
)
def test_whatever_fails_no_frame_is_lost_or_given_twice(
    window: tuple[int, int], broken: set[int], may_shrink: bool, late: int
) -> None:
    tracker = make_tracker(
        window__length=window[0], window__stride=window[1], window__may_shrink=may_shrink
    )
    fail(tracker, shows(*broken))
    results, errors = play(tracker, range(late + 1))
    if results:  # label anew from the first frame on
        tracker.set_targets([RED], clip_frame(0).stamp)
        results = []
    more, further = play(tracker, range(late + 1, 16))
    results += more
    last, errors_at_end = split(tracker.flush())
    results += last
    further += errors_at_end
    seen = indices(results)
    assert seen == sorted(set(seen))
    missing = set(range(16)) - set(seen)
    assert len(missing) == tracker.stats.failed
    assert broken & set(seen) == set() or not tracker.targets
    assert bool(missing) == bool(errors + further)
    if seen:
        assert sum(r.gap for r in results) + len(seen) == seen[-1] + 1
    for result in results:
        if result.objects:
            assert iou(result.labels == 1, red_mask(result.frame.index)) > 0.5
        else:
            assert not result.labels.any()


def test_too_little_memory_is_told_with_numbers(make: Make) -> None:
    tracker = make(length=16)
    fail(tracker, longer_than(8))
    with pytest.raises(DeviceError, match=r'16 frames at 96x64 px.*2\.00 GiB.*may_shrink'):
        tracker.warm_up(SIZE)


def test_windows_shrink_at_the_warm_up(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    tracker = make(length=16, window__may_shrink=True)
    fail(tracker, longer_than(5))
    tracker.warm_up(SIZE)
    assert tracker.window == (4, 4)
    assert len(caplog.records) == 2
    tracker.step(clip_frame(0), [RED])
    results, errors = play(tracker, range(1, 10))
    results += split(tracker.flush())[0]
    assert (indices(results), errors) == (list(range(10)), [])

    tracker = make(length=16, window__may_shrink=True)
    fail(tracker, longer_than(0))
    with pytest.raises(DeviceError, match='windows of 1 frames'):
        tracker.warm_up(SIZE)


def test_a_wrong_number_of_maps_is_a_failure_of_the_window(make: Make) -> None:
    tracker = make(window__length=2, features__colour=0)
    extract = tracker.extractor.extract

    def short(window: Window) -> Descriptors:
        maps = extract(window)
        return Descriptors.of(maps.features[:1], maps.stride)

    tracker.step(clip_frame(0), [RED])
    tracker.extractor.extract = short  # type: ignore[method-assign]
    results, errors = split(tracker.step(clip_frame(1)))
    assert [type(error) for error in errors] == [ValueError]
    assert np.array_equal(results[0].labels == 1, red_mask(0))
    assert tracker.stats.failed == 1
