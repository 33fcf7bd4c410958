from __future__ import annotations

import pytest
import torch

from drift_ros.descriptors import Descriptors


def test_plain_features_stay_query_and_key() -> None:
    features = torch.arange(24.0).reshape(2, 3, 2, 2)
    descriptors = Descriptors.of(features, 8)
    assert len(descriptors) == 2 and descriptors.grid == (2, 2)
    doubled = descriptors.map(lambda maps: 2 * maps)
    assert doubled.keys is doubled.queries and torch.equal(doubled.features, 2 * features)
    first, second = descriptors.frames()
    assert torch.equal(second.features, features[1:])
    again = Descriptors.concatenate([first, second])
    assert again.keys is again.queries and torch.equal(again.features, features)


def test_queries_and_keys_on_several_grids_stay_together() -> None:
    queries = torch.rand(2, 4, 2, 3), torch.rand(2, 4, 4, 6)
    keys = torch.rand(2, 4, 2, 3), torch.rand(2, 4, 4, 6)
    descriptors = Descriptors(queries, keys, 8)
    assert descriptors.grid == (4, 6)
    again = Descriptors.concatenate(list(descriptors.frames()))
    for found, expected in ((again.queries, queries), (again.keys, keys)):
        assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))
    with pytest.raises(AssertionError):
        _ = descriptors.features
