"""Targets that come back are found by how they looked, and a twin is not taken for them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
from clips import PERIOD, SIZE, clip_frame, iou, make_tracker, square
from numpy.typing import NDArray

from drift_ros.prompts.prompt import Prompt
from drift_ros.structures import Frame, TargetState, TrackingResult
from drift_ros.tracking import Tracker, appearance, confidence, mask_propagator
from drift_ros.tracking.anchors import Match
from drift_ros.tracking.reacquisition import Reacquisition
from drift_ros.tracking.recognition import Recognition
from drift_ros.tracking.tentative import BELIEVED, UNSURE

RED, BLUE, GREEN = (230, 20, 20), (20, 20, 230), (30, 160, 60)
Scene = Mapping[tuple[int, int], tuple[int, int, int]]


def picture(scene: Scene, side: int = 16) -> NDArray[np.uint8]:
    """Squares of some colours at (x, y), on green."""
    image = np.full((*SIZE, 3), GREEN, np.uint8)
    for (x, y), colour in scene.items():
        image[square(x, y, side)] = colour
    return image


def track(tracker: Tracker, scenes: list[NDArray[np.uint8]]) -> list[TrackingResult]:
    results = []
    for index, image in enumerate(scenes):
        found = [*tracker.step(clip_frame(index, image=image))]
        results += [r for r in found if isinstance(r, TrackingResult)]
    return results


HERE, THERE = (4, 4), (76, 44)  # farther apart than the search window
AWAY = 60  # frames until a target is lost


def red(**settings: object) -> Tracker:
    return make_tracker(initial_prompts=[Prompt(id=1, mask=square(*HERE))], **settings)


def came_back(results: list[TrackingResult], place: tuple[int, int]) -> float:
    return iou(results[-1].labels == 1, square(*place))


def test_a_target_of_one_pixel_is_tracked() -> None:
    mask = np.zeros((720, 1280), bool)
    mask[360, 640] = True
    image = np.where(mask[..., None], np.uint8(220), np.uint8(60)).repeat(3, 2)
    tracker = make_tracker(features__resolution=240)
    (result,) = tracker.step(clip_frame(0, image=image), [Prompt(id=1, mask=mask)])
    assert isinstance(result, TrackingResult) and tracker.targets == {1: ''}


@pytest.mark.parametrize('how', ['none', 'near', 'anywhere'])
def test_a_lost_target_is_found_where_it_comes_back(how: str) -> None:
    gone = [picture({HERE: RED})] * 3 + [picture({})] * AWAY
    results = track(red(targets__reacquire=how), [*gone, picture({THERE: RED})])
    assert results[-2].objects[0].state == TargetState.LOST
    assert not results[-2].labels.any()
    assert (came_back(results, THERE) > 0.8) == (how == 'anywhere')
    assert results[-1].objects[0].visible == (how == 'anywhere')


def test_something_else_is_not_taken_for_it() -> None:
    gone = [picture({HERE: RED})] * 3 + [picture({})] * AWAY
    results = track(red(), [*gone, *[picture({THERE: BLUE})] * 3])
    assert not results[-1].labels.any()


@pytest.mark.parametrize('side', [4, 40])
def test_something_alike_of_another_size_is_not_taken_for_it(side: int) -> None:
    gone = [picture({HERE: RED})] * 3 + [picture({})] * AWAY
    results = track(red(), [*gone, *[picture({(40, 12): RED}, side)] * 3])
    assert not results[-1].labels.any()


@pytest.mark.parametrize(('how', 'taken'), [('near', True), ('anywhere', False)])
def test_a_lost_target_is_not_back_where_labels_reach_something_alike(
    how: str, taken: bool
) -> None:
    gone = [picture({HERE: RED})] * 3 + [picture({})] * AWAY
    results = track(red(targets__reacquire=how), [*gone, *[picture({HERE: RED}, 8)] * 3])
    assert results[-4].objects[0].state == TargetState.LOST
    assert results[-1].labels.any() == taken


@pytest.mark.parametrize(('most', 'found'), [(1.18, False), (3.0, True)])
def test_how_much_its_size_may_have_changed(most: float, found: bool) -> None:
    gone = [picture({HERE: RED})] * 3 + [picture({})] * AWAY
    tracker = red(targets__max_size_change=most)
    results = track(tracker, [*gone, *[picture({(40, 12): RED}, 20)] * 3])
    assert results[-1].labels.any() == found


def test_what_the_border_cuts_off_is_taken_as_well() -> None:
    gone = [picture({HERE: RED})] * 3 + [picture({})] * AWAY
    part = (72, 52)  # 12 of its 16 rows are in the image
    results = track(red(targets__max_size_change=2.0), [*gone, *[picture({part: RED})] * 3])
    assert came_back(results, part) > 0.8


def nearer(after: int, frames: int) -> list[TrackingResult]:
    larger = picture({(40, 12): RED}, 20)
    gone = [picture({HERE: RED})] * 3 + [picture({})] * AWAY
    return track(red(targets__any_size_after=after), [*gone, *[larger] * frames])[len(gone) :]


def test_what_comes_back_nearer_is_found_late_and_as_unsure() -> None:
    results = nearer(6, 8 + BELIEVED)
    assert not any(result.labels.any() for result in results[:5])
    for number, result in enumerate(results[5:], 5):
        (obj,) = result.objects
        assert obj.visible and (obj.score <= UNSURE) == (number < 6 + BELIEVED), number
    assert not any(result.labels.any() for result in nearer(0, 40))


def test_what_has_its_size_is_taken_in_its_place() -> None:
    gone = [picture({HERE: RED})] * 3 + [picture({})] * AWAY
    image = picture({(40, 12): RED}, 20)
    both = image.copy()
    both[square(*THERE)] = RED
    tracker = red(targets__any_size_after=6)
    results = track(tracker, [*gone, *[image] * 8, *[both] * 8])
    assert came_back(results, THERE) > 0.8
    assert results[-1].objects[0].score > UNSURE


def test_a_prompt_on_a_past_frame_makes_it_no_surer() -> None:
    gone = [picture({HERE: RED, (8, 44): BLUE})] * 3 + [picture({(8, 44): BLUE})] * AWAY
    back = [picture({(40, 12): RED, (8, 44): BLUE}, 20)] * 12
    tracker = red(targets__any_size_after=6)
    results = track(tracker, [*gone, *back])
    assert results[-1].objects[0].visible and results[-1].objects[0].score <= UNSURE
    blue = Prompt(id=2, mask=square(8, 44, 20))
    tracker.set_targets([blue], results[-3].frame.stamp, keep_existing=True)
    (last,) = tracker.step(clip_frame(len(gone) + len(back), image=back[0]))
    assert isinstance(last, TrackingResult)
    red_one, blue_one = last.objects
    assert red_one.visible and red_one.score <= UNSURE < blue_one.score


def test_a_twin_that_was_in_sight_beside_the_target_is_not_taken_for_it() -> None:
    """Nobody asked for it, and it looks the same and is as large."""
    both, twin = picture({HERE: RED, THERE: RED}), picture({THERE: RED})
    tracker = red()
    results = track(tracker, [*[both] * 12, *[twin] * AWAY])
    assert results[11].objects[0].visible
    assert not any(result.labels.any() for result in results[-20:])
    elsewhere = (40, 12)
    results = [
        result
        for index in range(3)
        for result in tracker.step(
            clip_frame(12 + AWAY + index, image=picture({THERE: RED, elsewhere: RED}))
        )
    ]
    assert isinstance(results[-1], TrackingResult)
    assert iou(results[-1].labels == 1, square(*elsewhere)) > 0.8


def test_a_twin_that_is_tracked_keeps_its_id() -> None:
    prompts = [Prompt(id=1, mask=square(*HERE)), Prompt(id=2, mask=square(*THERE))]
    tracker = make_tracker(initial_prompts=prompts)
    both, twin = picture({HERE: RED, THERE: RED}), picture({THERE: RED})
    results = track(tracker, [*[both] * 3, *[twin] * AWAY])
    assert not (results[-1].labels == 1).any()
    assert iou(results[-1].labels == 2, square(*THERE)) > 0.8


@pytest.mark.parametrize(('twin', 'side', 'found'), [(12, 16, 1), (12, 12, 2), (16, 16, 0)])
def test_of_two_that_look_the_same_the_size_tells_which_one_is_back(
    twin: int, side: int, found: int
) -> None:
    place = (40, 24)
    prompts = [Prompt(id=1, mask=square(*HERE)), Prompt(id=2, mask=square(*THERE, twin))]
    both = picture({HERE: RED})
    both[square(*THERE, twin)] = RED
    back = picture({place: RED}, side)
    tracker = make_tracker(initial_prompts=prompts)
    results = track(tracker, [*[both] * 3, *[picture({})] * AWAY, *[back] * 3])
    assert not results[AWAY].labels.any()
    assert results[-1].labels[square(*place, side)].max() == found


@pytest.mark.parametrize(
    ('how', 'side', 'found'), [('near', 16, 0), ('anywhere', 16, 1), ('anywhere', 8, 0)]
)
def test_an_occluded_target_is_searched_far_away_too(how: str, side: int, found: int) -> None:
    gone = [picture({HERE: RED})] * 3 + [picture({})]
    results = track(red(targets__reacquire=how), [*gone, picture({THERE: RED}, side)])
    assert results[-2].objects[0].state == TargetState.OCCLUDED
    assert results[-1].objects[0].visible == found


def test_a_mask_that_stays_doubtful_is_neither_shown_nor_remembered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of that target alone; here a mask is doubtful that is much smaller than the target was, and
    nothing looks like it.
    """
    monkeypatch.setattr(appearance, 'match', lambda *_: Match(0.0, 0.0))
    monkeypatch.setattr(confidence, 'score', lambda *known: max(0.0, 0.9 - 0.4 * known[-1]))
    monkeypatch.setattr(mask_propagator, 'PATIENCE', 3 * PERIOD)
    prompts = [Prompt(id=1, mask=square(*HERE)), Prompt(id=2, mask=square(*THERE))]
    small = picture({HERE: RED})
    small[square(*THERE, 4)] = BLUE
    scenes = [picture({HERE: RED, THERE: BLUE})] * 2 + [small] * 5
    for least, kept in ((0.0, 7), (0.2, 5)):
        tracker = make_tracker(initial_prompts=prompts, targets__min_score=least)
        for index, image in enumerate(scenes):
            (result,) = tracker.step(clip_frame(index, image=image))
            assert isinstance(result, TrackingResult)
            assert result.objects[0].visible
            assert result.objects[1].visible == (index < kept)
            newest = int(np.argmax(tracker._masks.memory.frames))
            remembered = tracker._masks.memory.labels[newest].amax((1, 2))
            assert float(remembered[1]) > 0.9
            assert (float(remembered[2]) > 0.5) == (index < kept)
    assert result.objects[1].state == TargetState.OCCLUDED


@pytest.mark.parametrize('denied', [False, True])
def test_a_weak_mask_is_dropped_at_once_where_pixels_deny_it(
    denied: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(confidence.CALIBRATIONS, 'colours', confidence.EMBEDDED)
    monkeypatch.setattr(confidence, 'score', lambda *known: 0.05 if known[-1] > 1 else 0.9)
    monkeypatch.setattr(Recognition, 'denies', lambda *_: denied)
    small = picture({})
    small[square(*HERE, 4)] = RED
    results = track(red(), [*[picture({HERE: RED})] * 2, small])
    assert results[1].objects[0].visible and results[2].objects[0].visible != denied


def test_anchors_go_with_what_is_forgotten() -> None:
    """A prompt on a past frame forgets the later ones; a removed target leaves nothing."""
    tracker = red()
    track(tracker, [picture({HERE: RED})] * 12)
    gallery = tracker._masks._gallery
    assert len(gallery.of(1)) == 2
    tracker.set_targets(
        [Prompt(id=2, mask=square(*THERE))], stamp=clip_frame(4).stamp, keep_existing=True
    )
    assert [anchor.number for anchor in gallery.of(1)] == [0]
    tracker.flush()
    tracker.remove_targets([1])
    assert not gallery.of(1) and gallery.of(2)


def test_what_was_looked_at_in_vain_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where there are always candidates enough."""
    candidates = [(1.0, 1.0), (5.0, 5.0)]
    monkeypatch.setattr(Reacquisition, '_candidates', lambda *_: candidates)
    tracker = red()
    track(tracker, [*[picture({HERE: RED})] * 3, *[picture({})] * AWAY])
    (looked,) = tracker._masks._reacquisition._looked.values()
    assert 0 < len(looked) <= 2 * 5


def test_frames_in_which_it_was_looked_for_in_vain_do_not_know_it() -> None:
    """Where it stood before it was found, most of what is remembered shows it as background."""
    gone = [picture({HERE: RED})] * 3 + [picture({})] * AWAY
    cut, back = picture({(88, 24): RED}), picture({(76, 24): RED})
    results = track(red(), [*gone, *[cut] * 12, *[back] * 6])
    assert not results[-7].labels.any() and results[-4].objects[0].visible
    assert came_back(results, (76, 24)) > 0.8 and results[-1].objects[0].score > 0.8


@pytest.mark.parametrize('verify', [True, False])
def test_a_larger_twin_that_was_half_hidden_at_first_is_given_up(verify: bool) -> None:
    gone = [picture({HERE: RED})] * 3 + [picture({})] * AWAY
    part, twin = [picture({(40, 12): RED})] * 3, [picture({(40, 12): RED}, 24)] * 12
    both = picture({(40, 12): RED}, 24)
    both[square(*THERE)] = RED
    results = track(red(targets__verify=verify), [*gone, *part, *twin, *[both] * 3])
    assert came_back(results[: len(gone) + 3], (40, 12)) > 0.8
    later = results[len(gone) + len(part) + 11]
    assert later.labels.any() != verify
    assert (later.objects[0].state == TargetState.LOST) == verify
    assert (came_back(results, THERE) > 0.8) == verify


def test_a_prompt_on_a_past_frame_after_a_return_counts_as_if_given_in_time() -> None:
    other = {(8, 44): BLUE}
    gone, cut = [picture(other)] * 8, [picture({**other, (82, 8): RED})] * 4
    back = [picture({**other, (72, 8): RED})] * 6
    scenes = [*[picture({HERE: RED, **other})] * 3, *gone, *cut, *back]
    given, late = 9, len(scenes) - 3  # the prompt is for a frame of the absence

    def frame(index: int) -> Frame:
        return clip_frame(index, image=scenes[index])

    blue = Prompt(id=2, mask=square(8, 44))
    in_time, afterwards = (red(targets__max_size_change=2.0) for _ in range(2))
    expected = []
    for index in range(len(scenes)):
        expected += in_time.step(frame(index), [blue] if index == given else [])
    found = track(afterwards, scenes[:late])
    assert came_back(found, (72, 8)) > 0.8
    afterwards.set_targets([blue], frame(given).stamp, keep_existing=True)
    found = [result for i in range(late, len(scenes)) for result in afterwards.step(frame(i))]
    assert len(found) == 3
    for ours, theirs in zip(found, expected[late:], strict=True):
        np.testing.assert_array_equal(ours.labels, theirs.labels)
        assert ours.objects == theirs.objects
    assert all(obj.visible for obj in found[-1].objects)


@pytest.mark.parametrize(('side', 'small'), [(16, True), (48, False)])
def test_who_prompts_a_small_target_is_told(
    side: int, small: bool, caplog: pytest.LogCaptureFixture
) -> None:
    prompt = Prompt(id=3, mask=square(*HERE, side))
    make_tracker().step(clip_frame(0, image=picture({HERE: RED}, side)), [prompt])
    said = [r.getMessage() for r in caplog.records if 'features.resolution' in r.getMessage()]
    assert len(said) == small and all('target 3 covers 16 cells' in each for each in said)
