"""Targets that were found at another distance: doubted until they prove right, or for long."""

from __future__ import annotations

import pytest

from drift_ros.tracking.tentative import BELIEVED, UNSURE, Tentative


def test_it_is_unsure_until_it_is_believed() -> None:
    tentative = Tentative()
    assert 1 not in tentative and tentative.score(1, 0.9) == 0.9
    tentative.begin(1, 10)
    assert 1 in tentative and tentative.score(1, 0.9) == UNSURE and tentative.score(1, 0.2) == 0.2
    assert tentative.score(2, 0.9) == 0.9
    assert tentative.believed(9 + BELIEVED) == [] and tentative.believed(10 + BELIEVED) == [1]
    assert 1 not in tentative and tentative.believed(11 + BELIEVED) == []


@pytest.mark.parametrize('how', ['forget', 'keep', 'go back', 'reset'])
def test_it_is_forgotten(how: str) -> None:
    tentative = Tentative()
    tentative.begin(1, 10)
    {
        'forget': lambda: tentative.forget(1),
        'keep': lambda: tentative.keep([2]),
        'go back': lambda: tentative.go_back_to(10),
        'reset': tentative.reset,
    }[how]()
    assert 1 not in tentative


def test_it_stays_unsure_where_tracking_goes_back_to_a_later_frame() -> None:
    tentative = Tentative()
    tentative.begin(1, 10)
    tentative.go_back_to(11)
    assert tentative.since(1) == 10
