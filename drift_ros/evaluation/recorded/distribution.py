"""A quantity of every frame in short: median, 95th percentile and highest value."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Distribution:
    """How a quantity is distributed over frames.

    Attributes:
        median, p95, highest: over the frames where it is known.
        values: one per frame that was asked for, None where it is not known.
    """

    median: float
    p95: float
    highest: float
    values: tuple[float | None, ...]

    @classmethod
    def of(cls, values: Iterable[float | None]) -> Distribution | None:
        """Of values of frames; None if none is known."""
        every = tuple(values)
        known = [value for value in every if value is not None]
        if not known:
            return None
        median, p95 = np.percentile(known, [50, 95])
        return cls(float(median), float(p95), max(known), every)
