"""The metrics of TAP-Vid (Doersch et al. 2022), from their definition."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

Mode = Literal['first', 'strided']
Bools = NDArray[np.bool_]
Floats = NDArray[np.floating]

SIDE = 256  # px of the square raster that distances are measured on
THRESHOLDS = (1, 2, 4, 8, 16)  # px
AVERAGES = ('AJ', 'delta', 'OA')


def tap_vid_metrics(
    query_frames: NDArray[np.integer],
    tracks: Floats,
    occluded: Bools,
    found: Floats,
    found_occluded: Bools,
    mode: Mode = 'first',
) -> dict[str, float]:
    """Scores of one video, in [0, 1].

    Only frames after the query count (`first`), or all but its own (`strided`).

    Args:
        query_frames: (N,) number of the frame of each query.
        tracks: (N, T, 2) true (x, y) in px on a raster of 256x256.
        occluded: (N, T) whether the true point is hidden.
        found: (N, T, 2) what was found, on the same raster.
        found_occluded: (N, T) whether it is said to be hidden.
        mode: how queries were chosen.

    Returns:
        AJ: average Jaccard: points that are visible, said to be so and within a threshold, over
        these, the visible ones that were missed, and those wrongly said to be there, mean over the
        thresholds 1, 2, 4, 8 and 16 px; `delta`: share of visible points within a threshold,
        likewise; OA: share of points whose visibility is right; with the single
        thresholds as `J1`, `delta1` and so on. NaN where nothing counts.
    """
    times = np.arange(tracks.shape[1])
    counts = times > query_frames[:, None] if mode == 'first' else times != query_frames[:, None]
    visible, said = ~occluded, ~found_occluded
    squared = np.square(found - tracks).sum(-1)
    scores = {'AJ': 0.0, 'delta': 0.0, 'OA': _share(occluded == found_occluded, counts)}
    truly = np.count_nonzero(visible & counts)
    for threshold in THRESHOLDS:
        within = squared < threshold**2
        right = within & visible
        scores[f'delta{threshold}'] = _share(right, visible & counts)
        hits = np.count_nonzero(right & said & counts)
        wrong = np.count_nonzero(said & ~right & counts)
        scores[f'J{threshold}'] = hits / (truly + wrong) if truly + wrong else float('nan')
    for name, prefix in (('AJ', 'J'), ('delta', 'delta')):
        scores[name] = float(np.mean([scores[f'{prefix}{t}'] for t in THRESHOLDS]))
    return scores


def _share(chosen: Bools, of: Bools) -> float:
    count = np.count_nonzero(of)
    return np.count_nonzero(chosen & of) / count if count else float('nan')
