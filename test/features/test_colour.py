"""Colours beside features: against OpenCV, and against the kernel that they stand for."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
import torch
from torch.nn import functional

from drift_ros.descriptors import Descriptors
from drift_ros.features.colour import LIGHTNESS, SIGMA, add_colours, colour_weight, to_lab
from drift_ros.features.patch import PatchExtractor
from drift_ros.settings import TrackerSettings, build

FEATURES = torch.randn((2, 16, 4, 6), generator=torch.Generator().manual_seed(0))
IMAGES = torch.randint(0, 256, (2, 3, 32, 48), generator=torch.Generator().manual_seed(1)).to(
    torch.uint8
)


def test_lab_is_that_of_opencv() -> None:
    image = np.random.default_rng(0).random((40, 50, 3), np.float32)
    image[0] /= 20  # dark ones are linear
    wanted = cv2.cvtColor(image, cv2.COLOR_RGB2LAB)
    found = to_lab(255 * torch.from_numpy(image).permute(2, 0, 1)[None])[0].permute(1, 2, 0)
    np.testing.assert_allclose(found.numpy(), wanted, atol=0.6)  # OpenCV interpolates in a table


def test_lab_of_known_colours() -> None:
    """Red, green and blue of sRGB, after Lindbloom."""
    wanted = [[53.24, 80.09, 67.20], [87.73, -86.18, 83.18], [32.30, 79.19, -107.86]]
    found = to_lab(255 * torch.eye(3)[None, :, None])[0, :, 0].T
    np.testing.assert_allclose(found.numpy(), wanted, atol=0.05)


def test_grey_has_no_chroma() -> None:
    lab = to_lab(torch.arange(256.0).expand(1, 3, 1, 256))[0]
    assert lab[1:].abs().max() < 0.01
    assert lab[0, 0, 0] == pytest.approx(0, abs=1e-3) and lab[0, 0, -1] == pytest.approx(100)
    assert (lab[0, 0].diff() > 0).all()


@pytest.mark.parametrize('weight', [0.3, 2.0])
def test_cosines_are_weighted_means_of_both(weight: float) -> None:
    found = add_colours(Descriptors.of(FEATURES, 8), IMAGES, weight)
    assert found.stride == 8 and found.features.shape[:1] + found.features.shape[2:] == (2, 4, 6)
    both = functional.normalize(found.features, dim=1)[0].flatten(1)
    inner = functional.normalize(FEATURES, dim=1)[0].flatten(1)
    lab = to_lab(functional.avg_pool2d(IMAGES.float(), 8))[0].flatten(1)
    lab *= torch.tensor([LIGHTNESS, 1, 1])[:, None]
    kernel = torch.exp(-(torch.cdist(lab.T, lab.T) ** 2) / (2 * SIGMA**2))
    wanted = (inner.T @ inner + weight * kernel) / (1 + weight)
    share = weight / (1 + weight)
    difference = both.T @ both - wanted
    assert difference.diagonal().abs().max() < 1e-5
    assert difference.abs().max() < 0.7 * share and difference.std() < 0.25 * share


def test_the_kernel_tells_near_colours_from_far_ones() -> None:
    """Cells in one row: a colour, one like it, and one that is not."""
    image = torch.tensor([[200, 60, 60], [204, 62, 60], [60, 60, 200]], dtype=torch.uint8)
    images = image.T[None, :, None, :].repeat_interleave(8, 2).repeat_interleave(8, 3)
    features = torch.ones((1, 4, 1, 3))
    found = functional.normalize(
        add_colours(Descriptors.of(features, 8), images, 1.0).features, dim=1
    )
    same, near, far = (found[0, :, 0, :1].T @ found[0, :, 0])[0].tolist()
    assert same == pytest.approx(1) and near > 0.95 and far < 0.75


def test_what_is_nothing_and_where_the_weight_is_nothing() -> None:
    plain = Descriptors.of(FEATURES, 8)
    assert add_colours(plain, IMAGES, 0.0) is plain
    broken = FEATURES.clone()
    broken[0, :, 0, 0] = math.nan
    found = add_colours(Descriptors.of(broken.half(), 8), IMAGES, 0.3).features
    assert found.dtype == torch.float16 and bool(found.isfinite().all())


def test_grids_that_do_not_divide_the_image() -> None:
    found = add_colours(Descriptors.of(FEATURES, 8), IMAGES[:, :, :30, :45], 0.3)
    assert found.features.shape == (2, 16 + 24, 4, 6)


def test_attention_and_scalar_products_get_none() -> None:
    extractor = PatchExtractor(torch.device('cpu'), torch.float32)
    chosen = {'features.colour': 0.7}
    assert colour_weight(build(TrackerSettings, chosen), extractor) == 0.7
    dot = build(TrackerSettings, chosen | {'propagation.similarity': 'dot'})
    assert colour_weight(dot, extractor) == 0
    extractor.heads = (('0.0', 1),)
    assert colour_weight(build(TrackerSettings, chosen), extractor) == 0
