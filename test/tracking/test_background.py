"""Cells that look like the background leave their targets."""

from __future__ import annotations

import torch
from torch import Tensor

from drift_ros.propagation import one_hot, unit
from drift_ros.tracking.background import EVERY, Background

GRID = (8, 13)


def brute_force(soft: Tensor, features: Tensor, given: Tensor, labels: Tensor) -> Tensor:
    """Cell by cell, with a margin of 0.1."""
    out = soft.clone()
    for y in range(GRID[0]):
        for x in range(GRID[1]):
            slot = int(soft[:, y, x].argmax())
            best = {'own': -2.0, 'rest': -2.0}
            for frame, label in zip(given, labels, strict=True):
                if not slot or not label[slot].any():
                    continue
                for v in range(GRID[0]):
                    for u in range(GRID[1]):
                        cosine = float(
                            torch.cosine_similarity(features[:, y, x], frame[:, v, u], 0)
                        )
                        if label[slot, v, u] > 0.5:
                            best['own'] = max(best['own'], cosine)
                        elif label[0, v, u] > 0.95 and not v % EVERY and not u % EVERY:
                            best['rest'] = max(best['rest'], cosine)
            if slot and best['rest'] - best['own'] > 0.1:
                out[0, y, x] = soft[:, y, x].sum()
                out[1:, y, x] = 0
    return out


def drop_background(
    soft: Tensor, features: Tensor, given: Tensor, labels: Tensor, margin: float
) -> Tensor:
    looks = torch.nn.functional.interpolate(features[None], soft.shape[1:])[0]
    return Background(given, labels).drop(soft, unit(looks, 0), margin)


def scene(seed: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    slots = torch.zeros((2, *GRID), dtype=torch.uint8)
    slots[0, 1:5, 1:6] = 1
    slots[1, 3:7, 2:7] = 1
    slots[1, 2:8, 9:13] = 2  # named on the second frame
    labels = torch.stack([one_hot(s.numpy(), 3, GRID) for s in slots])
    given = torch.randn((2, 4, *GRID), generator=generator)
    soft = torch.rand((3, *GRID), generator=generator)
    return soft / soft.sum(0), torch.randn((4, *GRID), generator=generator), given, labels


def test_as_cell_by_cell() -> None:
    changed = 0
    for seed in range(2):
        soft, features, given, labels = scene(seed)
        kept = soft.clone()
        found = drop_background(soft, features, given, labels, 0.1)
        torch.testing.assert_close(found, brute_force(soft, features, given, labels))
        torch.testing.assert_close(found.sum(0), soft.sum(0))
        assert torch.equal(soft, kept)  # what was given stays as it is
        changed += int((found != soft).any(0).sum())
    assert 20 < changed < 200


def test_what_lies_on_the_target_before_it_was_named_is_no_background() -> None:
    """Target 2 looks the same in both frames; in the first it had no name."""
    _, features, given, labels = scene(0)
    given[0] = given[1] = features
    soft = labels[1] * 0.9 + 0.05
    assert drop_background(soft, features, given, labels, 0.0) is soft


def test_what_a_target_leaves_behind_is_dropped() -> None:
    _, _, given, labels = scene(1)
    soft = labels[0].clone()
    soft[:, 5:7, 9:12] = torch.tensor([0.1, 0.9, 0.0])[:, None, None]  # cells of the background
    features = given[0].clone()
    features[:, 5:7, 9:12] = given[0, :, 6:7, 10:11]
    found = drop_background(soft, features, given[:1], labels[:1], 0.0)
    assert torch.equal(found.argmax(0), labels[0].argmax(0))


def test_lengths_do_not_matter() -> None:
    soft, features, given, labels = scene(2)
    longer = drop_background(soft, features * 3, given * 5, labels, 0.1)
    torch.testing.assert_close(longer, drop_background(soft, features, given, labels, 0.1))


def test_a_margin_that_no_cosines_have_keeps_all() -> None:
    soft, features, given, labels = scene(2)
    assert drop_background(soft, features, given, labels, 2.0) is soft


def test_without_targets_or_given_frames_nothing_changes() -> None:
    soft, features, given, labels = scene(0)
    assert drop_background(soft, features, given[:0], labels[:0], 0.0) is soft
    nobody = torch.zeros_like(soft)
    nobody[0] = 1
    assert drop_background(nobody, features, given, labels, 0.0) is nobody


def test_descriptors_of_a_coarser_layer() -> None:
    soft, features, given, labels = scene(0)
    coarse = [torch.nn.functional.avg_pool2d(x, 2) for x in (features, given)]
    found = drop_background(soft, *coarse, labels, 0.1)
    assert found.shape == soft.shape and not torch.equal(found, soft)
