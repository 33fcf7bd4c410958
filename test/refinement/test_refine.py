"""Masks with better outlines: what holds for every refiner, and each of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from drift_ros.errors import CheckpointError
from drift_ros.prompts import Prompt
from drift_ros.prompts.grabcut import GrabCutSegmenter
from drift_ros.refinement import Refiner, create_refiner
from drift_ros.refinement.base import iou
from drift_ros.refinement.sam import SamRefiner, prompt_of
from drift_ros.settings import RefinementSettings

CPU = torch.device('cpu')
SIZE = (120, 160)


def disc(x: int, y: int, radius: int) -> NDArray[np.bool_]:
    canvas = np.zeros(SIZE, np.uint8)
    cv2.circle(canvas, (x, y), radius, 1, -1)
    return canvas > 0


def scene(*masks: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Objects of their own colours on a noisy ground."""
    rng = np.random.default_rng(0)
    image = rng.normal(90, 12, (*SIZE, 3))
    for number, mask in enumerate(masks):
        image[mask] = (
            rng.normal(0, 12, (int(mask.sum()), 3)) + [(200, 80, 40), (40, 60, 200)][number]
        )
    return image.clip(0, 255).astype(np.uint8)


def settings(**changes: Any) -> RefinementSettings:
    return RefinementSettings(**({'backend': 'grabcut'} | changes))


class Given(Refiner):
    """Answers what it is given."""

    def __init__(self, answers: dict[int, NDArray[np.bool_]], **changes: Any) -> None:
        super().__init__(settings(**changes))
        self.answers = answers

    def _outlines(self, image, labels, masks):
        return self.answers


def test_a_coarse_outline_becomes_the_true_one() -> None:
    truth = disc(70, 60, 28)
    image = scene(truth)
    blocks = cv2.resize(truth.astype(np.float32), (20, 15), interpolation=cv2.INTER_AREA)
    coarse = cv2.resize(
        (blocks > 0.4).astype(np.uint8), SIZE[::-1], interpolation=cv2.INTER_NEAREST
    )
    refiner = create_refiner(settings(), CPU)
    assert refiner is not None
    refined = refiner.refine(image, coarse * 7)
    assert set(np.unique(refined)) == {0, 7}
    assert iou(coarse > 0, truth) < 0.93
    assert iou(refined == 7, truth) > 0.97


def test_nothing_beyond_the_band_changes() -> None:
    truth, lure = disc(60, 60, 25), disc(120, 60, 25)
    labels = truth.astype(np.uint8)
    refiner = create_refiner(settings(band=4), CPU)
    assert refiner is not None
    refined = refiner.refine(scene(truth | lure), labels)
    far = cv2.distanceTransform((~truth).astype(np.uint8), cv2.DIST_L2, 5) > 6
    deep = cv2.distanceTransform(truth.astype(np.uint8), cv2.DIST_L2, 5) > 6
    assert not refined[far].any() and refined[deep].all()


def test_large_targets_are_looked_at_in_a_smaller_view() -> None:
    big = cv2.resize(scene(disc(70, 60, 40)), (1280, 960), interpolation=cv2.INTER_NEAREST)
    truth = cv2.resize(disc(70, 60, 40).astype(np.uint8), (1280, 960)) > 0
    coarse = cv2.dilate(truth.astype(np.uint8), np.ones((25, 25), np.uint8))
    refiner = create_refiner(settings(band=30), CPU)
    assert refiner is not None
    assert iou(refiner.refine(big, coarse) > 0, truth) > max(0.97, iou(coarse > 0, truth))


@pytest.mark.parametrize('kind', ['all', 'pixel', 'line', 'corner', 'none'])
def test_extreme_masks_survive(kind: str) -> None:
    labels = np.zeros(SIZE, np.uint8)
    labels[{
        'all': np.s_[:, :], 'pixel': np.s_[50:51, 50:51], 'line': np.s_[40:41, 10:90],
        'corner': np.s_[:5, :5], 'none': np.s_[0:0, 0:0],
    }[kind]] = 3  # fmt: skip
    refiner = create_refiner(settings(), CPU)
    assert refiner is not None
    refined = refiner.refine(scene(disc(70, 60, 28)), labels)
    assert set(np.unique(refined)) == set(np.unique(labels))


def test_what_disagrees_too_much_is_not_taken() -> None:
    labels = disc(60, 60, 20).astype(np.uint8)
    other = disc(75, 60, 20)
    image = np.zeros((*SIZE, 3), np.uint8)
    assert np.array_equal(Given({1: other}, min_iou=0.9).refine(image, labels), labels)
    assert np.array_equal(Given({1: other}, min_iou=0.1).refine(image, labels) == 1, other)


def test_where_masks_overlap_a_pixel_keeps_its_target() -> None:
    labels = np.zeros(SIZE, np.uint8)
    labels[20:60, 20:60], labels[20:60, 60:100] = 4, 2
    wide = {2: np.zeros(SIZE, bool), 4: np.zeros(SIZE, bool)}
    wide[2][10:60, 50:100], wide[4][10:60, 20:70] = True, True
    merged = Given(wide).refine(np.zeros((*SIZE, 3), np.uint8), labels)
    assert (merged[20:60, 20:60] == 4).all() and (merged[20:60, 60:100] == 2).all()
    assert (merged[10:20, 50:70] == 2).all() and (merged[10:20, 20:50] == 4).all()


class Proposals:
    """Answers with three masks of which one is the truth."""

    name = 'transformers'

    def __init__(self, truth: NDArray[np.bool_]) -> None:
        self.truth = truth
        self.calls: list[Sequence[Prompt]] = []

    def segment(self, image, prompts):
        raise AssertionError('the refiner asks for all answers')

    def propose(self, image, prompts):
        self.calls.append(prompts)
        whole = np.ones(SIZE, bool)
        return [np.stack([whole, disc(70, 60, 4), self.truth]) for _ in prompts]


def test_of_the_answers_of_sam_the_one_that_agrees_best_is_taken() -> None:
    truth = disc(70, 60, 28)
    coarse = disc(73, 62, 27)
    labels = coarse.astype(np.uint8)
    labels[100:, :20] = 2
    model = Proposals(truth)
    refiner = create_refiner(settings(backend='sam'), CPU, model)
    assert isinstance(refiner, SamRefiner)
    refined = refiner.refine(scene(truth), labels)
    assert np.array_equal(refined == 1, truth)
    assert (refined[100:, :20] == 2).all()  # no answer agrees with the other one: it stays
    assert [len(prompts) for prompts in model.calls] == [2]  # asked once for all


def test_prompts_of_a_mask() -> None:
    mask, other = disc(60, 60, 20), disc(88, 60, 10)
    prompt = prompt_of(mask, other, 0.3)
    assert prompt.boxes.tolist() == [[28, 28, 65, 65]]
    on = prompt.points[prompt.point_labels == 1].astype(int)
    off = prompt.points[prompt.point_labels == 0].astype(int)
    assert mask[on[:, 1], on[:, 0]].all() and len(on) == 1  # a disc has one middle
    assert not mask[off[:, 1], off[:, 0]].any() and len(off) == 2
    assert other[off[0][1], off[0][0]]  # the other target comes first
    assert abs(on[0] - [60, 60]).max() <= 1
    assert prompt.mask is mask
    bar = np.zeros(SIZE, bool)
    bar[50:60, 20:140] = True
    on = prompt_of(bar, ~bar & False, 0.1).points
    assert len(on) >= 2 and abs(on[0][0] - on[1][0]) > 5


@pytest.mark.parametrize('segmenter', [None, GrabCutSegmenter()])
def test_sam_without_weights_is_refused(segmenter: Any) -> None:
    with pytest.raises(CheckpointError, match=r'refinement\.checkpoint'):
        create_refiner(settings(backend='sam'), CPU, segmenter)


def test_none_is_none() -> None:
    assert create_refiner(RefinementSettings(backend='none'), CPU) is None
