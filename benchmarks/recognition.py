"""Whether targets of annotated clips are recognized some frames later, and what is not them is not.

    python benchmarks/recognition.py ../shared/data/davis/val ../shared/data/davis/test

Each object with 300 px or more is looked at 4, 10 and 20 frames later, from three frames of its
clip, where it is then and at a random place that shows nothing of its box. Its scale is held
against the root of the ratio of its areas, which is the ratio of distances only as far as it shows
the same side.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from rich.table import Table

from drift_ros.environment import machine
from drift_ros.evaluation.datasets import open_dataset
from drift_ros.evaluation.datasets.selection import Selection
from drift_ros.evaluation.protocols import AnnotatedSequence
from drift_ros.recognition import Recognizer, View

LEAST = 300  # px of an object
GAPS, STARTS = (4, 10, 20), 3
Row = tuple[float, float, float, float, float, float]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('data', type=Path, nargs='+', help='folders in the layout of DAVIS')
    parser.add_argument('--device', default='cpu')
    parser.add_argument('--weights', default='', help='file of drift train-recognition')
    options = parser.parse_args()
    recognizer = Recognizer.load(torch.device(options.device), options.weights)
    clips = [
        s for folder in options.data for s in open_dataset('davis', folder, Selection()).usable
    ]
    table = Table('clip', box=None)
    for title in ('looks', 'recognized', 'elsewhere', 'error of scale', 'expected', 'IoU', 'ms'):
        table.add_column(title, justify='right')
    every: list[Row] = []
    for clip in track(clips, console=Console(stderr=True)):
        rows = looks(clip, recognizer)
        every += rows
        table.add_row(clip.name, *_cells(rows))
    table.add_row('all', *_cells(every))
    Console(width=120).print(table)
    print(', '.join(f'{key}: {value}' for key, value in machine().items()))


def looks(clip: AnnotatedSequence, recognizer: Recognizer) -> list[Row]:
    """For each look at an object: whether it is recognized, whether something else is (NaN if none
    was tried), error of the scale, the one expected, IoU of the mask, and ms.
    """
    rng = np.random.default_rng(0)
    rows: list[Row] = []
    for gap in GAPS:
        last = len(clip.frames) - gap
        for start in range(0, last, max(1, last // STARTS)):
            before, now = clip.truth(start), clip.truth(start + gap)
            first, image = clip.image(start), clip.image(start + gap)
            for target in clip.objects:
                masks = before == target, now == target
                if min(mask.sum() for mask in masks) >= LEAST:
                    view = View.of(first, masks[0])
                    change = float(np.log(masks[1].sum() / masks[0].sum()) / 2)
                    rows.append(_look(recognizer, view, image, masks[1], change, rng))
    return rows


def _look(
    recognizer: Recognizer,
    view: View,
    image: NDArray[np.uint8],
    mask: NDArray[np.bool_],
    change: float,
    rng: np.random.Generator,
) -> Row:
    x, y, width, height = cv2.boundingRect(mask.astype(np.uint8))
    recognizer.look(view, image, (0.0, 0.0))  # so that the view is known
    started = time.perf_counter()
    seen = recognizer.look(view, image, (x + width / 2, y + height / 2))
    spent = 1000 * (time.perf_counter() - started)
    other = rng.uniform(0, image.shape[1]), rng.uniform(0, image.shape[0])
    rows = slice(max(0, int(other[1] - height / 2)), int(other[1] + height / 2))
    columns = slice(max(0, int(other[0] - width / 2)), int(other[0] + width / 2))
    wrong = np.nan
    if not mask[rows, columns].any():
        wrong = float(recognizer.look(view, image, other).probability >= 0.5)
    found = seen.mask(mask.shape)
    return (
        float(seen.probability >= 0.5),
        wrong,
        abs(seen.scale - change),
        seen.deviation,
        float((found & mask).sum() / (found | mask).sum()),
        spent,
    )


def _cells(rows: list[Row]) -> list[str]:
    found, wrong, error, expected, overlap, spent = np.array(rows).T
    tried = wrong[~np.isnan(wrong)]
    elsewhere = f'{tried.sum():.0f} of {len(tried)}'
    medians = [np.median(each) for each in (error, expected, overlap)]
    shares = f'{100 * found.mean():.0f} %'
    return [
        str(len(rows)), shares, elsewhere, *(f'{each:.2f}' for each in medians),
        f'{np.median(spent):.0f}',
    ]  # fmt: skip


if __name__ == '__main__':
    main()
