"""Percentage of correct keypoints (PCK), as poses of JHMDB are scored since Jabri et al. 2020.

A joint is correct within a share alpha of the size of the body: 0.6 times the diagonal of the tight
box of the true places of those joints that were found. Joints that were not found count neither
for nor against, so the share of found ones (`found`) belongs beside every PCK.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from drift_ros.evaluation.scores import PoseScore

BODY = 0.6  # of the diagonal of the box
ALPHAS = (0.1, 0.2)
FOUND = 'found'


def distances(
    truth: NDArray[np.float64], result: NDArray[np.float64]
) -> tuple[NDArray[np.float64], float]:
    """How far joints are from their true places, and what that is to be measured by.

    Args:
        truth: (J, 2) (x, y) in px.
        result: likewise; a negative x says that a joint was not found.

    Returns:
        (J,) in px, NaN where a joint was not found; and the size of the body in px, 0 without two
        joints that were found at different true places.
    """
    found = result[:, 0] >= 0
    away = np.where(found, np.linalg.norm(result - truth, axis=1), np.nan)
    if not found.any():
        return away, 0.0
    return away, BODY * float(np.linalg.norm(np.ptp(truth[found], axis=0)))


def pck(scores: Sequence[PoseScore], alpha: float) -> list[float | None]:
    """PCK of each joint over all scored frames of sequences.

    Args:
        scores: of sequences with the same joints; at least one.
        alpha: share of the size of the body.

    Returns:
        Fraction in [0, 1] per joint; None for one that was never found.
    """
    away, sizes = _stacked(scores)
    with np.errstate(divide='ignore', invalid='ignore'):
        right = away / sizes[:, None] <= alpha
    counts, hits = np.isfinite(away).sum(0), right.sum(0)
    return [int(h) / int(n) if n else None for h, n in zip(hits, counts, strict=True)]


def found_share(scores: Sequence[PoseScore]) -> list[float]:
    """Share of the scored frames in which each joint was found."""
    away, _ = _stacked(scores)
    return [float(share) for share in np.isfinite(away).mean(0)]


def mean(values: Sequence[float | None]) -> float | None:
    """Mean of what is known; None if nothing is."""
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def measures(scores: Sequence[PoseScore]) -> dict[str, list[float | None]]:
    """Measure -> value per joint."""
    found: dict[str, list[float | None]] = {name(alpha): pck(scores, alpha) for alpha in ALPHAS}
    return found | {FOUND: list(found_share(scores))}


def name(alpha: float) -> str:
    """As tables call the measure."""
    return f'PCK@{alpha:g}'


def _stacked(scores: Sequence[PoseScore]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Distances (frames, J), NaN where not found, and sizes (frames,) of all sequences."""
    away = np.concatenate([np.array(score.distances, np.float64) for score in scores])
    return away, np.concatenate([np.array(score.scales, np.float64) for score in scores])
