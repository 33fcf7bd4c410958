"""The tracker with queries and keys in place of features, and with refined masks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from clips import Colours, GivenMasks, blue_mask, clip_frame, iou, make_tracker, red_mask

from drift_ros.descriptors import Descriptors
from drift_ros.errors import CheckpointError, SettingsError
from drift_ros.features.base import Window
from drift_ros.prompts.prompt import Prompt
from drift_ros.refinement import Refiner
from drift_ros.settings import RefinementSettings, TrackerSettings, build
from drift_ros.tracking import Tracker

PROMPTS = (Prompt(id=1, mask=red_mask(0)), Prompt(id=2, mask=blue_mask(0)))


class AttendedColours(Colours):
    """Two heads: one sees colours, the other the same ones more sharply."""

    heads = (('0.0', 0), ('0.0', 1))

    def extract(self, window: Window) -> Descriptors:
        found = super().extract(window)
        unit = torch.nn.functional.normalize(found.features - found.features.mean(), dim=1)
        return Descriptors((20 * unit, 40 * unit), (unit, unit), found.stride)


def track(count: int = 6, **values: Any) -> list[np.ndarray]:
    tracker = make_tracker(extractor=values.pop('extractor', None), **values)
    found = [r for i in range(count) for r in tracker.step(clip_frame(i), PROMPTS * (i == 0))]
    return [r.labels for r in found + tracker.flush()]


@pytest.mark.parametrize('limited', [False, True])
def test_attention_carries_masks_through_a_clip(limited: bool) -> None:
    labels = track(extractor=AttendedColours(), propagation__attention_window=limited)
    assert len(labels) == 6
    assert iou(labels[-1] == 1, red_mask(5)) > 0.75
    assert iou(labels[-1] == 2, blue_mask(5)) > 0.75


def test_a_target_that_comes_later_is_tracked_by_attention() -> None:
    tracker = make_tracker(extractor=AttendedColours())
    for index in range(6):
        prompts = PROMPTS[:1] if index == 0 else PROMPTS[1:] if index == 2 else ()
        if index == 2:
            prompts = (Prompt(id=2, mask=blue_mask(2)),)
        (result,) = tracker.step(clip_frame(index), prompts)
    assert iou(result.labels == 1, red_mask(5)) > 0.75
    assert iou(result.labels == 2, blue_mask(5)) > 0.75


def test_queries_and_keys_cannot_be_reduced() -> None:
    with pytest.raises(SettingsError, match='channels'):
        make_tracker(extractor=AttendedColours(), propagation__channels=2)


@pytest.mark.parametrize('feedback', [True, False])
def test_grabcut_sharpens_the_masks_of_any_extractor(feedback: bool) -> None:
    blurred = {'propagation__upsampling': 'bilinear'}
    plain = track(**blurred)
    refined = track(
        refinement__backend='grabcut', refinement__feedback=feedback, refinement__band=4, **blurred
    )
    truth = [red_mask(i) for i in range(6)]
    better = [
        iou(r == 1, t) - iou(p == 1, t) for r, p, t in zip(refined, plain, truth, strict=True)
    ]
    assert better[0] == 0  # what is given stays
    assert min(better) >= 0 and np.mean(better[1:]) > 0.02


class Grows(Refiner):
    """Lets each mask grow downwards by eight rows, and counts."""

    calls = 0

    def _outlines(self, image, labels, masks):
        self.calls += 1
        return {i: mask | np.roll(mask, 8, 0) for i, mask in masks.items()}


@pytest.mark.parametrize('feedback', [True, False])
def test_a_refined_mask_is_remembered_if_that_is_asked_for(
    feedback: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    refiner = Grows(RefinementSettings(backend='grabcut', feedback=feedback))
    monkeypatch.setattr('drift_ros.tracking.tracker.create_refiner', lambda *_: refiner)
    tracker = make_tracker(propagation__upsampling='bilinear')
    tracker.step(clip_frame(0), PROMPTS)
    (result,) = tracker.step(clip_frame(1))
    published = int((result.labels == 1).sum())
    remembered = 16 * float(tracker._masks.memory.labels[-1, 1].sum())
    assert published > 1.2 * red_mask(1).sum()
    assert (abs(remembered / published - 1) < 0.1) == feedback


def test_every_which_frame_is_refined(monkeypatch: pytest.MonkeyPatch) -> None:
    refiner = Grows(RefinementSettings(backend='grabcut', every=3))
    monkeypatch.setattr('drift_ros.tracking.tracker.create_refiner', lambda *_: refiner)
    track(7)
    assert refiner.calls == 2  # frames 3 and 6: that of the prompts is given


class NoisyHeads(AttendedColours):
    """One head sees colours, the other one noise."""

    def extract(self, window: Window) -> Descriptors:
        found = super().extract(window)
        shape = found.queries[0].shape
        noise = [
            torch.stack([torch.randn(shape[1:], generator=_seeded(s + k)) for s in window.stamps])
            for k in (0, 1)
        ]
        noise = [each[-window.new :] for each in noise]
        return Descriptors(
            (found.queries[0], 3 * noise[0]), (found.keys[0], 3 * noise[1]), found.stride
        )


def _seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed % 2**31)


@pytest.mark.parametrize('method', ['fitted', 'closed-form'])
@pytest.mark.parametrize('example', ['frame', 'copy'])
def test_offline_heads_are_weighed_before_tracking_starts(method: str, example: str) -> None:
    tracker = make_tracker(
        extractor=NoisyHeads(), adaptation__heads=method, adaptation__example=example
    )
    tracker.step(clip_frame(0), PROMPTS)
    weights = tracker.adapter.found.heads
    assert weights is not None and float(weights[0]) > 0.95
    assert tracker.adapter.since == 0 and 'frame 0' in tracker.adapter.state
    for index in range(1, 6):
        (result,) = tracker.step(clip_frame(index))
    assert iou(result.labels == 1, red_mask(5)) > 0.75
    tracker.clear_targets()
    assert tracker.adapter.found.heads is None and tracker.adapter.state == 'none'


def live(budget: float = 1e-6) -> Tracker:
    """Each frame leaves time for one portion of the work."""
    settings = build(
        TrackerSettings,
        {
            'features.resolution': 0,
            'adaptation.heads': 'fitted',
            'adaptation.steps': 6,
            'adaptation.budget': budget,
        },
    )
    return Tracker(NoisyHeads(), GivenMasks(), settings, live=True)


def test_live_the_stream_goes_on_while_heads_are_fitted() -> None:
    tracker = live()
    states = []
    for index in range(10):
        results = tracker.step(clip_frame(index), PROMPTS * (index == 0))
        assert len(results) == 1  # no frame waits for the fit
        states.append(tracker.adapter.state)
    assert states[0] == '12% on frame 0' and states[1] == '25% on frame 0'
    done = [state for state in states if state.startswith('done')]
    since = tracker.adapter.since
    assert since is not None and 5 <= since <= 9 and len(done) == 10 - since + 1
    assert tracker.adapter.found.heads is not None


@pytest.mark.parametrize('event', ['reset', 'remove', 'clear'])
def test_what_takes_the_targets_ends_the_fit(event: str) -> None:
    tracker = live()
    tracker.step(clip_frame(0), PROMPTS)
    if event == 'remove':
        tracker.remove_targets([1])
    else:
        tracker.reset() if event == 'reset' else tracker.clear_targets()
    assert tracker.adapter.state == 'none'
    for index in range(1, 10):
        tracker.step(clip_frame(index))
    assert tracker.adapter.found.heads is None


def test_features_cannot_be_adapted() -> None:
    with pytest.raises(SettingsError, match='reads features'):
        make_tracker(adaptation__heads='fitted')


def test_sam_needs_weights() -> None:
    with pytest.raises(CheckpointError, match='refinement'):
        make_tracker(refinement__backend='sam')
