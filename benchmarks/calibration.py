"""Fits the calibration of scores (drift_ros/tracking/confidence.py) to videos for choosing.

    python benchmarks/targets.py OUT --split val --rows published \
        --features embedded embedded-image \
        --data passing crossing kubric-similar similar-2 similar-3 similar-5 comes-back --videos 0 1
    python benchmarks/calibration.py OUT

The first command collects masks with what their scores are made from, of the row `published`:
every mask, whatever its score is. The second fits one map to all of them. The table says how far
scores are from being probabilities: as they are now, by the map that is printed below, and by one
fitted without the set.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from drift_ros.evaluation.metrics.calibration import calibration_error, reliability
from drift_ros.tracking.confidence import EMBEDDED, MOST, TINY, Calibration

Array = NDArray[np.float64]
ROW = 'published'
COLUMNS = 6  # score, IoU, and the four that a score is made from
RIGHT, CERTAIN = 0.5, 0.8  # IoU of a mask that is right, score of one that is certain
DECAY = 1e-3


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('out', type=Path)
    parser.add_argument('--features', nargs='+', default=('embedded', 'embedded-image'))
    options = parser.parse_args()
    sets = collect(options.out, options.features)
    if not sets:
        parser.error(f'no masks of {ROW!r} of videos for choosing (split val) in {options.out}')
    found = fit(list(sets.values()))
    print('| set | masks | right | error now | fitted | without it | certain | right of those |')
    print('|---' * 8 + '|')
    for title, masks in sets.items():
        others = [each for name, each in sets.items() if name != title]
        maps = [EMBEDDED, found, *([fit(others)] if others else [])]
        errors = [f'{_error(calibration, masks):.3f}' for calibration in maps]
        sure = masks[_scores(found, masks) >= CERTAIN, 1] > RIGHT
        cells = [title, str(len(masks)), f'{100 * np.mean(masks[:, 1] > RIGHT):.0f} %', *errors]
        cells += [''] * (6 - len(cells))
        cells.append(f'{100 * len(sure) / len(masks):.0f} %')
        cells.append(f'{100 * np.mean(sure):.0f} %' if len(sure) else '')
        print('| ' + ' | '.join(cells) + ' |')
    print(f'\nEMBEDDED = {found}')


def collect(out: Path, features: list[str]) -> dict[str, Array]:
    """Title of a set -> (n, 6) its masks; sets that are not for choosing are left out."""
    sets: dict[str, list[list[float]]] = defaultdict(list)
    for file in sorted(out.glob('*.json')):
        record = json.loads(file.read_text(encoding='utf-8'))
        if record['features'] in features and record['title'].endswith(', val'):
            masks = record['rows'].get(ROW, {}).get('masks', [])
            sets[record['title']] += [mask for mask in masks if len(mask) == COLUMNS]
    return {title: np.array(masks) for title, masks in sets.items() if masks}


def fit(sets: list[Array]) -> Calibration:
    """Logistic regression of IoU > 0.5, with a little weight decay, by Newton's method.

    Args:
        sets: (n, 6) masks each.
    """
    masks = np.concatenate(sets)
    soft = masks[:, 2].clip(TINY, 1 - TINY)
    inputs = np.stack(
        [
            np.ones(len(soft)),
            np.log(soft / (1 - soft)),
            *masks[:, 3:5].T,
            masks[:, 5].clip(max=MOST),
        ],
        1,
    )
    right, decay = masks[:, 1] > RIGHT, DECAY * np.diag([0.0, 1, 1, 1, 1])
    weights = np.zeros(5)
    for _ in range(50):
        p = 1 / (1 + np.exp(-inputs @ weights))
        curvature = (inputs.T * (p * (1 - p))) @ inputs / len(masks) + decay
        slope = inputs.T @ (p - right) / len(masks) + decay @ weights
        weights -= np.linalg.solve(curvature, slope)
    return Calibration(*weights.round(2).tolist())


def _scores(calibration: Calibration, masks: Array) -> Array:
    return np.array([calibration.probability(*mask[2:]) for mask in masks])


def _error(calibration: Calibration, masks: Array) -> float:
    return calibration_error(reliability(_scores(calibration, masks), masks[:, 1] > RIGHT))


if __name__ == '__main__':
    main()
