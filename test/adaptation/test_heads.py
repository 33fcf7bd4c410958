"""Weights of heads: what knows the object gets weight, noise gets none."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from drift_ros.adaptation.heads import HeadFit, answers, closed_form
from drift_ros.errors import PromptError
from drift_ros.propagation.attention import attend

GRID = (12, 16)


def scene() -> Tensor:
    """Labels of the ground and two objects."""
    labels = torch.zeros(3, *GRID)
    labels[1, 2:7, 2:6], labels[2, 5:11, 9:14] = 1, 1
    labels[0] = 1 - labels[1:].sum(0)
    return labels


def heads(good: int, noisy: int) -> tuple[list[Tensor], list[Tensor]]:
    """Heads that see the objects, with some noise, and heads that see noise alone."""
    generator = torch.Generator().manual_seed(0)

    def noise(scale: float) -> Tensor:
        return scale * torch.randn(8, *GRID, generator=generator)

    seen = torch.cat([scene(), torch.zeros(5, *GRID)]) * 8
    queries = [seen + noise(0.2) for _ in range(good)] + [noise(2) for _ in range(noisy)]
    keys = [seen / 8 + noise(0.2) for _ in range(good)] + [noise(2) for _ in range(noisy)]
    return queries, keys


@pytest.mark.parametrize('method', ['fitted', 'closed-form'])
def test_planted_heads_of_noise_get_no_weight(method: str) -> None:
    labels = scene()
    queries, keys = heads(good=2, noisy=6)
    found = answers(queries, keys, labels, margin=1)
    if method == 'fitted':
        fit = HeadFit(found, labels, rate=0.1)
        losses = [fit.step() for _ in range(200)]
        assert losses[-1] < 0.5 * losses[0]
        weights = fit.weights
    else:
        weights = closed_form(found, labels, temperature=0.05)
    assert float(weights.sum()) == pytest.approx(1)
    assert float(weights[2:].sum()) < 0.02
    mixed = attend(queries, [k[None] for k in keys], labels[None], weights=weights)
    plain = attend(queries, [k[None] for k in keys], labels[None])
    assert float((mixed - labels).abs().mean()) < 0.5 * float((plain - labels).abs().mean())


def test_a_head_that_only_finds_itself_does_not_count() -> None:
    """Every cell of it knows itself alone: perfect on the diagonal, blind elsewhere."""
    labels = scene()
    queries, keys = heads(good=1, noisy=0)
    own = torch.randn(200, *GRID, generator=torch.Generator().manual_seed(1))
    own = torch.nn.functional.normalize(own, dim=0)
    queries.append(60 * own)
    keys.append(own)
    fit = HeadFit(answers(queries, keys, labels, margin=1), labels, rate=0.1)
    for _ in range(100):
        fit.step()
    assert float(fit.weights[0]) > 0.9
    blind = HeadFit(answers(queries, keys, labels, margin=-1), labels, rate=0.1)
    for _ in range(100):
        blind.step()
    assert float(blind.weights[1]) > 0.5


def test_heads_of_several_grids_answer_on_the_finest() -> None:
    labels = scene()
    queries, keys = heads(good=2, noisy=0)
    coarse = [torch.nn.functional.avg_pool2d(each, 2) for each in (queries[1], keys[1])]
    found = answers([queries[0], coarse[0]], [keys[0], coarse[1]], labels, margin=1)
    assert found.shape == (2, 3, *GRID)
    assert float((found.sum(1) - 1).abs().max()) < 1e-4


def test_an_empty_mask_is_refused() -> None:
    labels = scene()
    labels[2] = 0
    found = torch.rand(2, 3, *GRID)
    with pytest.raises(PromptError, match='empty mask'):
        HeadFit(found, labels, 0.1)
    with pytest.raises(PromptError, match='no target'):
        closed_form(found[:, :1], labels[:1], 0.1)
