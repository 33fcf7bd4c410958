"""Training of the embedded models: exact pauses, falling losses, data in a fixed order."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils.data import Dataset

from drift_ros.errors import CheckpointError, OutputError, SettingsError
from drift_ros.features.embedded.create import load
from drift_ros.features.embedded.reading import Reading
from drift_ros.settings import build
from drift_ros.training import run
from drift_ros.training.data import Videos, batches
from drift_ros.training.objective import LEAST_NOISE, Noised, errors, mix, noised
from drift_ros.training.record import COLOURS, Losses, draw
from drift_ros.training.settings import TrainingSettings
from drift_ros.training.trainer import Trainer

CPU = torch.device('cpu')


class Discs(Dataset[Tensor]):
    """Videos by number: a bright square that moves."""

    def __getitem__(self, number: int) -> Tensor:
        rng = np.random.default_rng(number)
        y, x = rng.integers(0, 20, 2)
        frames = np.full((3, 3, 32, 32), 40, np.uint8)
        for index in range(3):
            frames[index, :, y : y + 8, x + index : x + index + 8] = 220
        return torch.from_numpy(frames)


def settings(**values: Any) -> TrainingSettings:
    given = {
        'network.channels': (32, 64),
        'network.near': (True,),
        'video.width': 32,
        'video.height': 32,
        'frames': 3,
        'crop': 32,
        'batch': 2,
        'pool': 4,
        'reuse': 2,
        'warm_up': 5,
        'decay': 0.9,
        'workers': 0,
    }
    return build(TrainingSettings, given | {k.replace('__', '.'): v for k, v in values.items()})


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """No validation, and a line for every other step."""
    monkeypatch.setattr(run, 'LINE', 2)
    monkeypatch.setattr(run, 'crossing_clips', lambda *args: [])
    noise = torch.randint(0, 256, (2, 3, 32, 32), dtype=torch.uint8)
    monkeypatch.setattr(run, 'rendered', lambda frames: [noise])
    monkeypatch.setattr(run, 'validate', lambda extractor, clips: 50.0)


def go(
    folder: Path, steps: int, resume: bool = False, watch: Any = lambda now: None, **values: Any
) -> Trainer:
    plan = run.Plan(minutes=1, steps=steps, save=10, validate=0)
    return run.train(
        folder, settings(**values), plan, CPU, data=Discs(), resume=resume, watch=watch
    )


def same(a: Trainer, b: Trainer) -> bool:
    pairs = zip(a.network.parameters(), b.network.parameters(), strict=True)
    averages = zip(a.averaged().parameters(), b.averaged().parameters(), strict=True)
    return all(torch.equal(p, q) for p, q in [*pairs, *averages])


@pytest.mark.usefixtures('quick')
def test_a_pause_changes_not_a_bit(tmp_path: Path) -> None:
    straight = settings(cool_down=0)
    plans = [run.Plan(1, steps, save=10, validate=0) for steps in (6, 3)]
    whole = run.train(tmp_path / 'whole', straight, plans[0], CPU, data=Discs())
    run.train(tmp_path / 'parts', straight, plans[1], CPU, data=Discs())
    torch.rand(7)  # other randomness in between does not matter
    parts = run.train(tmp_path / 'parts', straight, plans[0], CPU, data=Discs(), resume=True)
    assert parts.step_number == 6
    assert same(whole, parts)


@pytest.mark.usefixtures('quick')
def test_seeds_make_the_difference(tmp_path: Path) -> None:
    plan = run.Plan(1, 2, save=10, validate=0)
    first, second = (
        run.train(tmp_path / str(seed), settings(seed=seed), plan, CPU, data=Discs())
        for seed in (0, 1)
    )
    assert not same(first, second)


def test_it_learns_a_clip_by_heart() -> None:
    trainer = Trainer(settings(rate=3e-3, lowest=-2.0, highest=-1.99), CPU)
    images = torch.stack([Discs()[5], Discs()[5]])
    losses = [float(trainer.step(images, 0.0)[0].mean()) for _ in range(60)]
    assert np.mean(losses[-10:]) < 0.35 * np.mean(losses[:3])


@pytest.mark.usefixtures('quick')
def test_leaves_a_model_and_records(tmp_path: Path) -> None:
    seen: list[run.Progress] = []
    trainer = go(tmp_path, 4, watch=seen.append)
    model = load(tmp_path, torch.float32)
    assert Reading.load(tmp_path / run.MODEL).blocks == (0, 1)
    pairs = zip(model.parameters(), trainer.averaged().parameters(), strict=True)
    assert all(torch.equal(p, q.half().float()) for p, q in pairs)
    with (tmp_path / 'losses.csv').open() as file:
        rows = list(csv.DictReader(file))
    assert [float(row['step']) for row in rows] == [2, 4, 4]
    assert float(rows[-1]['J']) == 50
    assert (tmp_path / 'losses.png').stat().st_size > 0
    log = json.loads((tmp_path / 'training.json').read_text())
    assert log[0]['settings']['seed'] == 0
    assert log[0]['versions']['torch'] == torch.__version__
    assert [p.step for p in seen] == [1, 2, 3, 4]
    assert seen[-1].share == 1


@pytest.mark.usefixtures('quick')
def test_refuses_folders_and_states_that_do_not_fit(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match='no training to resume'):
        go(tmp_path / 'new', 2, resume=True)
    go(tmp_path / 'old', 2)
    with pytest.raises(OutputError, match='by --resume'):
        go(tmp_path / 'old', 2)
    state = tmp_path / 'old' / run.STATE
    with pytest.raises(CheckpointError, match='another batch, rate'):
        Trainer(settings(batch=3, rate=0.5), CPU).load(state)
    state.write_bytes(state.read_bytes()[:1000])
    with pytest.raises(CheckpointError, match='start a new training'):
        go(tmp_path / 'old', 4, resume=True)


def test_refuses_settings_that_contradict_each_other() -> None:
    with pytest.raises(SettingsError, match='lowest'):
        settings(lowest=3.0)
    with pytest.raises(SettingsError, match='must fit into the video'):
        settings(crop=48)


@pytest.mark.usefixtures('quick')
def test_starts_from_other_weights_where_they_fit(tmp_path: Path) -> None:
    twin = go(tmp_path / 'twin', 1, network__temporal=False)
    plan = run.Plan(1, 1, save=10, validate=0)
    other = Trainer(settings(), CPU)
    agreeing = other.start_from(twin.averaged())
    assert agreeing == len(twin.network.state_dict())
    pairs = zip(twin.averaged().stem.parameters(), other.network.stem.parameters(), strict=True)
    assert all(torch.equal(p, q) for p, q in pairs)
    run.train(tmp_path / 'new', settings(), plan, CPU, data=Discs(), start=tmp_path / 'twin')


def test_the_rate_rises_stays_and_falls() -> None:
    trainer = Trainer(settings(cool_down=0.5, rate=1.0), CPU)
    rates = []
    for trainer.step_number, progress in [(0, 0.0), (4, 0.1), (100, 0.5), (100, 0.75), (100, 1.0)]:
        rates.append(trainer.rate(progress))
    assert rates == pytest.approx([0.2, 1, 1, 0.5, 0])


def test_batches_depend_on_their_number_alone() -> None:
    stream = batches(settings(), 0, CPU, Discs())
    later = batches(settings(), 3, CPU, Discs())
    first = [next(stream) for _ in range(5)]
    assert first[0].shape == (2, 3, 3, 32, 32)
    assert torch.equal(first[3], next(later))
    assert torch.equal(first[4], next(later))
    assert not torch.equal(first[0], first[1])


def test_videos_are_those_of_the_training_split_and_differ_by_seed() -> None:
    small = {'frames': 2, 'video__width': 32, 'video__height': 32}
    one, again, other = (Videos(settings(seed=s, **small))[0] for s in (0, 0, 1))
    assert one.shape == (2, 3, 32, 32)
    assert one.dtype == torch.uint8
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


def test_noise_follows_seed_and_step_within_its_range() -> None:
    images = torch.zeros(64, 3, 3, 8, 8, dtype=torch.uint8)
    batch, again, next_ = (noised(images, settings(), step) for step in (4, 4, 5))
    assert torch.equal(batch.noisy, again.noisy)
    assert not torch.equal(batch.noisy, next_.noisy)
    assert batch.log_snr.min() >= settings().lowest
    assert batch.log_snr.max() <= settings().highest
    alike = (batch.log_snr == batch.log_snr[:, :1]).all(1)
    assert 0.2 < float(alike.float().mean()) < 0.8  # half the clips have one level for all frames


def test_the_mixture_has_the_ratio_that_it_is_told() -> None:
    clean, noise = torch.tensor([[3.0]]), torch.tensor([[0.0]])
    level = torch.tensor([[-1.5]])
    signal = mix(clean, noise, level) / 3
    rest = mix(noise, clean, level) / 3
    assert float((signal / rest).square().log()) == pytest.approx(-1.5, abs=1e-5)
    assert float(signal.square() + rest.square()) == pytest.approx(1)


def test_errors_are_those_of_v_until_there_is_little_noise() -> None:
    clean, noise = torch.randn(2, 1, 1, 3, 4, 4)
    for log_snr in (-2.0, 0.5, 3.0):
        level = torch.tensor([[log_snr]])
        batch = Noised(clean, mix(clean, noise, level), level)
        guess = clean + 0.3 * torch.randn_like(clean)
        a, s = torch.sigmoid(level[0, 0]).sqrt(), torch.sigmoid(-level[0, 0]).sqrt()
        implied_noise = (batch.noisy - a * guess) / s
        expected = (a * implied_noise - s * guess - (a * noise - s * clean)).square().mean()
        expected = expected * s**2 / max(float(s**2), LEAST_NOISE)
        torch.testing.assert_close(errors(guess, batch)[0, 0], expected, rtol=1e-3, atol=1e-4)


def test_losses_are_kept_apart_by_noise() -> None:
    losses = Losses(settings(lowest=-6.0, highest=3.0))
    losses.add(torch.tensor([[1.0, 2.0, 4.0, 6.0]]), torch.tensor([[2.5, -1.0, -5.0, -5.9]]))
    assert losses.take() == pytest.approx([3.25, 1, 2, 5])
    assert np.isnan(losses.take()[0])


def test_the_picture_shows_every_band(tmp_path: Path) -> None:
    rows = [{'step': s, 'loss': 1 / s, 'little': 2 / s, 'middling': 1, 'much': 0.5} for s in (1, 9)]
    draw(rows, tmp_path / 'losses.png')
    picture = cv2.imread(str(tmp_path / 'losses.png'))
    for colour in COLOURS.values():
        rgb = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
        assert (picture == rgb[::-1]).all(-1).any(), colour
    draw([], tmp_path / 'losses.png')  # as where all losses are NaN
