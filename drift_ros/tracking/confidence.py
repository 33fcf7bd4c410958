"""How sure a mask is: the probability that it overlaps its target by more than half."""

from __future__ import annotations

import math
from dataclasses import dataclass

TINY = 1e-3  # soft labels are taken as at least this, and at most 1 less it
MOST = 1.5  # change of area beyond which more says no more


@dataclass(frozen=True, slots=True)
class Calibration:
    """A logistic map from what is known of a mask to that probability.

    Attributes:
        bias: of the log odds.
        soft: factor of the log odds of the mean soft label over the mask.
        forward: factor of the share of the mask's cells that find the target in an anchor.
        backward: factor of the share of the target's cells that find the mask.
        change: factor of |log(area / area in the anchor that is nearest in area)|, `MOST` at most.
    """

    bias: float
    soft: float
    forward: float
    backward: float
    change: float

    def probability(self, soft: float, forward: float, backward: float, change: float) -> float:
        """Of a mask, from the four."""
        certain = min(max(soft, TINY), 1 - TINY)
        odds = (
            self.bias
            + self.soft * math.log(certain / (1 - certain))
            + self.forward * forward
            + self.backward * backward
            + self.change * min(change, MOST)
        )
        return 1 / (1 + math.exp(-min(max(odds, -30.0), 30.0)))


# Logistic regression on 3,345 masks of rendered videos for choosing (docs/methods.md), each held
# against the frame that the target was prompted on. `benchmarks/calibration.py` fits anew.
EMBEDDED = Calibration(0.43, 0.56, 0.5, 1.89, -3.18)
CALIBRATIONS = {'embedded': EMBEDDED, 'embedded-image': EMBEDDED}


def score(extractor: str, soft: float, forward: float, backward: float, change: float) -> float:
    """The score of a mask in [0, 1].

    Args:
        extractor: its name. Only those in `CALIBRATIONS` give a probability; for others the score
            is the mean soft label times the smaller of the two shares, which ranks masks and is no
            more than that.
        soft, forward, backward, change: see `Calibration`.
    """
    calibration = CALIBRATIONS.get(extractor)
    if calibration is None:
        return soft * min(forward, backward)
    return calibration.probability(soft, forward, backward, change)
