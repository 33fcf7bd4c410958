"""Labels warped by optical flow."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from davis_folders import labels_at
from label_maps import blobs, shifted

from drift_ros.errors import SettingsError
from drift_ros.evaluation.methods import Flow, FlowSettings
from drift_ros.evaluation.methods.flow import warp
from drift_ros.settings import build


def textured(index: int, speed: int = 2) -> np.ndarray:
    """A patterned square that moves right over a still pattern."""
    random = np.random.default_rng(0)
    ground = cv2.resize(random.integers(0, 256, (30, 40, 3), dtype=np.uint8), (160, 120))
    thing = cv2.resize(random.integers(0, 256, (12, 12, 3), dtype=np.uint8), (48, 48))
    image = ground.copy()
    image[30:78, 20 + speed * index : 68 + speed * index] = thing
    return image


def square(index: int, speed: int = 2) -> np.ndarray:
    mask = np.zeros((120, 160), bool)
    mask[30:78, 20 + speed * index : 68 + speed * index] = True
    return mask


def test_a_moving_square_is_followed():
    method = Flow().make()
    method.begin()
    (first,) = method.step(0, 0, textured(0), {5: square(0)})
    np.testing.assert_array_equal(first[1] == 5, square(0))
    for index in range(1, 8):
        ((number, labels),) = method.step(index, index, textured(index), {})
        assert number == index and set(np.unique(labels)) == {0, 5}
    found = labels == 5
    overlap = (found & square(7)).sum() / (found | square(7)).sum()
    stayed = (square(0) & square(7)).sum() / (square(0) | square(7)).sum()
    assert overlap > 0.75 > 0.6 > stayed  # what is uncovered drags along


def test_the_last_sequence_is_forgotten():
    method = Flow().make()
    method.step(0, 0, textured(0), {5: square(0)})
    method.begin()
    ((_, labels),) = method.step(0, 0, textured(1), {})
    assert not labels.any()


def test_later_objects_cover_what_was_there():
    method = Flow().make()
    method.step(0, 0, textured(0), {5: square(0)})
    ((_, labels),) = method.step(1, 1, textured(1), {6: square(1)})
    assert set(np.unique(labels[square(1)])) == {6}


@pytest.mark.parametrize(('down', 'right'), [(0, 0), (3, -7), (-4, 6)])
def test_warping_by_whole_pixels_is_a_shift(down, right):
    labels = blobs(2, (50, 60))
    motion = np.zeros((50, 60, 2), np.float32)
    motion[..., 0], motion[..., 1] = -right, -down
    np.testing.assert_array_equal(warp(labels, motion), shifted(labels, down, right))


def test_results_do_not_depend_on_the_number_of_threads():
    def run(threads: int) -> np.ndarray:
        before = cv2.getNumThreads()
        cv2.setNumThreads(threads)
        try:
            method = Flow().make()
            for index in range(4):
                ((_, labels),) = method.step(
                    index, index, textured(index), {} if index else {1: square(0)}
                )
            return labels
        finally:
            cv2.setNumThreads(before)

    np.testing.assert_array_equal(run(1), run(4))


def test_settings_say_what_it_is():
    spec = Flow(build(FlowSettings, {'preset': 'fast'}))
    assert spec.settings == {'features.name': 'flow', 'flow.preset': 'fast'}
    with pytest.raises(SettingsError, match='preset'):
        build(FlowSettings, {'preset': 'slow'})


def test_an_image_without_texture_keeps_its_labels():
    method = Flow().make()
    grey = np.full((48, 64, 3), 90, np.uint8)
    labels = labels_at(0)
    method.step(0, 0, grey, {1: labels == 1, 2: labels == 2})
    ((_, found),) = method.step(1, 1, grey, {})
    np.testing.assert_array_equal(found, labels)
