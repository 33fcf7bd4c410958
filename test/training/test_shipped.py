"""The weights that come with the package do what their card says."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from drift_ros import resources
from drift_ros.evaluation.metrics.masks import boundary_f, jaccard
from drift_ros.features import create
from drift_ros.settings import FeatureSettings
from drift_ros.synthetic import Clip
from drift_ros.training.validation import crossing_clips, track

LIMIT = 25 * 10**6  # bytes of all weights
PINNED = {  # J&F in percent
    'embedded': 64.0,
    'embedded-image': 63.4,
    'patch': 41.6,
}


def test_they_are_small() -> None:
    files = (resources.folder('resource') / 'embedded').rglob('*.safetensors')
    assert 0 < sum(file.stat().st_size for file in files) < LIMIT


def both(name: str, clips: Sequence[Clip]) -> float:
    """Mean of J and F over all objects and frames but the first, in percent."""
    scores = []
    extractor = create(FeatureSettings(name=name, device='cpu'))
    for clip in clips:
        found = track(extractor, clip)
        for truth, result in zip(clip.labels[1:], found[1:], strict=True):
            for id_ in clip.ids:
                scores.append(jaccard(truth == id_, result == id_))
                scores.append(boundary_f(truth == id_, result == id_))
    return 100 * float(np.mean(scores))


def test_on_three_short_videos_of_look_alikes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pinned with a margin; no network is needed."""

    def refuse(*_args: Any, **_kwargs: Any) -> None:
        raise AssertionError('the network was asked')

    monkeypatch.setattr(socket.socket, 'connect', refuse)
    clips = crossing_clips(3, 320, 240, 8)
    assert {name: both(name, clips) for name in PINNED} == pytest.approx(PINNED, abs=4)
