"""What the tracker promises to those who stream frames through it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

import numpy as np
import pytest
import torch
from clips import (
    PERIOD,
    SIZE,
    GivenMasks,
    blue_mask,
    clip_frame,
    iou,
    make_tracker,
    picture,
    red_mask,
    square,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from drift_ros.errors import PromptError
from drift_ros.features.patch import PatchExtractor
from drift_ros.prompts.prompt import Prompt
from drift_ros.settings import TrackerSettings, build
from drift_ros.tracking import Tracker, TrackingResult

Make = Callable[..., Tracker]
RED = Prompt(id=1, name='red', mask=red_mask(0))
BLUE = Prompt(id=2, name='blue', mask=blue_mask(0))


def play(tracker: Tracker, count: int, first: int = 0) -> list[TrackingResult]:
    return [r for i in range(first, first + count) for r in tracker.step(clip_frame(i))]


def indices(results: Sequence[TrackingResult]) -> list[int]:
    return [r.frame.index for r in results]


def test_tracks_two_targets(make: Make) -> None:
    tracker = make()
    results = tracker.step(clip_frame(0), [RED, BLUE]) + play(tracker, 19, 1)
    assert indices(results) == list(range(20))
    np.testing.assert_array_equal(results[0].labels == 1, red_mask(0))
    for index, result in enumerate(results):
        assert iou(result.labels == 1, red_mask(index)) > 0.78
        assert iou(result.labels == 2, blue_mask(index)) > 0.78
        red, blue = result.objects
        assert (red.id, red.name, blue.id, blue.name) == (1, 'red', 2, 'blue')
        assert red.visible
        assert red.score > 0.6
        ys, xs = np.nonzero(red_mask(index))
        assert abs(red.centroid[0] - xs.mean()) < 2
        assert abs(red.centroid[1] - ys.mean()) < 2


def test_without_targets_frames_pass_at_once_and_no_network_runs(make: Make) -> None:
    tracker = make(length=8)
    for index in range(5):
        (result,) = tracker.step(clip_frame(index))
        assert result.frame.index == index
        assert not result.labels.any()
        assert result.objects == ()
    assert tracker.extractor.windows == []  # type: ignore[attr-defined]


@pytest.mark.parametrize(('length', 'stride'), [(1, 1), (4, 4), (4, 1), (8, 3), (16, 16)])
def test_every_frame_is_released_once_in_order(make: Make, length: int, stride: int) -> None:
    tracker = make(window__length=length, window__stride=stride)
    results = tracker.step(clip_frame(0), [RED])
    for index in range(1, 22):
        results += tracker.step(clip_frame(index))
        assert index - results[-1].frame.index < stride if results else index < stride
    results += tracker.flush()
    assert indices(results) == list(range(22))
    assert tracker.stats.results == 22
    assert tracker.flush() == []


def test_the_extractor_sees_full_overlapping_windows(make: Make) -> None:
    tracker = make(window__length=4, window__stride=2)
    tracker.step(clip_frame(0), [RED])
    play(tracker, 6, 1)
    tracker.flush()
    seen = [
        ([(s - 10**18) // PERIOD for s in stamps], new)
        for stamps, new in tracker.extractor.windows  # type: ignore[attr-defined]
    ]
    assert seen == [([0, 1], 2), ([0, 1, 2, 3], 2), ([2, 3, 4, 5], 2), ([3, 4, 5, 6], 1)]


@settings(deadline=None, max_examples=8)
@given(late=st.integers(0, 7), stride=st.sampled_from([1, 2, 5]))
def test_a_prompt_on_a_past_frame_gives_what_an_early_prompt_gives(late: int, stride: int) -> None:
    """Live: the click arrives `late` frames after the picture it was made on. Offline: at once."""
    options = {'window__length': 5, 'window__stride': stride}
    offline = make_tracker(**options)
    expected = offline.step(clip_frame(0), [RED, BLUE]) + play(offline, 11, 1) + offline.flush()

    live = make_tracker(**options)
    unprompted = play(live, late + 1)
    assert indices(unprompted) == list(range(late + 1))
    preview = live.set_targets([RED, BLUE], stamp=clip_frame(0).stamp)
    assert preview.frame.index == 0
    np.testing.assert_array_equal(preview.labels == 1, red_mask(0))
    found = []
    while live.due:
        found += live.advance()
    found += play(live, 11 - late, late + 1) + live.flush()
    assert indices(found) == indices(expected)
    assert all(r.generation == preview.generation for r in found)
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_array_equal(a.labels, b.labels)


def test_a_further_target_on_a_past_frame_is_caught_up_silently(make: Make) -> None:
    tracker = make()
    results = tracker.step(clip_frame(0), [RED]) + play(tracker, 9, 1)
    generation = tracker.generation
    blue = Prompt(name='blue', mask=blue_mask(5))
    preview = tracker.set_targets([blue], stamp=clip_frame(5).stamp, keep_existing=True)
    assert preview.ids == (2,)
    assert iou(preview.labels == 1, red_mask(5)) > 0.78
    results += play(tracker, 8, 10)
    assert indices(results) == list(range(18))
    assert {r.generation for r in results} == {generation}
    for index in range(10, 18):
        assert iou(results[index].labels == 1, red_mask(index)) > 0.78
        assert iou(results[index].labels == 2, blue_mask(index)) > 0.78


def test_a_target_added_late_is_not_drowned_by_frames_that_did_not_know_it(make: Make) -> None:
    tracker = make(propagation__memory=20, propagation__top_k=30)
    tracker.step(clip_frame(0), [RED])
    play(tracker, 19, 1)
    results = tracker.step(clip_frame(20), [Prompt(name='blue', mask=blue_mask(20))])
    results += play(tracker, 6, 21)
    for index, result in enumerate(results, 20):
        assert iou(result.labels == 2, blue_mask(index)) > 0.75
        assert iou(result.labels == 1, red_mask(index)) > 0.75


def test_prompting_a_frame_older_than_the_memory_keeps_the_others(make: Make) -> None:
    tracker = make(propagation__memory=2)
    tracker.step(clip_frame(0), [RED])
    play(tracker, 19, 1)
    blue = Prompt(name='blue', mask=blue_mask(12))
    tracker.set_targets([blue], stamp=clip_frame(12).stamp, keep_existing=True)
    (result,) = play(tracker, 1, 20)
    assert iou(result.labels == 1, red_mask(20)) > 0.95
    assert iou(result.labels == 2, blue_mask(20)) > 0.95


def test_more_prompted_frames_than_references(make: Make) -> None:
    tracker = make(propagation__max_references=2)
    results = tracker.step(clip_frame(0), [RED])
    for index in range(1, 8):
        blue = Prompt(mask=blue_mask(index))
        results += tracker.step(clip_frame(index), [blue])
        tracker.remove_targets([max(tracker.targets)])
    (result,) = play(tracker, 1, 8)
    assert list(tracker.targets) == [1]
    assert iou(result.labels == 1, red_mask(8)) > 0.95


def test_removing_one_target_leaves_the_others(make: Make) -> None:
    tracker = make()
    tracker.step(clip_frame(0), [RED, BLUE])
    play(tracker, 5, 1)
    tracker.remove_targets([1])
    for index, result in enumerate(play(tracker, 5, 6), 6):
        assert set(np.unique(result.labels)) == {0, 2}
        assert [o.id for o in result.objects] == [2]
        assert iou(result.labels == 2, blue_mask(index)) > 0.78
    tracker.remove_targets([2])
    (result,) = play(tracker, 1, 11)
    assert result.objects == ()
    with pytest.raises(PromptError):
        tracker.step(clip_frame(12), [Prompt(id=2, mask=blue_mask(12))])
    (refused, following) = tracker.step(clip_frame(13), [Prompt(mask=blue_mask(13))])
    assert (refused.frame.index, following.frame.index) == (12, 13)
    assert list(tracker.targets) == [3]  # ids are not given twice


def test_prompting_a_target_again_replaces_what_was_known_of_it(make: Make) -> None:
    tracker = make(propagation__memory=20, propagation__top_k=30)
    results = tracker.step(clip_frame(0), [RED, Prompt(id=2, name='wrong', mask=red_mask(20))])
    results += play(tracker, 9, 1)
    generation = tracker.generation
    preview = tracker.set_targets([Prompt(id=2, mask=blue_mask(9))], keep_existing=True)
    assert preview.ids == (2,)
    np.testing.assert_array_equal(preview.labels == 2, blue_mask(9))
    results += play(tracker, 6, 10)
    assert indices(results) == list(range(16))
    assert results[-1].generation == generation
    assert tracker.targets == {1: 'red', 2: 'wrong'}
    for index in range(10, 16):
        assert iou(results[index].labels == 1, red_mask(index)) > 0.78
        assert iou(results[index].labels == 2, blue_mask(index)) > 0.78


def test_a_target_that_leaves_is_invisible_and_comes_back_with_its_id(make: Make) -> None:
    tracker = make(propagation__radius=0, propagation__temperature=0.01)
    tracker.step(clip_frame(0), [RED, BLUE])
    play(tracker, 3, 1)
    for index in range(4, 16):  # longer than the memory of recent frames
        (result,) = tracker.step(clip_frame(index, image=picture(index, red=False)))
        red, blue = result.objects
        assert not red.visible
        assert red.area == 0
        assert red.score == 0
        assert blue.visible
        assert 1 not in result.labels
    (result,) = play(tracker, 1, 16)
    assert iou(result.labels == 1, red_mask(16)) > 0.95


def test_a_reset_begins_a_generation_and_reuses_ids(make: Make) -> None:
    tracker = make()
    tracker.step(clip_frame(0), [RED])
    play(tracker, 4, 1)
    before = tracker.generation
    preview = tracker.set_targets([Prompt(id=1, name='other', mask=blue_mask(4))])
    assert preview.generation == tracker.generation > before
    assert tracker.targets == {1: 'other'}
    results = tracker.advance() + play(tracker, 2, 5)
    assert indices(results) == [4, 5, 6]
    assert iou(results[-1].labels == 1, blue_mask(6)) > 0.95
    tracker.reset()
    assert tracker.targets == {}
    assert tracker.generation > preview.generation


def test_clearing_keeps_the_frames(make: Make) -> None:
    tracker = make()
    tracker.step(clip_frame(0), [RED])
    play(tracker, 4, 1)
    before = tracker.generation
    tracker.clear_targets()
    assert tracker.generation == before + 1
    (result,) = play(tracker, 1, 5)
    assert result.objects == ()
    tracker.set_targets([Prompt(mask=red_mask(2))], stamp=clip_frame(2).stamp)
    results = []
    while tracker.due:
        results += tracker.advance()
    assert indices(results) == [2, 3, 4, 5]
    assert iou(results[-1].labels == 1, red_mask(5)) > 0.75


def test_frames_that_wait_when_a_new_generation_begins_belong_to_the_old_one(make: Make) -> None:
    tracker = make(window__length=4)
    assert tracker.step(clip_frame(0), [RED]) == []
    assert play(tracker, 2, 1) == []
    before = tracker.generation
    preview = tracker.set_targets([Prompt(id=2, mask=red_mask(2))], stamp=clip_frame(2).stamp)
    results = play(tracker, 3, 3) + tracker.flush()
    assert indices(results) == [0, 1, 2, 3, 4, 5]
    assert [r.generation for r in results] == [before] * 2 + [preview.generation] * 4
    for result in results:
        shown = result.labels == (1 if result.generation == before else 2)
        assert iou(shown, red_mask(result.frame.index)) > 0.75


@pytest.mark.parametrize('steps_back', [1, 2])
def test_late_and_repeated_frames_are_skipped(make: Make, steps_back: int) -> None:
    tracker = make(stream__backward_jump=0.1)
    tracker.step(clip_frame(0), [RED])
    play(tracker, 5, 1)
    assert tracker.step(clip_frame(5)) == []
    assert tracker.step(clip_frame(5 - steps_back)) == []
    assert tracker.stats.late == 2
    assert tracker.stats.restarts == 0
    assert len(play(tracker, 1, 6)) == 1
    assert list(tracker.targets) == [1]


@pytest.mark.parametrize(
    ('change', 'reason'),
    [
        ({'stamp': 5}, 'time went back'),
        ({'image': np.zeros((32, 32, 3), np.uint8)}, 'size changed from 96x64 to 32x32'),
        ({'frame_id': 'other'}, "frame_id changed from 'camera' to 'other'"),
    ],
)
def test_another_stream_begins_without_targets(
    make: Make, change: dict[str, object], reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    tracker = make(window__length=4)
    results = tracker.step(clip_frame(0), [RED]) + play(tracker, 5, 1)
    generation = tracker.generation
    with caplog.at_level(logging.WARNING, logger='drift_ros'):
        results += tracker.step(clip_frame(6, **change))
    assert indices(results) == list(range(7))  # what waited is released, as a shorter window
    assert results[5].objects
    assert not results[6].objects
    assert results[6].generation == tracker.generation > generation
    assert tracker.targets == {}
    assert reason in tracker.stats.last_restart
    said = [r.getMessage() for r in caplog.records if r.name == 'drift_ros.tracking.tracker']
    assert [reason in each for each in said] == [True]


def test_initial_prompts_apply_to_every_stream(make: Make) -> None:
    tracker = make(initial_prompts=[RED])
    first = play(tracker, 5)
    again = play(tracker, 5)  # a bag that loops
    assert [o.name for r in first + again for o in r.objects] == ['red'] * 10
    assert first[0].generation < again[0].generation
    for a, b in zip(first, again, strict=True):
        np.testing.assert_array_equal(a.labels, b.labels)


def test_initial_prompts_that_do_not_fit_are_reported_and_frames_pass(
    make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    tracker = make(initial_prompts=[Prompt(mask=np.zeros(SIZE, bool))])
    assert len(play(tracker, 3)) == 3
    assert sum(r.levelno == logging.ERROR for r in caplog.records) == 1


def test_another_encoding_keeps_the_targets(make: Make) -> None:
    tracker = make(window__length=4, window__stride=2)
    results = tracker.step(clip_frame(0), [RED]) + play(tracker, 4, 1)
    results += tracker.step(clip_frame(5, encoding='bgr8')) + tracker.flush()
    assert indices(results) == list(range(6))
    assert iou(results[5].labels == 1, red_mask(5)) > 0.78
    assert len(tracker.extractor.windows[-1][0]) == 1  # type: ignore[attr-defined]
    assert tracker.stats.restarts == 0


def test_gaps_are_told(make: Make) -> None:
    tracker = make()
    tracker.step(clip_frame(0), [RED])
    (result,) = tracker.step(clip_frame(4))
    assert result.gap == 3
    assert tracker.stats.lost == 3


@pytest.mark.parametrize(
    ('prompts', 'stamp', 'message'),
    [
        ([Prompt(id=255, mask=blue_mask(3))], None, '255'),
        ([Prompt(id=7, mask=blue_mask(3)), Prompt(id=7, mask=blue_mask(3))], None, '7'),
        ([Prompt(mask=np.zeros(SIZE, bool))], None, 'empty|no pixel'),
        ([Prompt(mask=square(20)), Prompt(mask=square(20))], None, 'under later prompts'),
        ([Prompt(mask=np.ones((3, 3), bool))], None, '3x3'),
        ([Prompt()], None, 'point'),
        ([], None, 'prompt'),
        ([Prompt(mask=blue_mask(3))], 12345, 'no frame with stamp'),
    ],
)
def test_bad_prompts_change_nothing(
    make: Make, prompts: list[Prompt], stamp: int | None, message: str
) -> None:
    tracker, untouched = make(), make()
    for each in (tracker, untouched):
        each.step(clip_frame(0), [RED])
        play(each, 3, 1)
    for keep in (True, False):
        with pytest.raises(PromptError, match=message):
            tracker.set_targets(prompts, stamp, keep_existing=keep)
    assert tracker.targets == untouched.targets
    assert tracker.generation == untouched.generation
    for a, b in zip(play(tracker, 4, 4), play(untouched, 4, 4), strict=True):
        np.testing.assert_array_equal(a.labels, b.labels)


def test_an_image_that_was_left_out_is_refused_with_the_nearest_frame(make: Make) -> None:
    tracker = make()
    for k in (0, 8, 16):
        tracker.step(clip_frame(k))
    stamp = clip_frame(8).stamp
    with pytest.raises(PromptError, match='left out') as refused:
        tracker.set_targets([Prompt(mask=blue_mask(9))], clip_frame(9).stamp)
    assert f'{stamp // 10**9}.{stamp % 10**9:09d}' in str(refused.value)
    assert not tracker.targets


def test_254_targets_and_not_one_more(make: Make) -> None:
    tracker = make()
    masks = [np.zeros(SIZE, bool) for _ in range(255)]
    for number, mask in enumerate(masks):
        mask[number // 32 * 8, number % 32 * 3] = True
    tracker.step(clip_frame(0), [Prompt(mask=m) for m in masks[:254]])
    assert list(tracker.targets) == list(range(1, 255))
    (result,) = play(tracker, 1, 1)
    assert len(result.objects) == 254
    assert tracker._masks.memory.labels[0].amax((1, 2)).min() == 1  # each has a cell
    with pytest.raises(PromptError):
        tracker.set_targets([Prompt(mask=masks[254])], keep_existing=True)


@pytest.mark.parametrize('ids', [[9], [0], [], [1, 9]])
def test_removing_what_is_not_tracked_is_refused(make: Make, ids: list[int]) -> None:
    tracker = make()
    tracker.step(clip_frame(0), [RED])
    with pytest.raises(PromptError, match=': 1'):
        tracker.remove_targets(ids)
    assert list(tracker.targets) == [1]


def test_prompting_before_the_first_frame_is_refused(make: Make) -> None:
    with pytest.raises(PromptError):
        make().set_targets([RED])


def test_memory_is_bounded(make: Make) -> None:
    tracker = make(window__length=4, window__stride=2, window__history=6)
    tracker.step(clip_frame(0), [RED])
    sizes = set()
    for index in range(1, 60):
        image = picture(index % 20)
        tracker.step(clip_frame(index, image=image))
        if index > 30:
            sizes.add(len(tracker._buffer.all()))
            sizes.add(len(tracker._masks.memory))
    assert max(sizes) <= 8


def test_the_frame_and_its_image_come_back_untouched(make: Make) -> None:
    frame = clip_frame(0)
    before = frame.image.copy()
    frame.image.setflags(write=False)
    tracker = make()
    (result,) = tracker.step(frame, [RED])
    assert result.frame is frame
    np.testing.assert_array_equal(frame.image, before)


def test_warm_up_leaves_no_trace(make: Make) -> None:
    tracker = make(length=4)
    tracker.warm_up(SIZE)
    assert len(tracker.extractor.windows[0][0]) == 4  # type: ignore[attr-defined]
    assert tracker.stats.windows == 0


def test_an_interruption_is_no_motion(make: Make) -> None:
    tracker = make(window__length=4, window__stride=2)
    tracker.step(clip_frame(0), [RED])
    play(tracker, 4, 1)
    assert indices(tracker.interrupt()) == [4]
    with pytest.raises(PromptError):
        tracker.set_targets([BLUE])
    assert tracker.set_targets([BLUE], clip_frame(4).stamp, keep_existing=True).ids == (2,)
    tracker.flush()
    play(tracker, 2, 5)
    first = tracker.extractor.windows[-1][0][0]  # type: ignore[attr-defined]
    assert first == clip_frame(5).stamp


def test_a_prompt_for_another_camera_is_refused(make: Make) -> None:
    tracker = make()
    play(tracker, 2)
    with pytest.raises(PromptError, match=r"'other'.*'camera'"):
        tracker.set_targets([RED], frame_id='other')
    assert tracker.set_targets([RED], frame_id='camera').ids == (1,)


def test_a_stream_that_changes_all_the_time_does_not_flood_the_log(
    make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    tracker = make()
    for index in range(60):
        tracker.step(clip_frame(index, frame_id=f'camera {index % 2}'))
    assert tracker.stats.restarts == 59
    assert 0 < len(caplog.records) < 6
    assert 'two cameras' in caplog.records[-1].getMessage()


def test_a_black_frame_does_not_poison_half_precision() -> None:
    settings = build(TrackerSettings, {'features.resolution': 0, 'propagation.radius': 4})
    extractor = PatchExtractor(torch.device('cpu'), torch.float16)
    tracker = Tracker(extractor, GivenMasks(), settings)
    tracker.step(clip_frame(0), [RED])
    play(tracker, 3, 1)
    tracker.step(clip_frame(4, image=np.zeros((*SIZE, 3), np.uint8)))
    results = play(tracker, 5, 5)
    assert iou(results[-1].labels == 1, red_mask(9)) > 0.78


def test_a_target_named_anew_on_an_earlier_frame_forgets_its_later_prompt(make: Make) -> None:
    tracker = make()
    tracker.step(clip_frame(0), [RED])
    play(tracker, 9, 1)
    for index, mask in ((6, red_mask(6)), (4, blue_mask(4))):
        again = Prompt(id=1, mask=mask)
        tracker.set_targets([again], clip_frame(index).stamp, keep_existing=True)
    (result,) = play(tracker, 1, 10)
    assert iou(result.labels == 1, blue_mask(10)) > 0.95


@pytest.mark.parametrize('steps', [3, 5, 6])
def test_naming_a_target_anew_does_not_hide_it_in_frames_that_wait(make: Make, steps: int) -> None:
    tracker = make(window__length=4, window__stride=4)
    results = tracker.step(clip_frame(0), [RED, BLUE]) + play(tracker, 4 + steps, 1)
    newest = 4 + steps
    again = Prompt(id=1, mask=red_mask(newest))
    tracker.set_targets([again], keep_existing=True)
    results += tracker.advance() if tracker.due else []
    results += play(tracker, 6, newest + 1) + tracker.flush()
    assert indices(results) == list(range(newest + 7))
    for index, result in enumerate(results):
        assert iou(result.labels == 1, red_mask(index)) > 0.7
        assert iou(result.labels == 2, blue_mask(index)) > 0.7


def test_going_back_over_changes_of_encoding_mixes_none(make: Make) -> None:
    encodings = ['rgb8', 'rgb8', 'bgr8', 'mono8', 'mono8', 'rgb8', 'rgb8', 'rgb8']
    tracker = make(window__length=4, window__stride=2)
    for index, encoding in enumerate(encodings):
        tracker.step(clip_frame(index, encoding=encoding), [RED] if index == 0 else [])
    before = len(tracker.extractor.windows)  # type: ignore[attr-defined]
    tracker.set_targets([BLUE], clip_frame(0).stamp, keep_existing=True)
    tracker.flush()
    shown = [
        {encodings[(stamp - 10**18) // PERIOD] for stamp in stamps}
        for stamps, _ in tracker.extractor.windows[before:]  # type: ignore[attr-defined]
    ]
    assert sum(len(kinds) for kinds in shown) == len(shown) > 3


def test_flushing_hands_out_what_a_refused_prompt_held_back(make: Make) -> None:
    tracker = make(window__length=4)
    tracker.step(clip_frame(0), [RED])
    play(tracker, 1, 1)
    wrong = Prompt(mask=np.zeros((32, 32), bool))
    with pytest.raises(PromptError):  # frames 0 and 1 were labelled for the restart
        tracker.step(clip_frame(2, frame_id='other'), [wrong])
    assert indices(tracker.flush()) == [0, 1, 2]
    assert tracker.flush() == []


def test_released_labels_are_read_only(make: Make) -> None:
    tracker = make()
    results = play(tracker, 1) + tracker.step(clip_frame(1), [RED]) + play(tracker, 1, 2)
    for result in results:
        with pytest.raises(ValueError, match='read-only'):
            result.labels[0, 0] = 1


def test_a_late_frame_is_no_gap(make: Make) -> None:
    tracker = make()
    tracker.step(clip_frame(0), [RED])
    play(tracker, 2, 1)
    assert tracker.step(clip_frame(3, stamp=clip_frame(1).stamp)) == []
    (result,) = play(tracker, 1, 4)
    assert result.gap == 0
    assert tracker.stats.lost == 0


@pytest.mark.parametrize('size', [(1, 3000), (3000, 1), (1, 1)])
def test_strips_of_images_pass(make: Make, size: tuple[int, int]) -> None:
    tracker = make(features__resolution=64)
    mask = np.ones(size, bool)
    for index in range(3):
        frame = clip_frame(index, image=np.zeros((*size, 3), np.uint8))
        (result,) = tracker.step(frame, [Prompt(mask=mask)] if index == 0 else [])
        assert result.labels.shape == size
