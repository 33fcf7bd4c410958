"""Parts of targets that lie on a similar one go back, and nothing else changes."""

from __future__ import annotations

import torch

from drift_ros.propagation import one_hot
from drift_ros.tracking.competition import alike, return_parts

EVERYONE = torch.tensor([[0, 0, 0], [0, 0, 1], [0, 1, 0]], dtype=torch.bool)


def scene(*boxes: tuple[int, int, int, int, int]) -> torch.Tensor:
    """(3, 12, 24) soft labels of boxes (slot, top, bottom, left, right), each certain to 0.9."""
    slots = torch.zeros((12, 24), dtype=torch.uint8)
    for slot, top, bottom, left, right in boxes:
        slots[top:bottom, left:right] = slot
    return one_hot(slots.numpy(), 3, (12, 24)) * 0.85 + 0.05


def test_each_of_two_that_are_apart_gets_its_parts_back() -> None:
    torn = scene((1, 2, 10, 1, 9), (2, 2, 4, 1, 9), (2, 2, 10, 14, 22), (1, 7, 10, 14, 22))
    whole = scene((1, 2, 10, 1, 9), (2, 2, 10, 14, 22))
    kept = torn.clone()
    found = return_parts(torn, EVERYONE)
    assert torch.equal(found.argmax(0), whole.argmax(0))
    assert torch.equal(torn, kept)  # what was given stays as it is
    torch.testing.assert_close(found.sum(0), torn.sum(0))
    assert torch.equal(found[0], torn[0])  # outlines never change


def test_targets_that_touch_are_left_alone() -> None:
    touching = scene((1, 2, 10, 1, 9), (2, 2, 10, 9, 12))
    assert return_parts(touching, EVERYONE) is touching


def test_no_target_vanishes() -> None:
    """One that is half hidden by its twin keeps what it has, whatever else there is of the twin."""
    hidden = scene((1, 2, 10, 1, 9), (2, 2, 4, 1, 9), (1, 2, 10, 14, 22))
    assert return_parts(hidden, EVERYONE) is hidden


def test_a_component_that_may_be_either_is_left_alone() -> None:
    halves = scene((1, 2, 6, 1, 9), (2, 6, 10, 1, 9), (2, 2, 10, 14, 22))
    assert return_parts(halves, EVERYONE) is halves


def test_targets_that_differ_keep_their_parts() -> None:
    torn = scene((1, 2, 10, 1, 9), (2, 2, 4, 1, 9), (2, 2, 10, 14, 22))
    assert return_parts(torn, torch.zeros((3, 3), dtype=torch.bool)) is torn


def test_alike_is_who_matches() -> None:
    generator = torch.Generator().manual_seed(0)
    labels = torch.zeros((2, 4, 12, 24))
    labels[:, 0] = 1
    for frame, slot, left in ((0, 1, 1), (0, 3, 16), (1, 2, 9)):  # one is named a frame later
        labels[frame, :, 2:8, left : left + 6] = 0
        labels[frame, slot, 2:8, left : left + 6] = 1
    features = torch.randn((2, 32, 12, 24), generator=generator)
    features[1, :, 2:8, 9:15] = features[0, :, 2:8, 1:7]
    found = alike(features, labels)
    assert found.nonzero().tolist() == [[1, 2], [2, 1]]
    fine = labels.repeat_interleave(2, 2).repeat_interleave(2, 3)
    assert torch.equal(alike(features, fine), found)  # a layer of a coarser grid
