"""What cuts do to targets, on clips of DAVIS that are spliced.

    python benchmarks/cuts.py ../shared/data/davis/val
    python benchmarks/cuts.py ../shared/data/davis/val --features patch --others 7

Each clip is given its first masks, and cut into at frame 12: by frames of other clips (`scene`), a
dark lens (`lens`), or by the same clip moved sideways by 35 % of its width from there on (`view`).
It goes on for 12 frames. Not to be taken for cuts: light that is doubled or halved for single
frames (`flash`), and every fourth frame alone (`fourth`). All is tracked twice, with cuts and as if
there were none, by the same descriptors.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from targets import Once
from torch import Tensor

from drift_ros import features
from drift_ros.environment import machine
from drift_ros.evaluation.datasets import open_dataset
from drift_ros.evaluation.datasets.selection import Selection
from drift_ros.evaluation.methods.ours import GivenMasks, Ours, TrackerMethod
from drift_ros.evaluation.protocols import AnnotatedSequence, Labels
from drift_ros.settings import TrackerSettings, build
from drift_ros.tracking import Tracker
from drift_ros.tracking.cuts import Cuts

BEFORE, BETWEEN, AFTER = 12, 24, 12  # frames
SIDEWAYS = 0.35  # of the width
RATE = 24  # frames per second
FOUND = 0.5  # IoU
KINDS = ('scene', 'lens', 'view', 'flash', 'fourth')
Image = NDArray[np.uint8]
Clip = list[tuple[Image, Labels | None]]  # frames with their truth; None: another scene


class Counted(Cuts):
    """Counts frames that are cuts, or takes none for one.

    Args:
        off: whether frames go on from each other, whatever they show.
    """

    def __init__(self, off: bool) -> None:
        super().__init__()
        self.off, self.count = off, 0

    def is_cut(self, number: int, features: Tensor, image: Image) -> bool:
        """As of `Cuts`, or never."""
        found = not self.off and super().is_cut(number, features, image)
        self.count += found
        return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('data', type=Path)
    parser.add_argument('--features', default='embedded')
    parser.add_argument('--others', type=int, default=3, help='other clips to splice with each')
    parser.add_argument('--kinds', nargs='+', default=KINDS, choices=KINDS)
    options = parser.parse_args()
    values = {'features.name': options.features, 'features.device': 'cpu', 'window.length': 1}
    settings = build(TrackerSettings, values)
    extractor = features.create(settings.features)
    sequences = list(open_dataset('davis', options.data, Selection()).usable)
    found: dict[tuple[str, str], list[tuple[float, ...]]] = defaultdict(list)
    for number, sequence in enumerate(sequences):
        others = [sequences[(number + k) % len(sequences)] for k in range(1, options.others + 1)]
        for kind, clip in clips(sequence, others):
            if kind not in options.kinds:
                continue
            rows = {}
            once = Once(extractor)
            for row in ('no cuts', 'default'):
                tracker = Tracker(once, GivenMasks(), settings)
                tracker._masks._cuts = Counted(off=row == 'no cuts')
                rows[row] = Row(TrackerMethod(tracker, Ours(settings)), sequence, kind)
            for index, (image, truth) in enumerate(clip):
                for each in rows.values():  # frame by frame, so that descriptors are shared
                    each.step(index, np.ascontiguousarray(image), truth)
            for row, each in rows.items():
                found[kind, row] += each.record()
                print(sequence.name, kind, row, found[kind, row][-1], flush=True)
    print(
        '\n| kind | row | masks elsewhere | J after | found at once | within 5 | cuts | targets |'
    )
    print('|---' * 8 + '|')
    for (kind, row), targets in sorted(found.items(), key=lambda each: each[0][0]):
        wrong, j, first, cuts = np.array(targets).T
        shown = '' if np.isnan(wrong).all() else f'{100 * np.nanmean(wrong):.0f} %'
        cells = [kind, row, shown, f'{100 * j.mean():.1f}', f'{100 * (first == 0).mean():.0f} %']
        cells += [f'{100 * (first <= 5).mean():.0f} %', f'{cuts.sum():.0f}', str(len(targets))]
        print('| ' + ' | '.join(cells) + ' |')
    print(', '.join(f'{key}: {value}' for key, value in machine().items()))


def clips(
    sequence: AnnotatedSequence, others: list[AnnotatedSequence]
) -> Iterator[tuple[str, Clip]]:
    """The ways to splice a sequence."""
    count = len(sequence.stamps)
    whole: Clip = [(sequence.image(i), sequence.truth(i)) for i in range(BEFORE + AFTER)]
    first, last = whole[:BEFORE], whole[BEFORE:]
    size = whole[0][0].shape[1::-1]
    for other in others:
        frames = [other.image(i % len(other.stamps)) for i in range(BETWEEN)]
        yield 'scene', [*first, *((cv2.resize(f, size), None) for f in frames), *last]
    draw = np.random.default_rng(0)
    dark = [draw.normal(8, 3, whole[0][0].shape).clip(0, 255).astype(np.uint8) for _ in range(8)]
    yield 'lens', [*first, *((image, None) for image in dark), *last]
    step = round(SIDEWAYS * size[0])
    yield 'view', [*first, *((np.roll(i, step, 1), np.roll(t, step, 1)) for i, t in last)]
    light = {5: 2.0, 8: 0.5, 12: 2.0, 17: 2.0, 20: 0.5}
    flashes = [light.get(i, 1.0) * image.astype(np.float32) for i, (image, _) in enumerate(whole)]
    bright = [each.clip(0, 255).astype(np.uint8) for each in flashes]
    yield 'flash', [(image, truth) for image, (_, truth) in zip(bright, whole, strict=True)]
    yield 'fourth', [(sequence.image(i), sequence.truth(i)) for i in range(0, count, 4)]


class Row:
    """One tracker on one clip, and what it found."""

    def __init__(self, method: TrackerMethod, sequence: AnnotatedSequence, kind: str) -> None:
        self._method, self._kind = method, kind
        self._start = 1 if kind in ('flash', 'fourth') else BEFORE
        truth = sequence.truth(0)
        self._given = {id_: truth == id_ for id_ in sequence.objects if (truth == id_).any()}
        self._shown: dict[int, list[bool]] = defaultdict(list)
        self._overlaps: dict[int, list[float]] = defaultdict(list)
        method.begin()

    def step(self, index: int, image: Image, truth: Labels | None) -> None:
        """Track a frame and hold it against its truth."""
        stamp = 10**9 + index * 10**9 // RATE * (4 if self._kind == 'fourth' else 1)
        (found,) = self._method.step(index, stamp, image, {} if index else self._given)
        for id_ in self._given:
            mask = found[1] == id_
            if truth is None:
                self._shown[id_].append(bool(mask.any()))
            elif index >= self._start:
                union = (mask | (truth == id_)).sum()
                self._overlaps[id_].append((mask & (truth == id_)).sum() / union if union else 1.0)

    def record(self) -> Iterator[tuple[float, ...]]:
        """Of each target the share of the frames of another scene in which it has a mask, its J
        afterwards, the frames until it is found, and the number of frames that are cuts.
        """
        cuts = self._method.tracker._masks._cuts
        assert isinstance(cuts, Counted)
        for id_ in self._given:
            j = np.array(self._overlaps[id_])
            first = float(np.argmax(j > FOUND)) if (j > FOUND).any() else np.inf
            wrong = float(np.mean(self._shown[id_])) if self._shown[id_] else np.nan
            yield wrong, float(j.mean()), first, float(cuts.count)


if __name__ == '__main__':
    main()
