"""Training of the network for points: it learns, repeats, and goes on where it stopped."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from drift_ros.errors import OutputError
from drift_ros.synthetic.seeds import Seed
from drift_ros.training.points import following, run
from drift_ros.training.points.settings import PointTraining
from drift_ros.training.points.videos import TrackedVideo

SETTINGS = PointTraining(videos=2, pairs=40, clips=3, followed=16, rate=3e-3)


class Sliding:
    """Videos of a texture that slides, a quarter of it under a grey bar."""

    def __getitem__(self, number: int) -> TrackedVideo:
        rng = np.random.default_rng(number)
        coarse = rng.uniform(20, 230, (24, 30, 3)).astype(np.float32)
        wide = cv2.resize(coarse, (240, 192), interpolation=cv2.INTER_CUBIC).clip(0, 255)
        step = rng.uniform(-3, 3, 2)
        grid = np.stack(np.meshgrid(np.arange(20, 110, 8), np.arange(20, 80, 8)), 2).reshape(-1, 2)
        images, places = [], []
        for index in range(6):
            at = np.float32([[1, 0, step[0] * index - 40], [0, 1, step[1] * index - 40]])
            image = cv2.warpAffine(wide, at, (128, 96)).astype(np.uint8)
            image[:, 48:80] = 128
            images.append(image)
            places.append((grid + step * index).astype(np.float32))
        positions = np.stack(places)
        visible = (positions[..., 0] < 47.5) | (positions[..., 0] > 79.5)
        visible &= ((positions > 0) & (positions < [127, 95])).all(2)
        shown = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float()
        features = torch.nn.functional.avg_pool2d(shown, 8) - 128
        return TrackedVideo(np.stack(images), features, 8, positions, visible)


def train(folder: Path, settings: PointTraining = SETTINGS) -> tuple[dict[str, list[float]], bytes]:
    """Train; the losses of both parts and the weights."""
    losses: dict[str, list[float]] = {}

    def watch(part: str, step: int, count: int, means: dict[str, float]) -> None:
        assert 0 < step <= count
        if means:
            losses.setdefault(part, []).append(means.get('loss', means.get('judging', 0)))

    run.train(folder, settings, Sliding(), watch)
    return losses, (folder / run.WEIGHTS).read_bytes()


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few videos are enough to learn from."""
    monkeypatch.setattr(following.Following, 'watched', 1)
    monkeypatch.setattr(run.Pairs, 'watched', 10)
    monkeypatch.setattr(following, 'LEAST', 4)
    monkeypatch.setattr(following, 'BATCH', 4)


def test_losses_fall_and_a_training_that_stopped_gives_the_same_weights(tmp_path: Path) -> None:
    losses, weights = train(tmp_path / 'whole')
    assert losses['pairs'][-1] < 0.9 * losses['pairs'][0]
    assert losses['following'][-1] < losses['following'][0]
    less = {'clips': 0}
    assert train(tmp_path / 'parts', SETTINGS.model_copy(update=less))[1] != weights
    assert train(tmp_path / 'parts')[1] == weights
    with pytest.raises(OutputError, match=r'other settings, see settings\.json'):
        train(tmp_path / 'parts', SETTINGS.model_copy(update={'seed': 1}))


def test_videos_cannot_be_those_of_a_test() -> None:
    """Another split is another first word of every seed."""
    train_, val, test = (Seed(split, (900_000,)).key for split in ('train', 'val', 'test'))
    assert len({train_, val, test}) == 3
