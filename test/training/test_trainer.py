"""Training of the embedded models: exact pauses, falling losses, data in a fixed order."""

from __future__ import annotations

import csv
import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from torch.utils.data import Dataset

from drift_ros.errors import CheckpointError, OutputError, SettingsError
from drift_ros.features.embedded.create import load
from drift_ros.settings import build
from drift_ros.training import run
from drift_ros.training.data import TrackedClip, Videos, batches, stacked
from drift_ros.training.objective import (
    LEAST_NOISE,
    Noised,
    denoising_errors,
    matching_loss,
    mix,
)
from drift_ros.training.record import COLOURS, MeanLosses, draw
from drift_ros.training.settings import TrainingSettings
from drift_ros.training.trainer import LOSSES, Trainer

CPU = torch.device('cpu')


class Squares(Dataset[TrackedClip]):
    """Videos by number: a bright square that moves, with a track on every other pixel."""

    def __getitem__(self, number: int) -> TrackedClip:
        rng = np.random.default_rng(number)
        y, x = rng.integers(0, 20, 2)
        images = np.full((4, 3, 32, 32), 40, np.uint8)
        labels = np.zeros((4, 32, 32), np.uint8)
        inside = np.stack(np.meshgrid(range(0, 8, 2), range(0, 8, 2)), -1).reshape(-1, 2)
        points = np.empty((4, len(inside), 2), np.float32)
        for index in range(4):
            images[index, :, y : y + 8, x + index : x + index + 8] = 220
            labels[index, y : y + 8, x + index : x + index + 8] = 1
            points[index] = inside + np.array([x + index, y])
        parts = (images, labels, points, np.ones(points.shape[:2], bool))
        ids = np.ones(len(inside), np.uint8)
        return TrackedClip(*map(torch.from_numpy, (*parts, ids)))


def settings(**values: Any) -> TrainingSettings:
    given = {
        'network.channels': (32, 64),
        'network.readout': (16, 16),
        'network.context': 64,
        'network.depth': 1,
        'video.width': 32,
        'video.height': 32,
        'video.frames': 4,
        'views': ((32, 3), (32, 4)),
        'batch': 2,
        'pool': 20,
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
    monkeypatch.setattr(run, 'validate', lambda extractor, clips: 50.0)


def go(
    folder: Path, steps: int, resume: bool = False, watch: Any = lambda now: None, **values: Any
) -> Trainer:
    plan = run.Plan(minutes=1, steps=steps, save=10, validate=0)
    return run.train(
        folder, settings(**values), plan, CPU, data=Squares(), resume=resume, watch=watch
    )


def same(a: Trainer, b: Trainer) -> bool:
    pairs = zip(a.network.parameters(), b.network.parameters(), strict=True)
    averages = zip(a.averaged().parameters(), b.averaged().parameters(), strict=True)
    return all(torch.equal(p, q) for p, q in [*pairs, *averages])


@pytest.mark.usefixtures('quick')
def test_a_pause_changes_not_a_bit(tmp_path: Path) -> None:
    straight = settings(cool_down=0)
    plans = [run.Plan(1, steps, save=10, validate=0) for steps in (6, 3)]
    whole = run.train(tmp_path / 'whole', straight, plans[0], CPU, data=Squares())
    run.train(tmp_path / 'parts', straight, plans[1], CPU, data=Squares())
    torch.rand(7)  # other randomness in between does not matter
    parts = run.train(tmp_path / 'parts', straight, plans[0], CPU, data=Squares(), resume=True)
    assert parts.step_number == 6
    assert same(whole, parts)


def test_seeds_make_the_difference() -> None:
    first, again, other = (Trainer(settings(seed=seed), CPU) for seed in (0, 0, 1))
    assert same(first, again) and not same(first, other)


def test_it_learns_a_clip_by_heart() -> None:
    trainer = Trainer(settings(rate=3e-3, denoising=0, alone=0), CPU)
    clips = [Squares()[5], Squares()[5]]
    losses = [trainer.step(clips, 0.0) for _ in range(40)]
    for name in LOSSES:
        first, last = (np.mean([x[name] for x in part]) for part in (losses[:3], losses[-5:]))
        assert last < 0.7 * first, name


def test_shares_choose_what_a_step_learns() -> None:
    clips = [Squares()[5], Squares()[5]]
    for shares, wanted in [
        ({'denoising': 1}, {'denoising'}),
        ({'denoising': 0}, {'denoising', 'matching'}),
    ]:
        assert set(Trainer(settings(**shares), CPU).step(clips, 0.0)) == wanted


@pytest.mark.usefixtures('quick')
def test_leaves_a_model_and_records(tmp_path: Path) -> None:
    seen: list[run.Progress] = []
    trainer = go(tmp_path, 4, watch=seen.append)
    model = load(tmp_path, torch.float32)
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
    with pytest.raises(OutputError):
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
    for view in ((48, 3), (32, 5), (24, 3)):
        with pytest.raises(SettingsError, match='views'):
            settings(views=(view,))


@pytest.mark.usefixtures('quick')
def test_starts_from_other_weights_where_they_fit(tmp_path: Path) -> None:
    twin = go(tmp_path / 'twin', 1, network__temporal=False)
    plan = run.Plan(1, 1, save=10, validate=0)
    other = Trainer(settings(), CPU)
    agreeing = other.start_from(twin.averaged())
    assert agreeing == len(twin.network.state_dict())
    pairs = zip(twin.averaged().stem.parameters(), other.network.stem.parameters(), strict=True)
    assert all(torch.equal(p, q) for p, q in pairs)
    run.train(tmp_path / 'new', settings(), plan, CPU, data=Squares(), start=tmp_path / 'twin')


def test_the_rate_rises_stays_and_falls() -> None:
    trainer = Trainer(settings(cool_down=0.5, rate=1.0), CPU)
    rates = []
    for trainer.step_number, progress in [(0, 0.0), (4, 0.1), (100, 0.5), (100, 0.75), (100, 1.0)]:
        rates.append(trainer.rate(progress))
    assert rates == pytest.approx([0.2, 1, 1, 0.5, 0])


def test_batches_depend_on_their_number_alone() -> None:
    stream = batches(settings(), 0, CPU, Squares())
    later = batches(settings(), 3, CPU, Squares())
    first = [next(stream) for _ in range(5)]
    assert [len(batch) for batch in first] == [2] * 5
    assert [batch[0].images.shape for batch in first[:2]] == [(3, 3, 32, 32), (4, 3, 32, 32)]
    for number in (3, 4):
        assert same_clips(first[number], next(later))
    assert not same_clips(first[0], first[2])


def same_clips(first: list[TrackedClip], second: list[TrackedClip]) -> bool:
    return all(
        torch.equal(getattr(a, field.name), getattr(b, field.name))
        for a, b in zip(first, second, strict=True)
        for field in fields(TrackedClip)
    )


def test_tracks_and_labels_follow_every_variation() -> None:
    """A visible point lies on a pixel of the bright square and of its label, however a clip is cut,
    mirrored, turned, reversed and slowed.
    """
    stream = batches(settings(batch=1), 0, CPU, Squares())
    for _ in range(12):
        (clip,) = next(stream)
        frames, points = clip.visible.nonzero(as_tuple=True)
        x, y = clip.positions[frames, points].long().T
        assert len(frames)
        assert (clip.images[frames, :, y, x] == 220).all()
        assert (clip.labels[frames, y, x] == 1).all()


def test_videos_are_those_of_the_training_split_and_differ_by_seed() -> None:
    small = {'views': ((32, 2),), 'video__frames': 2, 'video__points': 8}
    one, again, other = (Videos(settings(seed=s, **small))[0] for s in (0, 0, 1))
    assert one.images.shape == (2, 3, 32, 32)
    assert one.images.dtype == torch.uint8
    assert one.positions.shape == (2, 8, 2)
    assert same_clips([one], [again])
    assert not torch.equal(one.images, other.images)


def test_noise_follows_the_number_of_the_step() -> None:
    clips = [Squares()[5], Squares()[5]]

    def loss(step: int) -> float:
        trainer = Trainer(settings(denoising=1), CPU)
        trainer.step_number = step
        return trainer.step(clips, 0.0)['denoising']

    assert loss(4) == loss(4) != loss(5)


def test_matching_is_least_where_descriptors_know_their_place() -> None:
    """An object of 2x2 cells at rest, with a point in the middle of each."""
    places = torch.tensor([[9.5, 9.5], [13.5, 9.5], [9.5, 13.5], [13.5, 13.5]])
    labels = torch.zeros(4, 32, 32, dtype=torch.uint8)
    labels[:, 8:16, 8:16] = 1
    seen, ids = torch.ones(4, 4, dtype=torch.bool), torch.ones(4, dtype=torch.uint8)
    clip = TrackedClip(
        torch.zeros(4, 3, 32, 32, dtype=torch.uint8), labels, places.expand(4, -1, -1), seen, ids
    )
    right = torch.zeros(4, 5, 8, 8)
    right[:, 4] = 1
    right[:, :, 2:4, 2:4] = torch.eye(5)[:, :4].view(5, 2, 2)

    def loss(descriptors: torch.Tensor) -> float:
        chosen = torch.Generator().manual_seed(0)
        pairs = torch.tensor([[(0, 2), (3, 1)]] * 2)
        both = torch.stack([descriptors, right])  # of two clips, the second one knows
        return 2 * float(
            matching_loss(both, stacked([clip, clip]), pairs, torch.tensor(0.05), chosen)
        )

    # without a clue: log 64 for the place, and the object has 4 of 64 cells
    assert loss(torch.ones(4, 5, 8, 8)) == pytest.approx(np.log(64) + 2 * np.log(16), rel=1e-4)
    assert loss(right) == pytest.approx(0, abs=1e-5)
    mirrored = right.clone()
    mirrored[:2, :, 2:4, 2:4] = mirrored[:2, :, 2:4, 2:4].flip(-1)
    assert loss(mirrored) == pytest.approx(20, rel=1e-3)  # the right object, the wrong place
    clip.visible.zero_()
    assert loss(right) == 0


@pytest.mark.parametrize('nowhere', [float('nan'), float('inf')])
def test_points_without_a_place_change_nothing(nowhere: float) -> None:
    """A point that is turned with its clip while it lies in the plane of the camera has none."""
    clip = Squares()[5]
    clip.visible[:, 0] = False
    results = []
    for place in (1.0, nowhere):
        clip.positions[:, 0] = place
        descriptors = torch.randn((1, len(clip.images), 8, 4, 4), generator=seeded(0))
        descriptors.requires_grad_()
        loss = matching_loss(
            descriptors, stacked([clip]), torch.tensor([[(0, 1)]]), torch.tensor(0.1), seeded(0)
        )
        loss.backward()
        assert descriptors.grad is not None
        results.append((loss.detach(), descriptors.grad))
    for ours, theirs in zip(*results, strict=True):
        assert ours.isfinite().all()
        torch.testing.assert_close(ours, theirs)


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


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
        torch.testing.assert_close(
            denoising_errors(guess, batch)[0, 0], expected, rtol=1e-3, atol=1e-4
        )


def test_losses_are_means_of_the_steps_that_have_them() -> None:
    losses = MeanLosses()
    losses.add({'denoising': 1.0, 'matching': 4.0})
    losses.add({'denoising': 2.0})
    assert losses.take() == pytest.approx({'denoising': 1.5, 'matching': 4.0})
    assert np.isnan(losses.take()['denoising'])


def test_the_picture_shows_every_loss(tmp_path: Path) -> None:
    rows = [{'step': s, 'denoising': 1 / s, 'matching': 2 / s} for s in (1, 9)]
    draw(rows, tmp_path / 'losses.png')
    picture = cv2.imread(str(tmp_path / 'losses.png'))
    for colour in COLOURS.values():
        rgb = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
        assert (picture == rgb[::-1]).all(-1).any(), colour
    draw([], tmp_path / 'losses.png')  # as where all losses are NaN
