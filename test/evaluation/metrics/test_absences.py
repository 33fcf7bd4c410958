"""Objects that were away: found again, in time, and not something else."""

from __future__ import annotations

import numpy as np
import pytest

from drift_ros.evaluation.metrics.absences import absences

TRUTH = np.array([100] * 10 + [0] * 20 + [20, 40, 60] + [100] * 17)  # back in frame 32


@pytest.mark.parametrize(('delay', 'in_time'), [(0, True), (5, True), (6, False)])
def test_an_object_is_found_in_time_or_late(delay: int, in_time: bool) -> None:
    mask = np.where(np.arange(50) < 10, TRUTH, 0)
    mask[32 + delay :] = TRUTH[32 + delay :]
    (absence,) = absences(TRUTH, mask, mask)
    assert (absence.gone, absence.back, absence.found) == (10, 32, 32 + delay)
    assert absence.found_in_time == in_time
    assert absence.wrong == 0


def test_a_mask_on_something_else_is_counted() -> None:
    mask = TRUTH.copy()
    both = TRUTH.copy()
    mask[20:34], both[20:34] = 100, 0
    (absence,) = absences(TRUTH, mask, both)
    assert absence.wrong == 14 and absence.found == 34


def test_what_is_short_or_for_good_is_no_absence() -> None:
    for truth in ([100] * 9 + [0] * 3 + [100] * 9, [100] * 9 + [0] * 9, [0] * 9 + [100] * 9):
        assert absences(truth, truth, truth) == []
    (never,) = absences(TRUTH, 0 * TRUTH, 0 * TRUTH)
    assert never.found is None and not never.found_in_time
