"""Whether scores are probabilities: of masks with a score of p, a share of p should be right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BINS = 10


@dataclass(frozen=True)
class Bin:
    """Masks whose scores lie between two bounds.

    Attributes:
        low, high: the bounds; `high` belongs to the next bin, 1 to the last.
        count: of masks.
        score: their mean score.
        right: the share of them that are right; both are NaN where there are none.
    """

    low: float
    high: float
    count: int
    score: float
    right: float


def reliability(
    scores: Sequence[float] | NDArray[np.float64],
    right: Sequence[bool] | NDArray[np.bool_],
    bins: int = BINS,
) -> list[Bin]:
    """Masks by their scores, in bins of equal width.

    Args:
        scores: (n,) in [0, 1].
        right: (n,) bool, whether each mask is right.
        bins: their number.
    """
    scores, right = np.asarray(scores, float), np.asarray(right, bool)
    place = np.minimum((scores * bins).astype(int), bins - 1)
    found = []
    for number in range(bins):
        inside = place == number
        count = int(inside.sum())
        means = (scores[inside].mean(), right[inside].mean()) if count else (np.nan, np.nan)
        bounds = number / bins, (number + 1) / bins
        found.append(Bin(*bounds, count, float(means[0]), float(means[1])))
    return found


def calibration_error(bins: Sequence[Bin]) -> float:
    """The expected calibration error: mean |score - share of right ones| over all masks; NaN if
    there are none (Naeini, Cooper and Hauskrecht 2015).
    """
    count = sum(each.count for each in bins)
    if not count:
        return float('nan')
    return sum(each.count * abs(each.score - each.right) for each in bins if each.count) / count
