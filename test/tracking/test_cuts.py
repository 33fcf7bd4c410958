"""Where the picture changes as a whole, targets are lost at once, and found again soon after."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch
from clips import SIZE, clip_frame, iou, make_tracker, square
from numpy.typing import NDArray

from drift_ros.prompts.prompt import Prompt
from drift_ros.structures import Frame, TargetState, TrackingResult
from drift_ros.tracking import Tracker
from drift_ros.tracking.cuts import KEPT, KNOWN, share_kept, share_known

GREEN, TEAL, PINK = (40, 160, 60), (40, 170, 150), (180, 70, 120)
MAGENTA, YELLOW = (220, 20, 160), (230, 220, 20)
HERE, THERE = (12, 12), (68, 36)
Image = NDArray[np.uint8]


@cache
def ground(colour: tuple[int, int, int]) -> Image:
    """A texture of squares of 4 px."""
    noise = np.random.default_rng(sum(colour)).normal(0, 20, (SIZE[0] // 4, SIZE[1] // 4, 3))
    return np.clip(colour + noise, 0, 255).astype(np.uint8).repeat(4, 0).repeat(4, 1)


def scene(colour: tuple[int, int, int], place: tuple[int, int] | None = None) -> Image:
    image = ground(colour).copy()
    if place is not None:
        image[square(*place)] = MAGENTA
    return image


def tracker(**settings: object) -> Tracker:
    return make_tracker(initial_prompts=[Prompt(id=1, mask=square(*HERE))], **settings)


def track(tracker: Tracker, images: list[Image], first: int = 0) -> list[TrackingResult]:
    results = []
    for index, image in enumerate(images, first):
        (result,) = tracker.step(clip_frame(index, image=image))
        assert isinstance(result, TrackingResult)
        results.append(result)
    return results


def states(results: list[TrackingResult]) -> list[TargetState]:
    return [result.objects[0].state for result in results]


@pytest.mark.parametrize('length', [1, 40])
def test_nothing_is_shown_where_the_picture_is_another_until_it_is_back(length: int) -> None:
    """However long that takes, the target is back in the first frame, with its id."""
    seen = [scene(GREEN, (HERE[0] + 2 * i, HERE[1])) for i in range(6)]
    other = [scene(PINK)] * length  # it looks more like the target than like what was around it
    results = track(tracker(), [*seen[:4], *other, *seen[4:]])
    assert (
        states(results)
        == [TargetState.VISIBLE] * 4 + [TargetState.LOST] * length + [TargetState.VISIBLE] * 2
    )
    assert not any(result.labels.any() for result in results[4:-2])
    for index in (4, 5):
        truth = square(HERE[0] + 2 * index, HERE[1])
        assert iou(results[index - 6].labels == 1, truth) > 0.8


def test_what_another_view_shows_too_is_found_in_its_first_frame() -> None:
    results = track(tracker(), [*[scene(GREEN, HERE)] * 4, *[scene(TEAL, THERE)] * 4])
    assert states(results) == [TargetState.VISIBLE] * 8
    assert all(iou(result.labels == 1, square(*THERE)) > 0.8 for result in results[4:])


def test_other_frames_are_not_remembered() -> None:
    cut = tracker()
    track(cut, [*[scene(GREEN, HERE)] * 4, *[scene(PINK)] * 20])
    assert sorted(cut._masks.memory.frames) == [0, 1, 2, 3]


@pytest.mark.parametrize('light', [0.5, 2.0])
def test_a_flash_is_no_cut(light: float) -> None:
    image = scene(GREEN, HERE)
    flash = np.clip(light * image, 0, 255).astype(np.uint8)
    results = track(tracker(), [image, image, flash, image, image])
    assert states(results) == [TargetState.VISIBLE] * 5


def test_what_covers_the_camera_for_some_frames_costs_no_others() -> None:
    image, covered = scene(GREEN, HERE), np.full((*SIZE, 3), 12, np.uint8)
    results = track(tracker(), [*[image] * 3, *[covered] * 5, *[image] * 3])
    shown = [bool(result.labels.any()) for result in results]
    assert shown == [True] * 3 + [False] * 5 + [True] * 3
    assert iou(results[-3].labels == 1, square(*HERE)) > 0.9


@pytest.mark.parametrize('how', ['none', 'near'])
def test_without_a_search_in_the_whole_frame_there_are_no_cuts(how: str) -> None:
    images = [*[scene(GREEN, HERE)] * 4, scene(PINK)]
    assert states(track(tracker(targets__reacquire=how), images))[-1] == TargetState.VISIBLE


def test_a_target_that_is_not_in_the_other_view_stays_lost_there() -> None:
    """Another one is, so later frames go on from that view."""
    first = scene(GREEN, HERE)
    first[square(*THERE)] = YELLOW
    two = make_tracker(
        initial_prompts=[Prompt(id=1, mask=square(*HERE)), Prompt(id=2, mask=square(*THERE))]
    )
    results = track(two, [*[first] * 4, *[scene(TEAL, HERE)] * 6])
    assert [obj.state for obj in results[-1].objects] == [TargetState.VISIBLE, TargetState.LOST]
    assert iou(results[-1].labels == 1, square(*HERE)) > 0.8


def test_a_prompt_on_a_past_frame_after_a_cut_counts_as_if_given_in_time() -> None:
    def frame(index: int) -> Frame:
        return clip_frame(index, image=images[index])

    images = [scene(GREEN, HERE)] * 3 + [scene(PINK)] * 6
    for image in images[5:]:
        image[square(*THERE)] = YELLOW
    prompt = Prompt(id=2, mask=square(*THERE))
    in_time, afterwards = tracker(), tracker()
    expected: list[object] = []
    for index in range(9):
        expected += in_time.step(frame(index), [prompt] if index == 5 else [])
    track(afterwards, images[:7])
    afterwards.set_targets([prompt], frame(5).stamp, keep_existing=True)
    found = [result for index in (7, 8) for result in afterwards.step(frame(index))]
    for ours, theirs in zip(found, expected[7:], strict=True):
        assert isinstance(ours, TrackingResult) and isinstance(theirs, TrackingResult)
        np.testing.assert_array_equal(ours.labels, theirs.labels)
        assert ours.objects == theirs.objects
    assert [obj.visible for obj in ours.objects] == [False, True]


@pytest.mark.parametrize('shift', range(7))
def test_a_frame_is_known_as_far_as_the_other_one_shows_it_about_there(shift: int) -> None:
    """Up to a quarter of its side."""
    torch.manual_seed(shift)
    world = torch.nn.functional.normalize(torch.randn(32, 24, 40), dim=0)
    before, now, far = (world[:, :, x : x + 24] for x in (0, shift, shift + 9))
    assert share_known(now, before) >= (24 - shift) / 24
    assert share_known(far, before) < 0.5


def test_a_frame_is_not_known_whose_cells_have_only_each_other_in_common() -> None:
    torch.manual_seed(0)
    cells = torch.nn.functional.normalize(torch.rand(2, 8, 12, 15), dim=1)
    before, now = (torch.zeros(16, 12, 15) for _ in range(2))
    before[:8], now[8:] = cells
    assert share_known(now, before) == 0 < KNOWN


def test_cells_that_all_look_the_same_are_known() -> None:
    plain = torch.nn.functional.normalize(torch.ones(8, 12, 15), dim=0)
    assert share_known(plain, plain) == 1


@pytest.mark.parametrize('light', [0.3, 0.9, 3.0])
def test_a_picture_keeps_its_details_in_another_light(light: float) -> None:
    draw = np.random.default_rng(int(10 * light))
    picture, other = draw.uniform(10, 80, (2, 22, 40)).astype(np.float32).repeat(4, 1).repeat(4, 2)
    assert share_kept(picture, light * picture) > 0.9
    assert share_kept(picture, other) < KEPT
    assert share_kept(picture, np.full_like(picture, 9)) == 0
