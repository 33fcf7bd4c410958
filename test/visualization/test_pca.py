"""Feature maps as colours."""

from __future__ import annotations

import numpy as np
import torch

from drift_ros.visualization.pca import principal_colours

RNG = torch.Generator().manual_seed(0)


def test_equal_descriptors_get_equal_colours_in_every_map() -> None:
    kinds = torch.randn(4, 16, generator=RNG)
    where = torch.randint(0, 4, (2, 6, 9), generator=RNG)
    first, second = principal_colours(kinds[where].permute(0, 3, 1, 2))
    colours = np.stack([first, second])
    for kind in range(4):
        assert len(np.unique(colours[where.numpy() == kind], axis=0)) == 1
    assert len(np.unique(colours.reshape(-1, 3), axis=0)) == 4


def test_lengths_of_descriptors_do_not_matter() -> None:
    features = torch.randn(2, 8, 5, 7, generator=RNG)
    longer = features * torch.rand(2, 1, 5, 7, generator=RNG).add(0.5)
    for one, other in zip(principal_colours(features), principal_colours(longer), strict=True):
        assert np.abs(one.astype(int) - other).max() <= 1


def test_colours_follow_the_largest_spread() -> None:
    """Red must be the direction along which cells differ most: here a ramp from left to right."""
    ramp = torch.linspace(-1, 1, 21).expand(4, 21)
    features = torch.stack([torch.ones(4, 21), ramp, 0.01 * torch.randn(4, 21, generator=RNG)])
    red = principal_colours(features[None])[0][..., 0].astype(int)
    steps = np.diff(red, axis=1)
    assert (steps >= 0).all() or (steps <= 0).all()
    assert red.min() == 0 and red.max() == 255


def test_maps_without_contrast_stay_grey() -> None:
    (picture,) = principal_colours(torch.ones(1, 4, 3, 5, dtype=torch.float16))
    assert picture.shape == (3, 5, 3) and (picture == 128).all()
