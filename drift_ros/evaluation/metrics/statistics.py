"""Statistics of a score over the frames of a sequence, as the DAVIS benchmark defines it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

RECALLED = 0.5  # score above which a frame counts as recalled
BINS = 4


@dataclass(frozen=True, slots=True)
class Statistics:
    """A score over frames.

    Attributes:
        mean: in [0, 1].
        recall: share of the frames with a score above 0.5.
        decay: mean of the first quarter of the frames less the mean of the last, in [-1, 1].
    """

    mean: float
    recall: float
    decay: float


def statistics(values: Sequence[float]) -> Statistics:
    """Mean, recall and decay of a score, one value per frame in order.

    Quarters share the frames on their borders. (The official code counts frames in 8 bits there, so
    that its decay of sequences of more than 256 frames is of the wrong frames; here it is not.)

    Raises:
        ValueError: no values.
    """
    scores = np.asarray(values, np.float64)
    if not scores.size:
        raise ValueError('there are no scored frames')
    ends = np.round(np.linspace(1, len(scores), BINS + 1) + 1e-10).astype(int) - 1
    first, last = scores[: ends[1] + 1], scores[ends[-2] : ends[-1] + 1]
    return Statistics(
        float(scores.mean()),
        float((scores > RECALLED).mean()),
        float(first.mean() - last.mean()),
    )
