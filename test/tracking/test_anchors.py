"""Anchors with planted descriptors: objects of the same look have the same ones, others none."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from drift_ros.tracking import confidence
from drift_ros.tracking.anchors import Anchor, match, owned, search
from drift_ros.tracking.suspects import nearest

GRID = (40, 60)  # more cells than a frame is searched in
LOOKS = torch.nn.functional.normalize(
    torch.randn((8, 48), generator=torch.Generator().manual_seed(0)), dim=1
)


def frame(*things: tuple[int, int, int, int, int]) -> tuple[Tensor, Tensor]:
    """(48, h, w) descriptors, with some noise, and (h, w) looks of boxes (look, top, left, height,
    width) before a background that differs from cell to cell but not from frame to frame.
    """
    looks = torch.zeros(GRID, dtype=torch.int64)
    for look, top, left, height, width in things:
        looks[top : top + height, left : left + width] = look
    behind = torch.randn((*GRID, 48), generator=torch.Generator().manual_seed(1)) / 48**0.5
    noise = torch.randn((*GRID, 48), generator=torch.Generator().manual_seed(len(things)))
    features = torch.where((looks > 0)[..., None], LOOKS[looks], behind) + 0.03 * noise
    return torch.nn.functional.normalize(features, dim=2).permute(2, 0, 1), looks


def anchor(*things: tuple[int, int, int, int, int]) -> Anchor:
    """Of the first of them; the others are no targets."""
    features, looks = frame(*things)
    label = (looks == things[0][0]).float()
    return Anchor.of(0, features, label, label)


def overlap(label: Tensor, looks: Tensor) -> float:
    """Intersection over union of what is found with what has look 1."""
    found, truth = label > 0.5, looks == 1
    return float((found & truth).sum() / (found | truth).sum())


ANYWHERE = torch.ones(GRID, dtype=torch.bool)


def find(features: Tensor, free: Tensor = ANYWHERE) -> Tensor | None:
    place = nearest(search(features, [KNOWN], free), [KNOWN.area])
    return None if place is None else place.label


KNOWN = anchor((1, 4, 4, 8, 8), (2, 20, 4, 8, 8))


@pytest.mark.parametrize('place', [(4, 4), (21, 37), (32, 52)])
def test_a_target_is_found_anywhere_in_full_resolution(place: tuple[int, int]) -> None:
    features, looks = frame((1, *place, 8, 8), (2, 20, 4, 8, 8), (3, 4, 24, 6, 9))
    label = find(features)
    assert label is not None and overlap(label, looks) > 0.85


def test_nothing_is_found_where_there_is_no_such_thing() -> None:
    features, _ = frame((2, 20, 30, 8, 8), (3, 4, 24, 6, 9))
    assert find(features) is None


def test_nothing_is_found_where_it_may_not_be() -> None:
    features, looks = frame((1, 21, 37, 8, 8))
    assert find(features, looks != 1) is None


@pytest.mark.parametrize(('height', 'found'), [(2, False), (8, True), (14, False)])
def test_it_must_have_the_size_that_it_had(height: int, found: bool) -> None:
    features, _ = frame((1, 12, 30, height, 8))
    assert (find(features) is not None) == found


def test_half_of_it_is_enough() -> None:
    features, looks = frame((1, 12, 56, 8, 4))
    label = find(features)
    assert label is not None and overlap(label, looks) > 0.85


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


def test_of_two_that_fit_neither_is_taken() -> None:
    """A twin that is no target: where nothing tells, the target stays lost."""
    two, _ = frame((1, 4, 4, 8, 8), (1, 20, 40, 8, 8))
    assert find(two) is None


def test_a_twin_that_is_no_target_makes_the_target_no_background() -> None:
    beside = anchor((1, 4, 4, 8, 8), (2, 20, 4, 8, 8))
    features, looks = frame((1, 4, 4, 8, 8), (1, 4, 16, 8, 8))  # the twin is within its view
    mine = torch.zeros(GRID)
    mine[4:12, 4:12] = 1
    twin = Anchor.of(1, features, mine, mine)
    assert not twin.others[looks == 1].any() and twin.others[:, 30:].all()
    later, looks = frame((1, 21, 37, 8, 8))
    (place,) = search(later, [beside, twin], ANYWHERE)
    assert overlap(place.label, looks) > 0.85 and place.area == pytest.approx(64, rel=0.15)
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
