"""Channels that are reduced on the way from the extractor to the memory."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from clips import blue_mask, clip_frame, iou, red_mask
from torch import Tensor

from drift_ros.prompts.prompt import Prompt
from drift_ros.propagation import ChannelReduction
from drift_ros.tracking import Tracker, TrackingResult

Make = Callable[..., Tracker]
RED = Prompt(id=1, mask=red_mask(0))


@pytest.fixture
def fits(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Gets the number of frames of every window that a reduction is fitted to."""
    seen: list[int] = []
    fit = ChannelReduction.fit

    def noted(self: ChannelReduction, features: Tensor) -> None:
        seen.append(len(features))
        fit(self, features)

    monkeypatch.setattr(ChannelReduction, 'fit', noted)
    return seen


def play(tracker: Tracker, first: int, end: int) -> list[TrackingResult]:
    return [r for i in range(first, end) for r in tracker.step(clip_frame(i))]


@pytest.mark.parametrize('method', ['pca', 'random'])
def test_targets_are_tracked_by_fewer_channels(make: Make, method: str) -> None:
    tracker = make(propagation__channels=2, propagation__reduction=method)
    tracker.step(clip_frame(0), [RED])
    result = play(tracker, 1, 12)[-1]
    assert tracker._masks.memory.keys[0].shape[1] == 2
    lengths = tracker._masks.memory.keys[0].norm(dim=1)
    np.testing.assert_allclose(lengths, 1, atol=1e-5)
    assert iou(result.labels == 1, red_mask(11)) > 0.7


def test_as_many_channels_as_there_are_change_nothing(make: Make) -> None:
    plain, reduced = make(), make(propagation__channels=3)
    for tracker in (plain, reduced):
        tracker.step(clip_frame(0), [RED])
    for a, b in zip(play(plain, 1, 6), play(reduced, 1, 6), strict=True):
        np.testing.assert_array_equal(a.labels, b.labels)


def test_a_generation_is_described_in_one_basis(make: Make, fits: list[int]) -> None:
    tracker = make(propagation__channels=2, window__length=2)
    tracker.step(clip_frame(0), [RED])
    play(tracker, 1, 8)
    blue = Prompt(id=2, mask=blue_mask(3))
    tracker.set_targets([blue], clip_frame(3).stamp, keep_existing=True)
    tracker.flush()
    play(tracker, 8, 12)
    assert fits == [2], 'going back keeps the basis'
    tracker.set_targets([RED], clip_frame(0).stamp)
    tracker.flush()
    assert fits == [2, 2]
    tracker.clear_targets()
    tracker.step(clip_frame(12), [Prompt(mask=red_mask(12))])
    tracker.step(clip_frame(13, frame_id='other'))
    assert fits == [2, 2, 1]
    tracker.step(clip_frame(14, frame_id='other'), [Prompt(mask=red_mask(14))])
    tracker.flush()
    assert fits == [2, 2, 1, 1]


def test_a_late_prompt_gives_what_an_early_one_gives(make: Make) -> None:
    options = {'propagation__channels': 2, 'window__length': 4, 'window__stride': 2}
    offline, live = make(**options), make(**options)
    expected = offline.step(clip_frame(0), [RED]) + play(offline, 1, 10) + offline.flush()
    play(live, 0, 7)
    live.set_targets([RED], clip_frame(0).stamp)
    found = play(live, 7, 10) + live.flush()
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_array_equal(a.labels, b.labels)


def test_scalar_products_keep_the_length_of_descriptors(make: Make) -> None:
    tracker = make(propagation__channels=2, propagation__similarity='dot')
    tracker.step(clip_frame(0), [RED])
    assert tracker._masks.memory.keys[0].norm(dim=1).max() > 10
