"""Training of the network that recognizes targets: what is true of pairs, and that it goes on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils.data import Dataset

from drift_ros.errors import OutputError
from drift_ros.training.recognition import augmentation, run
from drift_ros.training.recognition import pairs as pairs_module
from drift_ros.training.recognition.pairs import OTHERS, Pairs, Pool
from drift_ros.training.recognition.settings import RecognitionTraining
from drift_ros.training.recognition.views import KEPT, SIDES, ObjectViews, Videos

CPU = torch.device('cpu')
SETTINGS = RecognitionTraining(steps=6, batch=4, videos=6, first=3, warm_up=1, workers=0)
NEAREST = 2.0  # m, at which a disc fills its box


class Discs(Dataset[ObjectViews | None]):
    """Two kinds of discs, one red and one blue, at several distances, in views of one scale; each
    third video shows nothing.
    """

    def __getitem__(self, number: int) -> ObjectViews | None:
        if number % 3 == 2:
            return None
        rng = np.random.default_rng(number)
        looks = torch.tensor([0, 0, 0, 1, 1, 1])
        distances = torch.from_numpy(rng.uniform(NEAREST, 1.5 * NEAREST, 6)).float()
        side = torch.arange(KEPT) + 0.5 - KEPT / 2
        radius = KEPT / SIDES / 2 * NEAREST / distances
        masks = side[:, None].hypot(side)[None] <= radius[:, None, None]
        colours = torch.tensor([[220, 20, 20], [20, 20, 220]], dtype=torch.uint8)[looks]
        images = torch.where(masks[..., None], colours[:, None, None], torch.tensor(90).byte())
        frames = torch.tensor([0.0, 0.0, KEPT, KEPT]).expand(6, -1)
        ones = torch.ones(6)
        boxes = KEPT / SIDES * ones
        return ObjectViews(images, 255 * masks.byte(), looks, distances, ones, ones, frames, boxes)


@pytest.fixture(scope='module')
def pool() -> Pool:
    pool = Pool(100, CPU)
    for number in range(12):
        views = Discs()[number]
        if views:
            pool.add(views)
    return pool


def known(pairs: Pairs) -> Tensor:
    """The first view of each pair."""
    return pairs.known.repeat_interleave(OTHERS, 0)


def areas(masks: Tensor) -> Tensor:
    return masks.flatten(1).mean(1)


@pytest.mark.parametrize('vary', [False, True])
def test_the_scale_of_a_pair_is_that_of_what_it_shows(pool: Pool, vary: bool) -> None:
    pairs = pool.draw(64, np.random.default_rng(0), vary)
    shown = pairs.shown > 0
    assert 0.4 < shown.float().mean() < 0.95
    inside = areas(pairs.mask[:, [0, -1]] + pairs.mask[:, :, [0, -1]].transpose(1, 2)) == 0
    before, now = areas(known(pairs)[:, 4])[shown & inside], areas(pairs.mask)[shown & inside]
    expected = pairs.scale[shown & inside]
    assert len(expected) > 20
    assert torch.allclose((now / before).log() / 2, expected, atol=0.02)
    assert not pairs.mask[~shown].any() and not pairs.other[:, 4].any()


def test_views_of_a_pair_show_the_same_look_or_not() -> None:
    pool = Pool(6, CPU)
    views = Discs()[0]
    assert views is not None
    pool.add(views)
    pairs = pool.draw(64, np.random.default_rng(1), vary=False)
    middle = slice(60, 68)
    first, second = (
        (each[:, 0] - each[:, 2])[:, middle, middle].mean((1, 2))
        for each in (known(pairs), pairs.other)
    )
    assert torch.equal((first * second > 1).float(), pairs.shown)  # red or blue, not grey


def test_what_is_painted_differently_is_not_the_same(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(augmentation, 'PAINTED', 1.0)
    monkeypatch.setattr(augmentation, 'SAME_PAINT', 0.0)
    assert not pool.draw(16, np.random.default_rng(0)).shown.any()
    monkeypatch.setattr(augmentation, 'SAME_PAINT', 1.0)
    pairs = pool.draw(64, np.random.default_rng(0))
    assert 0.4 < pairs.shown.mean() < 0.95
    monkeypatch.setattr(augmentation, 'PAINTED', 0.0)
    plain = pool.draw(64, np.random.default_rng(0))
    for painted, before in ((pairs.known, plain.known), (pairs.other, plain.other)):
        changed = (painted != before).any(1)
        assert changed.any((1, 2)).float().mean() > 0.5
    assert not ((pairs.known != plain.known).any(1) & (plain.known[:, 4] == 0)).any()


def test_views_are_preferred_that_look_larger_or_smaller_than_they_are_near(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    views = Discs()[0]
    assert views is not None
    masks = views.masks.clone()
    masks[0, : KEPT // 2] = 0  # half of the first red disc
    pool = Pool(6, CPU)
    pool.add(replace(views, masks=masks))

    def share() -> float:
        pairs = pool.draw(512, np.random.default_rng(0), vary=False)
        cut_off = pairs.mask[:, :24].sum((1, 2)) == 0
        return float(cut_off[pairs.shown > 0].float().mean())

    often = share()
    monkeypatch.setattr(pairs_module, 'TRIED', 1)
    assert often > 1.3 * share() > 0.1


def test_a_draw_repeats_and_another_differs(pool: Pool) -> None:
    first, again, other = (pool.draw(4, np.random.default_rng(seed)) for seed in (0, 0, 1))
    assert torch.equal(first.other, again.other) and not torch.equal(first.other, other.other)


def test_rendered_views_are_those_of_their_objects() -> None:
    views = Videos(0)[3]
    assert views is not None and len(views) > 4
    assert views.images.shape[1:] == (KEPT, KEPT, 3) and (views.looks.diff() >= 0).all()
    again = Videos(0)[3]
    assert again is not None and torch.equal(views.images, again.images)
    box = KEPT / SIDES
    for mask in views.masks > 127:
        rows, columns = mask.nonzero().T
        height, width = rows.max() - rows.min() + 1, columns.max() - columns.min() + 1
        assert float(max(height, width)) == pytest.approx(box, abs=4)
        middle = [float(each.max() + each.min() + 1) / 2 for each in (rows, columns)]
        assert middle == pytest.approx([KEPT / 2, KEPT / 2], abs=3)
    other = Videos(0, 'val')[3]
    assert other is None or not torch.equal(views.images[0], other.images[0])


def train(folder: Path, settings: RecognitionTraining = SETTINGS) -> dict[str, Tensor]:
    run.train(folder, settings, CPU, videos=Discs(), held_out=Discs())
    state: dict[str, Tensor] = torch.load(folder / run.STATE, weights_only=True)['network']
    return state


def test_it_learns_and_goes_on_where_it_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, 'HELD_OUT', 4)
    monkeypatch.setattr(run, 'JUDGED', 4)
    monkeypatch.setattr(run, 'TOGETHER', 4)
    monkeypatch.setattr(run, 'SAVED', 3)
    whole = train(tmp_path / 'whole')
    state = torch.load(tmp_path / 'whole' / run.STATE, weights_only=True)
    assert state['done'] == 6

    class StoppedError(Exception):
        pass

    def stop(step: int, means: dict[str, float]) -> None:
        if step == 4:
            raise StoppedError

    with pytest.raises(StoppedError):
        run.train(tmp_path / 'parts', SETTINGS, CPU, None, Discs(), Discs(), stop)
    resumed = train(tmp_path / 'parts')
    for name, tensor in whole.items():
        torch.testing.assert_close(resumed[name], tensor)
    with pytest.raises(OutputError, match='other settings'):
        train(tmp_path / 'parts', SETTINGS.model_copy(update={'batch': 8}))


def test_losses_fall(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, 'HELD_OUT', 4)
    monkeypatch.setattr(run, 'JUDGED', 4)
    monkeypatch.setattr(run, 'TOGETHER', 4)
    monkeypatch.setattr(run, 'SAID', 12)
    said: list[dict[str, float]] = []
    settings = SETTINGS.model_copy(update={'steps': 36, 'rate': 2e-3})
    run.train(
        tmp_path, settings, CPU, None, Discs(), Discs(), lambda _, m: said.append(m) if m else None
    )
    assert said[-1]['mask'] < 0.7 * said[0]['mask']
