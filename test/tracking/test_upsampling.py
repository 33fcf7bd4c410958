"""Joint bilateral upsampling against its definition."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from drift_ros.tracking import upsampling
from drift_ros.tracking.upsampling import joint_bilateral_labels


def by_definition(
    soft: NDArray[np.float64], stride: int, image: NDArray[np.uint8]
) -> NDArray[np.float64]:
    """(K, H, W) means, pixel by pixel, of soft labels in 0..1."""
    count, height, width = soft.shape
    colours = image.reshape(height, stride, width, stride, 3).mean((1, 3)).round() / 255
    result = np.zeros((count, height * stride, width * stride))
    for y, x in np.ndindex(result.shape[1:]):
        total = 0.0
        for j in range(y // stride - 1, y // stride + 2):
            for i in range(x // stride - 1, x // stride + 2):
                at = min(max(j, 0), height - 1), min(max(i, 0), width - 1)
                away = ((y + 0.5) / stride - 0.5 - j) ** 2 + ((x + 0.5) / stride - 0.5 - i) ** 2
                other = ((image[y, x] / 255 - colours[at]) ** 2).sum()
                weight = np.exp(-away / (2 * 0.7**2))
                weight *= np.exp(-other / (2 * 0.15**2)) + 1e-8
                result[:, y, x] += weight * soft[(slice(None), *at)]
                total += weight
        result[:, y, x] /= total
    return result


@given(st.integers(0, 99), st.integers(2, 6), st.sampled_from([2, 4]))
def test_outlines_are_where_the_definition_has_them(seed: int, count: int, stride: int) -> None:
    random = np.random.default_rng(seed)
    soft = random.random((count, 4, 5))
    low, high = soft.min((1, 2), keepdims=True), soft.max((1, 2), keepdims=True)
    image = random.integers(100, 150, (4 * stride, 5 * stride, 3)).astype(np.uint8)
    expected = by_definition((soft - low) / (high - low), stride, image)
    found = joint_bilateral_labels(torch.from_numpy(soft).float(), stride, image)
    cells = ((soft - low) / (high - low)).argmax(0)
    around = np.lib.stride_tricks.sliding_window_view(np.pad(cells, 1, mode='edge'), (3, 3))
    agree = (around == cells[..., None, None]).all((2, 3)).repeat(stride, 0).repeat(stride, 1)
    first, second = np.sort(expected, 0)[[-1, -2]]
    certain = first - second > 0.02  # the mean colour of a cell is rounded
    best = np.where(agree, cells.repeat(stride, 0).repeat(stride, 1), expected.argmax(0))
    np.testing.assert_array_equal(found[certain | agree], best[certain | agree])


def halves(edge: int, size: int = 64) -> NDArray[np.uint8]:
    image = np.zeros((size, size, 3), np.uint8)
    image[:, edge:] = (250, 200, 150)
    return image


@pytest.mark.parametrize('edge', [29, 31, 34, 36])
@pytest.mark.parametrize('enlarged', [1, 2])
def test_an_outline_is_where_colours_change(edge: int, enlarged: int) -> None:
    mask = torch.from_numpy(halves(edge)[..., 0] > 0).float()
    share = torch.nn.functional.avg_pool2d(mask[None], 8)
    image = halves(edge).repeat(enlarged, 0).repeat(enlarged, 1)
    found = joint_bilateral_labels(torch.cat([1 - share, share]), 8, image)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, (image[..., 0] > 0).astype(np.uint8))


def test_channels_without_mass_or_contrast_win_nothing() -> None:
    soft = torch.zeros(3, 4, 4)
    soft[0] = 1
    assert not joint_bilateral_labels(soft, 8, halves(30, 32)).any()


def test_parts_give_what_the_whole_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    soft = torch.rand(40, 8, 8, generator=torch.Generator().manual_seed(0))
    whole = joint_bilateral_labels(soft, 8, halves(30))
    monkeypatch.setattr(upsampling, 'ENTRIES', 5000)
    np.testing.assert_array_equal(joint_bilateral_labels(soft, 8, halves(30)), whole)
