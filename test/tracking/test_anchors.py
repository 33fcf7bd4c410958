"""Anchors with planted descriptors: objects of the same look have the same ones, others none."""

from __future__ import annotations

import pytest
import torch
from looks import GRID, LOOKS, anchor, frame

from drift_ros.tracking import confidence
from drift_ros.tracking.anchors import Anchor, match, owned

KNOWN = anchor((1, 4, 4, 8, 8), (2, 20, 4, 8, 8))


def test_a_mask_agrees_as_far_as_its_cells_and_those_of_the_target_find_each_other() -> None:
    features, looks = frame((1, 10, 10, 8, 8), (2, 10, 18, 8, 8))
    assert match(features, looks == 1, KNOWN) == (1, 1)
    assert match(features, looks == 2, KNOWN) == (0, 0)
    more = match(features, looks > 0, KNOWN)
    assert more.forward == pytest.approx(0.5, abs=0.1) and more.backward == 1
    half = looks == 1
    half[:, 14:] = False
    assert match(features, half, KNOWN) == (1, pytest.approx(0.5, abs=0.25))


def test_a_twin_that_is_a_target_does_not_count_against_it() -> None:
    features, looks = frame((1, 4, 4, 8, 8), (1, 20, 40, 8, 8))
    mine = torch.zeros(GRID)
    mine[4:12, 4:12] = 1
    both = Anchor.of(0, features, mine, (looks == 1).float())
    assert match(features, mine > 0, both).forward == 1


def test_a_twin_that_is_no_target_makes_the_target_no_background() -> None:
    features, looks = frame((1, 4, 4, 8, 8), (1, 4, 16, 8, 8))  # the twin is within its view
    mine = torch.zeros(GRID)
    mine[4:12, 4:12] = 1
    twin = Anchor.of(1, features, mine, mine)
    assert float((twin.rest.T @ LOOKS[1]).max()) < 0.7
    empty = twin.empty.view(GRID[0] // 2, GRID[1] // 2)
    assert not empty[1:7, 7:13].any() and empty[:, 13:].all()  # nor around the twin
    later, looks = frame((1, 21, 37, 8, 8))
    assert match(later, looks == 1, twin) == (1, 1)


def test_a_target_smaller_than_a_cell_owns_one() -> None:
    label = torch.zeros(GRID)
    label[7, 9], label[7, 10] = 0.2, 0.05
    assert owned(label).nonzero().tolist() == [[7, 9]]
    assert Anchor.of(0, frame()[0], label, label).area == pytest.approx(0.25)


def test_scores_rise_with_what_speaks_for_a_mask() -> None:
    for name in ('embedded', 'patch'):
        sure = confidence.score(name, 0.95, 1.0, 1.0, 0.0)
        assert 0.8 < sure <= 1
        assert confidence.score(name, 0.3, 1.0, 1.0, 0.0) < sure
        assert confidence.score(name, 0.95, 0.2, 1.0, 0.0) < sure
        assert confidence.score(name, 0.95, 1.0, 0.2, 0.0) < sure
    assert confidence.score('embedded', 0.95, 1.0, 1.0, 3.0) < 0.8
    assert 0 <= confidence.score('embedded', 0.0, 0.0, 0.0, 9.0) < 0.01
