from __future__ import annotations

import pytest
import torch
from torch import Tensor

from drift_ros.errors import DriftError
from drift_ros.propagation import ChannelReduction, unit


def low_rank(rank: int, noise: float, seed: int = 0) -> Tensor:
    """Unit descriptors (2, 24, 9, 11) that lie close to a subspace, with a common mean."""
    torch.manual_seed(seed)
    mixing = torch.randn(24, rank)
    features = torch.einsum('cr,nrhw->nchw', mixing, torch.randn(2, rank, 9, 11) + 1)
    return unit(features + noise * torch.randn(2, 24, 9, 11), 1)


def cosines(features: Tensor) -> Tensor:
    cells = features.double().movedim(1, -1).flatten(0, -2)
    return cells @ cells.T


def test_pca_keeps_cosines_of_descriptors_in_a_subspace() -> None:
    features = low_rank(5, 0)
    reduced = ChannelReduction(5)(features)
    assert reduced.shape == (2, 5, 9, 11)
    torch.testing.assert_close(cosines(reduced), cosines(features), atol=1e-5, rtol=0)


def test_pca_is_the_best_projection() -> None:
    """No other one keeps more of the scalar products: the error is what the spectrum says."""
    features = low_rank(20, 0.1)
    reduced = ChannelReduction(6, normalize=False)(features)
    error = (cosines(features) - cosines(reduced)).square().sum().sqrt()
    values = torch.linalg.svdvals(features.double().movedim(1, -1).flatten(0, -2)).square()
    torch.testing.assert_close(error, values[6:].square().sum().sqrt(), rtol=1e-4, atol=0)
    other = ChannelReduction(6, 'random', normalize=False)(features)
    assert (cosines(features) - cosines(other)).square().sum().sqrt() > error


def test_random_projection_keeps_scalar_products_in_the_mean() -> None:
    features = low_rank(8, 0.1)
    estimates = torch.stack(
        [cosines(ChannelReduction(6, 'random', s, normalize=False)(features)) for s in range(300)]
    )
    torch.testing.assert_close(estimates.mean(0), cosines(features), atol=0.1, rtol=0)


@pytest.mark.parametrize('method', ['pca', 'random'])
def test_fitted_once_until_reset(method: str) -> None:
    reduction = ChannelReduction(4, method)  # type: ignore[arg-type]
    first, second = low_rank(6, 0.1, seed=1), low_rank(6, 0.1, seed=2)
    once = reduction(first)
    reduction(second)
    assert torch.equal(reduction(first), once)
    reduction.reset()
    reduction(second)
    assert torch.equal(reduction(first), once) is (method == 'random')


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_half_precision_is_close(dtype: torch.dtype) -> None:
    features = low_rank(6, 0.1)
    exact = ChannelReduction(4)(features)
    reduction = ChannelReduction(4)
    reduction.fit(features)
    found = reduction(features.to(dtype))
    assert found.dtype == dtype
    torch.testing.assert_close(found.float(), exact, atol=2e-2, rtol=0)


def test_few_channels_pass_unchanged() -> None:
    features = low_rank(6, 0.1)
    assert ChannelReduction(24)(features) is features


def test_zero_descriptors_stay_zero_and_nan_does_not_spread() -> None:
    features = low_rank(6, 0.1)
    features[0, :, 0, 0] = 0
    features[0, :, 0, 1] = torch.nan
    reduced = ChannelReduction(4)(features)
    assert reduced.isfinite().all()
    assert not reduced[0, :, 0, :2].any()


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(DriftError, match='channels >= 1'):
        ChannelReduction(0)
    with pytest.raises(DriftError, match='method'):
        ChannelReduction(4, 'umap')  # type: ignore[arg-type]
    reduction = ChannelReduction(4)
    reduction(low_rank(6, 0))
    with pytest.raises(DriftError, match='fitted to 24 channels and got 12'):
        reduction(low_rank(6, 0)[:, :12])
