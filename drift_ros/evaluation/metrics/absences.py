"""What becomes of objects that are out of sight for a while."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drift_ros.evaluation.metrics.following import FOLLOWED

BACK = 0.5  # of its usual area, from which on an object counts as back
SHOWN = 0.1  # of its usual area, from which on a mask counts
WITHIN = 5  # frames after it is back, in which it must be found


@dataclass(frozen=True)
class Absence:
    """One time that an object was away.

    Attributes:
        gone: number of the first frame that shows nothing of it.
        back: of the first one after it that shows half of its usual (median) area.
        found: of the first one from there on whose mask covers it by at least one half
            (intersection over union); None: never again.
        wrong: frames from `gone` to 5 after `back` whose mask is not small, and mostly not on it.
    """

    gone: int
    back: int
    found: int | None
    wrong: int

    @property
    def found_in_time(self) -> bool:
        """Whether it was found within 5 frames."""
        return self.found is not None and self.found <= self.back + WITHIN


def absences(
    truth: Sequence[int] | NDArray[np.int64],
    mask: Sequence[int] | NDArray[np.int64],
    both: Sequence[int] | NDArray[np.int64],
    least: int = 6,
) -> list[Absence]:
    """The absences of an object after which it came back.

    Args:
        truth, mask, both: (n,) px per frame of the object, of the mask with its id, and of their
            intersection.
        least: frames; shorter ones do not count.
    """
    truth, mask, both = (np.asarray(each) for each in (truth, mask, both))
    if not truth.any():
        return []
    usual = float(np.median(truth[truth > 0]))
    overlap = both / np.maximum(truth + mask - both, 1)
    wrong = (mask > SHOWN * usual) & (both < 0.5 * mask)
    hidden = np.flatnonzero(np.diff(np.concatenate([[False], truth == 0, [False]]).astype(int)))
    found = []
    for gone, end in hidden.reshape(-1, 2).tolist():
        seen = np.flatnonzero(truth[end:] >= BACK * usual)
        if gone == 0 or end - gone < least or not len(seen):
            continue
        back = end + int(seen[0])
        later = np.flatnonzero(overlap[back:] >= FOLLOWED)
        found.append(
            Absence(
                gone,
                back,
                back + int(later[0]) if len(later) else None,
                int(wrong[gone : back + WITHIN + 1].sum()),
            )
        )
    return found
