"""The example of a tracker from elsewhere: SAM 2, small, with random weights, from a folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from sam_models import enlarge, make_sam2_video

from drift_ros.evaluation.methods import PlugIn

EXAMPLES = Path(__file__).resolve().parents[2] / 'examples'
SIZE = (48, 80)


@pytest.fixture(scope='module')
def checkpoint(tmp_path_factory) -> Path:
    torch.manual_seed(0)
    model = make_sam2_video()
    enlarge(model)
    folder = tmp_path_factory.mktemp('sam2')
    model.save_pretrained(folder)
    return folder


@pytest.fixture
def method(checkpoint, monkeypatch):
    monkeypatch.chdir(EXAMPLES)
    return PlugIn('sam2_tracker:Sam2Tracker', {'checkpoint': str(checkpoint)}).make()


def images(count: int) -> list[np.ndarray]:
    return list(np.random.default_rng(1).integers(0, 256, (count, *SIZE, 3), dtype=np.uint8))


def square(left: int) -> np.ndarray:
    mask = np.zeros(SIZE, bool)
    mask[10:30, left : left + 20] = True
    return mask


def run(method, given: dict[int, dict[int, np.ndarray]], count: int = 5) -> list[np.ndarray]:
    method.begin()
    return [
        labels
        for index, image in enumerate(images(count))
        for _, labels in method.step(index, index, image, given.get(index, {}))
    ]


def test_masks_are_kept_where_they_are_given_and_tracked_behind(method):
    given = {0: {1: square(10), 7: square(45)}, 2: {3: square(50)}}  # one appears later
    labels = run(method, given)
    for id_ in (1, 7):
        np.testing.assert_array_equal(labels[0] == id_, given[0][id_])
    np.testing.assert_array_equal(labels[2] == 3, given[2][3])
    assert all(map_.shape == SIZE and map_.dtype == np.uint8 for map_ in labels)
    assert not any((map_ == 3).any() for map_ in labels[:2])
    assert set(np.unique(np.stack(labels))) <= {0, 1, 3, 7}


def test_a_video_leaves_nothing_to_the_next(method):
    first = run(method, {0: {1: square(10)}})
    run(method, {0: {2: square(40)}, 1: {3: square(0)}})
    for before, after in zip(first, run(method, {0: {1: square(10)}}), strict=True):
        np.testing.assert_array_equal(before, after)


def test_what_was_seen_before_matters(method):
    last = {left: run(method, {0: {1: square(left)}})[-1] for left in (0, 50)}
    assert (last[0] != last[50]).any()


def test_nothing_is_tracked_before_it_is_named(method):
    labels = run(method, {3: {1: square(10)}})
    assert not np.any(labels[:3])
    np.testing.assert_array_equal(labels[3] == 1, square(10))
