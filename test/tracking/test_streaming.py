"""Extractors that take a stream frame by frame, as the tracker uses them."""

from __future__ import annotations

import numpy as np
import pytest
from clips import CausalColours, blue_mask, clip_frame, iou, make_tracker, red_mask
from hypothesis import given, settings
from hypothesis import strategies as st

from drift_ros.prompts.prompt import Prompt
from drift_ros.structures import FailedFrames, TrackingResult
from drift_ros.tracking import Tracker

RED = Prompt(id=1, name='red', mask=red_mask(0))


def make(**values: object) -> tuple[Tracker, CausalColours]:
    extractor = CausalColours(4)
    return make_tracker(extractor=extractor, **values), extractor  # type: ignore[arg-type]


def play(tracker: Tracker, first: int, end: int) -> list[TrackingResult]:
    return [r for index in range(first, end) for r in tracker.step(clip_frame(index))]


def shown(extractor: CausalColours) -> list[list[int]]:
    """Indices of the frames that sessions were shown, by run."""
    zero, period = clip_frame(0).stamp, clip_frame(1).stamp - clip_frame(0).stamp
    return [[(stamp - zero) // period for stamp in run] for run in extractor.runs]


@pytest.mark.parametrize('length', [0, 1, 8])
def test_every_result_comes_with_its_frame(length: int) -> None:
    tracker, extractor = make(window__length=length)
    (first,) = tracker.step(clip_frame(0), [RED])
    assert first.prompted
    for index in range(1, 6):
        (result,) = tracker.step(clip_frame(index))
        assert result.frame.index == index
        assert iou(result.labels == 1, red_mask(index)) > 0.75
    assert shown(extractor) == [[0, 1, 2, 3, 4, 5]]


def test_several_frames_per_pass_give_the_same() -> None:
    (one, _), (several, extractor) = make(), make(window__stride=3)
    expected = one.step(clip_frame(0), [RED]) + play(one, 1, 8)
    found = several.step(clip_frame(0), [RED]) + play(several, 1, 8) + several.flush()
    assert shown(extractor) == [list(range(8))]
    assert [new for _, new in extractor.windows] == [3, 3, 2]
    for a, b in zip(found, expected, strict=True):
        assert np.array_equal(a.labels, b.labels)


def test_going_back_computes_nothing_again() -> None:
    tracker, extractor = make()
    tracker.step(clip_frame(0), [RED])
    play(tracker, 1, 8)
    blue = Prompt(id=2, mask=blue_mask(3))
    tracker.set_targets([blue], clip_frame(3).stamp, keep_existing=True)
    results = play(tracker, 8, 10)
    tracker.set_targets([blue], clip_frame(3).stamp)
    results += play(tracker, 10, 11)
    assert shown(extractor) == [list(range(11))]
    assert [r.frame.index for r in results] == [8, 9, *range(3, 11)]
    assert iou(results[-1].labels == 2, blue_mask(10)) > 0.75


def test_a_stream_begins_anew_where_frames_do_not_follow_on() -> None:
    tracker, extractor = make()
    play(tracker, 0, 2)  # nothing to track: nothing is described
    tracker.step(clip_frame(2), [Prompt(mask=red_mask(2))])
    play(tracker, 3, 4)
    tracker.interrupt()
    play(tracker, 4, 6)
    tracker.step(clip_frame(6, encoding='bgr8'))
    tracker.clear_targets()
    play(tracker, 7, 9)
    tracker.set_targets([Prompt(mask=red_mask(8))])
    play(tracker, 9, 10)
    assert shown(extractor) == [[2, 3], [4, 5], [6], [8, 9]]


def test_after_a_failure_the_stream_begins_anew() -> None:
    tracker, extractor = make()
    tracker.step(clip_frame(0), [RED])
    play(tracker, 1, 3)
    extract, extractor.extract = extractor.extract, None  # type: ignore[assignment, method-assign]
    (failed,) = tracker.step(clip_frame(3))
    assert isinstance(failed, FailedFrames)
    extractor.extract = extract  # type: ignore[method-assign]
    results = play(tracker, 4, 6)
    assert [(r.frame.index, r.gap) for r in results] == [(4, 1), (5, 0)]
    assert shown(extractor)[-1] == [4, 5]


@settings(deadline=None, max_examples=20)
@given(late=st.integers(0, 6), backwards=st.integers(0, 6))
def test_live_equals_offline(late: int, backwards: int) -> None:
    (live, _), (offline, _) = make(), make()
    on = max(0, late - backwards)
    red = Prompt(id=1, mask=red_mask(on))
    play(live, 0, late + 1)
    live.set_targets([red], clip_frame(on).stamp)
    found = play(live, late + 1, 10) + live.flush()
    play(offline, 0, on)
    expected = offline.step(clip_frame(on), [red]) + play(offline, on + 1, 10)
    assert [r.frame.index for r in found] == list(range(on, 10))
    for a, b in zip(found, expected, strict=True):
        assert np.array_equal(a.labels, b.labels)
        assert a.objects == b.objects


def test_trackers_on_one_extractor_never_meet() -> None:
    extractor = CausalColours(4)
    one, two = (make_tracker(extractor=extractor) for _ in range(2))
    for index in range(4):
        prompts = [RED] if not index else []
        (a,) = one.step(clip_frame(index), prompts)
        hidden = clip_frame(index, image=255 - clip_frame(index).image)
        (b,) = two.step(hidden, prompts)
    assert shown(extractor) == [[0, 1, 2, 3]] * 2
    assert iou(a.labels == 1, red_mask(3)) > 0.75 and iou(b.labels == 1, red_mask(3)) > 0.75
