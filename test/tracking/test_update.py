"""Settings that may change while a stream goes on: after the change a tracker does what one does
that was made with it.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from clips import PERIOD, GivenMasks

from drift_ros.errors import PromptError
from drift_ros.features.patch import PatchExtractor
from drift_ros.points import PointTracker
from drift_ros.prompts.prompt import Prompt
from drift_ros.reference import marks
from drift_ros.settings import TrackerSettings, build, fields
from drift_ros.tracking import Frame, Tracker, TrackingResult

FRAMES = 9
START = {
    'features.resolution': 0,
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
OTHERS = {  # what this scene does not show
    'propagation.attention_window',
    'adaptation.budget',
    'refinement.margin',
    'targets.min_score',
    'targets.max_size_change',
    'targets.reacquire',
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
    return REFINED if name.startswith('refinement') else {}


@pytest.mark.parametrize('name', CHANGED)
def test_a_changed_setting_counts_from_the_next_frame_on(name: str) -> None:
    changed = tracker_with(start(name) | {name: CHANGED[name]})
    later, wanted = changed.settings, run(changed)
    assert run(tracker_with(start(name)), later) == wanted
    assert run(tracker_with(start(name))) != wanted, 'the scene does not show it'


def test_other_settings_count_too() -> None:
    tracker = tracker_with({})
    points = PointTracker(tracker)
    tracker.step(frame(5))
    later = {'points.most': 1, 'stream.backward_jump': 9.0, 'adaptation.budget': 3.0}
    tracker.update(tracker_with(later).settings)
    with pytest.raises(PromptError, match=r'points\.most is 1'):
        points.set_points(QUERIES)
    tracker.step(frame(0))
    assert tracker.stats.late == 1
    assert tracker.stats.restarts == 0
    assert tracker.adapter.budget == 3.0


def test_every_setting_that_may_change_is_tried() -> None:
    dynamic = {name for name, info in fields(TrackerSettings) if marks(info).get('dynamic')}
    assert dynamic == {*CHANGED, *OTHERS}
