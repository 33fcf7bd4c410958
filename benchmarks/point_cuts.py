"""What cuts do to points, on clips of DAVIS that are spliced as cuts.py does it.

    python benchmarks/point_cuts.py ../shared/data/davis/val
    python benchmarks/point_cuts.py ../shared/data/davis/val --features patch

A grid of points is given on the first frame. What they are compared with is where they are without
a splice, in `view` moved by as much. All is followed twice, with cuts and as if there were none.

- visible elsewhere: share of the points, in frames of another scene.
- found: share of those that are visible without a splice, and visible and within 8 px of there
  now: in the first frame, and in all frames, after the cut.
- wrong: share that is visible there, and farther away.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from pathlib import Path

import numpy as np
from cuts import AFTER, BEFORE, RATE, SIDEWAYS, Clip, Counted, clips
from rich.console import Console
from rich.progress import track

from drift_ros import features
from drift_ros.environment import machine
from drift_ros.evaluation.datasets import open_dataset
from drift_ros.evaluation.datasets.selection import Selection
from drift_ros.evaluation.methods.ours import GivenMasks
from drift_ros.features import FeatureExtractor
from drift_ros.points import PointTracker
from drift_ros.points.queries import grid
from drift_ros.settings import TrackerSettings, build
from drift_ros.structures import Frame, TrackedPoints, TrackingResult
from drift_ros.tracking import Tracker

POINTS = 32  # of the grid along the longer side
NEAR = 8.0  # px
KINDS = ('scene', 'lens', 'view')


def main() -> None:
    """Follow all clips and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('data', type=Path)
    parser.add_argument('--features', default='embedded')
    options = parser.parse_args()
    values = {'features.name': options.features, 'features.device': 'cpu', 'window.length': 1}
    settings = build(TrackerSettings, values)
    extractor = features.create(settings.features)
    sequences = list(open_dataset('davis', options.data, Selection()).usable)
    rows: dict[tuple[str, str], list[tuple[float, ...]]] = defaultdict(list)
    for number, sequence in enumerate(track(sequences, console=Console(stderr=True))):
        given = dict(clips(sequence, [sequences[(number + 1) % len(sequences)]]))
        whole: Clip = [(sequence.image(i), None) for i in range(BEFORE + AFTER)]
        plain = follow(whole, extractor, settings, off=True)
        width = whole[0][0].shape[1]
        for kind in KINDS:
            for row in ('no cuts', 'default'):
                found = follow(given[kind], extractor, settings, off=row == 'no cuts')
                moved = round(SIDEWAYS * width) if kind == 'view' else 0
                rows[kind, row].append(compare(found, plain, moved, width))
    print('| kind | row | visible elsewhere | found at once | found | wrong | clips |')
    print('|---' * 7 + '|')
    for (kind, row), each in rows.items():
        cells = [f'{100 * value:.0f} %' for value in np.array(each).mean(0)]
        print('| ' + ' | '.join([kind, row, *cells, str(len(each))]) + ' |')
    print(', '.join(f'{key}: {value}' for key, value in machine().items()))


def follow(
    clip: Clip, extractor: FeatureExtractor, settings: TrackerSettings, off: bool
) -> list[TrackedPoints]:
    """The points of a grid in all frames; `off`: whatever is shown goes on."""
    tracker = PointTracker(Tracker(extractor, GivenMasks(), settings))
    tracker._follower._cuts = Counted(off)
    queries = grid(clip[0][0].shape[:2], POINTS).positions
    found = []
    for index, (image, _) in enumerate(clip):
        frame = Frame(np.ascontiguousarray(image), 10**9 + index * 10**9 // RATE, 'camera', index)
        (result,) = tracker.step(frame, None if index else queries)
        assert isinstance(result, TrackingResult)
        assert result.points is not None
        found.append(result.points)
    return found


def compare(
    found: list[TrackedPoints], plain: list[TrackedPoints], moved: float, width: int
) -> tuple[float, ...]:
    """The cells of the table, in 0..1."""
    elsewhere = found[BEFORE:-AFTER]
    shown = float(np.mean([p.visible.mean() for p in elsewhere])) if elsewhere else 0.0
    right, wrong = [], []
    for now, then in zip(found[-AFTER:], plain[-AFTER:], strict=True):
        places = then.positions + np.array([moved, 0], np.float32)
        there = then.visible & (places[:, 0] < width)
        near = np.linalg.norm(now.positions - places, axis=1) < NEAR
        right.append(float((now.visible & near)[there].mean()))
        wrong.append(float((now.visible & ~near)[there].mean()))
    return shown, right[0], float(np.mean(right)), float(np.mean(wrong))


if __name__ == '__main__':
    main()
