"""The quick validation: perfect descriptors track perfectly, J is intersection over union."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from drift_ros.descriptors import Descriptors
from drift_ros.features.base import FeatureExtractor, Window
from drift_ros.synthetic import Clip, PointTruth
from drift_ros.training.validation import crossing_clips, jaccard, validate


def two_squares() -> Clip:
    labels = np.zeros((5, 64, 96), np.uint8)
    for index in range(5):
        labels[index, 8:24, 8 * index : 8 * index + 24] = 1
        labels[index, 40:56, 56 - 8 * index : 80 - 8 * index] = 2
    images = np.repeat((100 * labels)[..., None], 3, -1).astype(np.uint8)
    depth, ids = np.ones(labels.shape, np.float32), np.array([1, 2], np.uint8)
    nothing = np.zeros((5, 2, 3), np.float32)
    return Clip('squares', images, labels, depth, ids, nothing[..., 0], nothing, PointTruth.none())


class Levels(FeatureExtractor):
    """Grey levels of cells as one-hot descriptors, or nothing to go by."""

    name, window_length, size_multiple = 'levels', 5, 8
    device, dtype = torch.device('cpu'), torch.float32

    def __init__(self, blind: bool) -> None:
        self.blind = blind

    def extract(self, window: Window) -> Descriptors:
        cells = window.images[:, 0, 4::8, 4::8].long() // 100
        features = torch.nn.functional.one_hot(cells, 3).permute(0, 3, 1, 2).float()
        return Descriptors.of(torch.ones_like(features) if self.blind else features, 8)


def test_j_follows_the_descriptors() -> None:
    clip = two_squares()
    sighted, blind = (validate(Levels(blind), [clip]) for blind in (False, True))
    assert sighted > 75  # squares cover whole cells; upsampling rounds their corners
    assert blind < 0.7 * sighted


def test_j_is_the_mean_intersection_over_union_after_the_first_frame() -> None:
    clip = two_squares()
    found = [frame.copy() for frame in clip.labels]
    found[0][:] = 0  # given, does not count
    found[1][found[1] == 2] = 0
    found[2][8:24, 16:28] = 0  # half of the first square
    assert jaccard(found, clip) == pytest.approx([87.5, 75])


def test_clips_of_the_validation_hold_two_balls() -> None:
    clip = crossing_clips(1, 64, 48, 3)[0]
    assert clip.images.shape == (3, 48, 64, 3)
    assert clip.ids.tolist() == [1, 2]
