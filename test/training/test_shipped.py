"""The weights that come with the package do what their card says."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from drift_ros import resources
from drift_ros.features import create
from drift_ros.settings import FeatureSettings
from drift_ros.training.validation import crossing_clips, validate

LIMIT = 25 * 10**6  # bytes of all weights
PINNED = {'embedded': 50.1, 'embedded-image': 40.5, 'patch': 38.6}  # J in percent


def test_they_are_small() -> None:
    files = (resources.folder('resource') / 'embedded').rglob('*.safetensors')
    assert 0 < sum(file.stat().st_size for file in files) < LIMIT


def test_j_on_three_short_videos_of_look_alikes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pinned with a margin; no network is needed."""

    def refuse(*_args: Any, **_kwargs: Any) -> None:
        raise AssertionError('the network was asked')

    monkeypatch.setattr(socket.socket, 'connect', refuse)
    clips = crossing_clips(3, 320, 240, 8)
    scores = {
        name: validate(create(FeatureSettings(name=name, device='cpu')), clips)
        for name in ('embedded', 'embedded-image', 'patch')
    }
    assert scores == pytest.approx(PINNED, abs=4)
