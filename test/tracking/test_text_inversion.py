"""Textual inversion beside tracking: when it is done, what it changes, and what ends it."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from clips import GivenMasks, blue_mask, clip_frame, red_mask

from drift_ros import features
from drift_ros.errors import PromptError, SettingsError
from drift_ros.features import FeatureExtractor
from drift_ros.prompts.prompt import Prompt
from drift_ros.settings import TrackerSettings, build
from drift_ros.tracking import Tracker

PROMPTS = (Prompt(id=1, mask=red_mask(0)), Prompt(id=2, mask=blue_mask(0)))


def settings(**changes: Any) -> TrackerSettings:
    given = {
        'features.device': 'cpu',
        'features.name': 'image-attention',
        'features.image.model': 'sd-2.1',
        'features.image.checkpoint': 'untrained',
        'features.attention.layers': '3.0',
        'features.resolution': 0,
        'adaptation.text.invert': True,
        'adaptation.text.rate': 1.0,
        'adaptation.text.steps': 3,
    }
    own = {name.replace('__', '.'): value for name, value in changes.items()}
    return build(TrackerSettings, given | own)


@pytest.fixture(scope='module')
def extractor() -> FeatureExtractor:
    chosen = settings(features__attention__layers='2.2,3.0')
    return features.create(chosen.features)


def tracker(extractor: FeatureExtractor, live: bool = False, **changes: Any) -> Tracker:
    return Tracker(extractor, GivenMasks(), settings(**changes), live=live)


def test_offline_frames_are_read_with_the_embeddings_from_the_start(
    extractor: FeatureExtractor,
) -> None:
    made = tracker(extractor, adaptation__heads='closed-form')
    made.step(clip_frame(0), PROMPTS)
    found = made.adapter.found
    assert found.embeddings is not None and found.embeddings.shape == (2, 32)
    assert found.heads is not None and made.adapter.since == 0
    made.step(clip_frame(1))
    other = tracker(extractor, adaptation__text__invert=False)
    other._features.text = made._features.text
    for index in (0, 1):
        other.step(clip_frame(index), PROMPTS * (index == 0))
    kept, expected = made._masks.memory, other._masks.memory
    for one, more in zip(kept.keys, expected.keys, strict=True):  # the prompted frame anew, too
        torch.testing.assert_close(one, more)
    made.reset()
    assert made.adapter.found.embeddings is None and made._features.text is None


def test_features_are_remembered_anew_at_unit_length() -> None:
    chosen = settings(features__name='image-unet', features__resolution=64)
    made = tracker(features.create(chosen.features), features__name='image-unet')
    made.step(clip_frame(0), PROMPTS)
    assert made.adapter.found.embeddings is not None
    (keys,) = made._masks.memory.keys
    torch.testing.assert_close(keys.norm(dim=1), torch.ones_like(keys[:, 0]))


def test_live_the_embeddings_take_over_from_a_frame_on(extractor: FeatureExtractor) -> None:
    made = tracker(extractor, live=True, adaptation__budget=0)
    states = []
    for index in range(5):
        (result,) = made.step(clip_frame(index), PROMPTS * (index == 0))
        assert result.frame.stamp == clip_frame(index).stamp
        states.append(made.adapter.state)
        assert (made._features.text is None) == (index < 3)
    assert states[:3] == ['33% on frame 0', '67% on frame 0', '100% on frame 0']
    assert states[3] == 'done, in use from frame 4 on'


@pytest.mark.parametrize('event', ['reset', 'remove', 'clear'])
def test_what_takes_the_targets_ends_the_fit(extractor: FeatureExtractor, event: str) -> None:
    made = tracker(extractor, live=True, adaptation__budget=0)
    made.step(clip_frame(0), PROMPTS)
    if event == 'remove':
        made.remove_targets([1])
    else:
        made.reset() if event == 'reset' else made.clear_targets()
    assert made.adapter.state == 'none'
    for index in range(1, 6):
        made.step(clip_frame(index))
    assert made._features.text is None


def test_a_fit_that_fails_does_not_stop_the_stream(
    extractor: FeatureExtractor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise PromptError('no room')

    monkeypatch.setattr('drift_ros.adaptation.text.TextFit.step', fail)
    made = tracker(extractor, live=True)
    for index in range(3):
        assert len(made.step(clip_frame(index), PROMPTS * (index == 0))) == 1
    assert made.adapter.state == 'failed on frame 0: no room'


@pytest.mark.parametrize(
    'other',
    [
        {'features.name': 'embedded-attention', 'features.attention.layers': ''},
        {'features.name': 'patch'},
        {'features.image.model': 'adm', 'features.attention.layers': ''},
    ],
)
def test_a_network_without_cross_attention_is_refused(other: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match=r'adaptation\.text\.invert'):
        Tracker.from_settings(settings(**{k.replace('.', '__'): v for k, v in other.items()}))
