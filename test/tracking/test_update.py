"""Settings that may change while a stream goes on: after the change a tracker does what one does
that was made with it.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from clips import PERIOD, Colours, GivenMasks

from drift_ros.errors import PromptError
from drift_ros.features.patch import PatchExtractor
from drift_ros.points import PointTracker
from drift_ros.prompts.prompt import Prompt
from drift_ros.propagation import FeatureAffinity
from drift_ros.reference import marks
from drift_ros.settings import TrackerSettings, build, fields
from drift_ros.tracking import Frame, Tracker, TrackingResult, mask_propagator

FRAMES = 9
START = {
    'features.resolution': 0,
    'features.colour': 0.0,
    'propagation.memory': 2,
    'propagation.memory_every': 1,
    'propagation.upsampling': 'bilinear',
    'propagation.radius': 4,
    'propagation.temperature': 0.05,
    'targets.visibility_threshold': 0.3,
}
REFINED = {'refinement.backend': 'grabcut', 'refinement.min_iou': 0.2}
CHANGED: dict[str, Any] = {
    'propagation.temperature': 0.5,
    'propagation.top_k': 40,
    'propagation.radius': 2,
    'propagation.window': 'disc',
    'propagation.mask_references': False,
    'refinement.every': 0,
    'refinement.min_iou': 0.97,
    'refinement.feedback': False,
    'refinement.band': 2,
    'refinement.iterations': 5,
    'targets.visibility_threshold': 0.9,
    'targets.min_area': 240,
    'targets.compete': False,
    'targets.separate': False,
    'targets.background_margin': 0.01,
    'targets.drop_stray': False,
    'targets.max_deviation': 0.01,
    'points.radius': 1,
    'points.agreement': 1.0,
    'points.trip': 0.01,
    'points.similarity': 0.95,
    'points.search': 1,
    'points.visibility': 'always',
    'points.tolerance': 0.01,
    'points.refresh': 0.0,
}
ABSENCE: dict[str, Any] = {
    'targets.min_score': 0.0,
    'targets.any_size_after': 1,
    'targets.max_size_change': 3.0,
    'targets.reacquire': 'none',
}
OTHERS = {  # what these scenes do not show
    'propagation.attention_window',
    'adaptation.budget',
    'refinement.margin',
    'points.most',
    'points.most_frames',
    'stream.backward_jump',
    'stream.max_pixels',
}


@cache
def texture(seed: int, height: int, width: int) -> np.ndarray:
    coarse = np.random.default_rng(seed).integers(0, 255, (height // 4, width // 4, 3), np.uint8)
    return coarse.repeat(4, 0).repeat(4, 1)


def scene(k: int) -> np.ndarray:
    """Two equal squares that come to touch, and change; another one is away for two frames and
    comes back elsewhere.
    """
    image = texture(1, 64, 96) // 2
    for x, y in ((8 + 5 * k, 8 + k), (64 - 2 * k, 24)):
        image[y : y + 16, x : x + 16] = texture(2, 16, 16) // 2 + texture(10 + k // 3, 16, 16) // 2
    if k not in (4, 5):
        x, y = (4 + k, 44) if k < 4 else (72, 46)
        image[y : y + 16, x : x + 16] = texture(3, 16, 16)
    return image


def frame(k: int) -> Frame:
    return Frame(scene(k), 10**18 + k * PERIOD, 'camera', k)


def tracker_with(values: dict[str, Any], extractor: Any = None) -> Tracker:
    found = extractor or PatchExtractor(torch.device('cpu'), torch.float32)
    return Tracker(found, GivenMasks(), build(TrackerSettings, START | values))


def prompts() -> list[Prompt]:
    masks = np.zeros((3, 64, 96), bool)
    masks[0, 8:24, 8:24] = masks[1, 24:40, 64:80] = masks[2, 44:60, 4:20] = True
    return [Prompt(id=i + 1, mask=mask) for i, mask in enumerate(masks)]


QUERIES = np.array([[12.0, 12.0], [20.0, 18.0], [70.5, 30.0], [76.0, 36.0]])


def run(tracker: Tracker, later: TrackerSettings | None = None) -> list[str]:
    """All that is published of the scene; `later` is taken over after its first frame."""
    points = PointTracker(tracker)
    points.step(frame(0), QUERIES, prompts())
    if later is not None:
        tracker.update(later)
    seen = []
    for k in range(1, FRAMES):
        for result in tracker.step(frame(k)):
            assert isinstance(result, TrackingResult)
            followed = result.points
            assert followed is not None
            numbers = (followed.positions.tolist(), followed.confidence.tolist())
            seen.append(f'{result.labels.tobytes().hex()} {result.objects} {numbers}')
    return seen


def start(name: str) -> dict[str, Any]:
    """With what the setting is about."""
    if name == 'points.tolerance':
        return {'points.motion': 'none'}
    if name == 'targets.compete':
        return {'targets.separate': False}
    return REFINED if name.startswith('refinement') else {}


@pytest.mark.parametrize('name', CHANGED)
def test_a_changed_setting_counts_from_the_next_frame_on(name: str) -> None:
    changed = tracker_with(start(name) | {name: CHANGED[name]})
    later, wanted = changed.settings, run(changed)
    assert run(tracker_with(start(name)), later) == wanted
    assert run(tracker_with(start(name))) != wanted, 'the scene does not show it'


def absence(k: int, doubt: bool) -> np.ndarray:
    """A square that goes away and comes back: larger on a plain wall, which leaves no mask; or on
    one that its mask stays on.
    """
    image = texture(1, 64, 96) // 3 if doubt else np.full((64, 96, 3), (30, 160, 60), np.uint8)
    side = 16 if doubt or k < 3 else 20
    if k not in (3, 4):
        x, y = (8, 24) if k < 3 else (64, 40)
        image[y : y + side, x : x + side] = texture(3, 16, 16) if doubt else (230, 20, 20)
    return image


def run_absence(values: dict[str, Any], doubt: bool, later: TrackerSettings | None) -> list[str]:
    """All that is published of it, 5 frames per second; `later` is taken over after the first."""
    lost_at_once = {'targets.max_deviation': 0.0}
    tracker = tracker_with(lost_at_once | values, None if doubt else Colours())
    mask = np.zeros((64, 96), bool)
    mask[24:40, 8:24] = True
    given, seen = [Prompt(id=1, mask=mask)], []
    for k in range(FRAMES):
        for result in tracker.step(Frame(absence(k, doubt), k * 10**9 // 5, 'camera', k), given):
            assert isinstance(result, TrackingResult)
            seen.append(f'{result.labels.tobytes().hex()} {result.objects}')
        if later is not None:
            tracker.update(later)
        given = []
    return seen


@pytest.mark.parametrize('name', ABSENCE)
def test_where_a_target_is_searched_and_believed_may_change(name: str) -> None:
    doubt = name == 'targets.min_score'
    start = {'targets.max_size_change': 3.0} if name == 'targets.reacquire' else {}
    changed = start | {name: ABSENCE[name]}
    wanted = run_absence(changed, doubt, None)
    later = build(TrackerSettings, START | {'targets.max_deviation': 0.0} | changed)
    assert run_absence(start, doubt, later) == wanted
    assert run_absence(start, doubt, None) != wanted, 'the scene does not show it'


def test_what_is_out_of_reach_counts_from_the_next_frame_on() -> None:
    """A square that jumps."""
    anywhere = {'propagation.radius': 0, 'targets.reacquire': 'none'}

    def seen(later: bool | None, drop: bool) -> list[bool]:
        tracker = tracker_with(anywhere | {'targets.drop_unreachable': drop})
        given, found = prompts()[:1], []
        for k in range(6):
            image = np.full((64, 96, 3), (30, 160, 60), np.uint8)
            x = 8 if k < 3 else 72
            image[8:24, x : x + 16] = (230, 20, 20)
            (result,) = tracker.step(Frame(image, k * 10**9 // 5, 'camera', k), given)
            assert isinstance(result, TrackingResult)
            found.append(bool(result.labels.any()))
            if later is not None:
                values = START | anywhere | {'targets.drop_unreachable': later}
                tracker.update(build(TrackerSettings, values))
            given = []
        return found

    assert seen(None, drop=True)[3] is False and seen(None, drop=False)[3] is True
    assert seen(False, drop=True)[3] is True


def test_whether_masks_are_verified_counts_from_the_next_frame_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looked: list[int] = []

    def look(soft: torch.Tensor, *_: object) -> tuple[torch.Tensor, dict[int, Any]]:
        looked.append(number)
        return soft, {}

    monkeypatch.setattr(mask_propagator, 'cut_off_twins', look)
    tracker = tracker_with({})
    tracker.step(frame(0), prompts()[:1])
    for number, verify in enumerate((True, False, True), 1):
        tracker.update(build(TrackerSettings, START | {'targets.verify': verify}))
        tracker.step(frame(number))
    assert looked == [1, 3]


def test_other_settings_count_too() -> None:
    tracker = tracker_with(REFINED)
    points = PointTracker(tracker)
    tracker.step(frame(5))
    later = REFINED | {
        'points.most': 2,
        'points.most_frames': 1,
        'stream.backward_jump': 9.0,
        'adaptation.budget': 3.0,
        'propagation.attention_window': True,
        'refinement.margin': 0.3,
    }
    tracker.update(tracker_with(later).settings)
    with pytest.raises(PromptError, match=r'points\.most is 2'):
        points.set_points(QUERIES)
    points.set_points(QUERIES[:1])
    tracker.step(frame(6))
    with pytest.raises(PromptError, match=r'points\.most_frames is 1'):
        points.set_points(QUERIES[1:2], keep_existing=True)
    tracker.step(frame(0))
    assert tracker.stats.late == 1
    assert tracker.stats.restarts == 0
    assert tracker.adapter.budget == 3.0
    assert isinstance(tracker._affinity, FeatureAffinity) and tracker._refiner is not None
    assert tracker._affinity.settings.attention_window
    assert tracker._refiner.settings.margin == 0.3


def test_every_setting_that_may_change_is_tried() -> None:
    dynamic = {name for name, info in fields(TrackerSettings) if marks(info).get('dynamic')}
    assert dynamic == {*CHANGED, *ABSENCE, *OTHERS, 'targets.drop_unreachable', 'targets.verify'}
