"""What each part of tracking targets brings, on videos with exact truth, side by side.

    python benchmarks/targets.py OUT --layout kubric-similar --data comes-back --split val
    python benchmarks/targets.py OUT --layout davis --data ../shared/data/davis/test
    python benchmarks/targets.py OUT --fit

Every frame is described once and tracked by every row of the table, so that rows differ by nothing
but their settings. OUT collects a file per video; what is done is not done again, and the tables
are of all that is there. `--fit` fits the calibration of scores (tracking/confidence.py) to the
masks of the row `compete`, which are published whatever their score is.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from drift_ros import features
from drift_ros.descriptors import Descriptors
from drift_ros.environment import machine
from drift_ros.evaluation.datasets import open_dataset
from drift_ros.evaluation.datasets.selection import Selection
from drift_ros.evaluation.methods.ours import CAMERA, GivenMasks
from drift_ros.evaluation.metrics import Scorer, switches
from drift_ros.evaluation.metrics.absences import absences
from drift_ros.evaluation.metrics.calibration import calibration_error, reliability
from drift_ros.evaluation.protocols import AnnotatedSequence
from drift_ros.features.base import FeatureExtractor, Session, Window
from drift_ros.prompts.prompt import Prompt
from drift_ros.settings import TrackerSettings, build
from drift_ros.structures import Frame, TrackingResult
from drift_ros.tracking import Tracker, confidence

OFF = {'targets.compete': False, 'targets.min_score': 0.0, 'targets.reacquire': 'none'}
ROWS: dict[str, dict[str, Any]] = {
    'none': OFF,
    'compete': {**OFF, 'targets.compete': True},
    'min_score': {**OFF, 'targets.compete': True, 'targets.min_score': 0.2},
    'all': {},
}
CERTAIN = 0.8
EVIDENCE: dict[float, tuple[float, float, float]] = {}  # what scores of a frame are made from


class Once(FeatureExtractor):
    """An extractor whose sessions show each frame to one stream, and its descriptors to all."""

    def __init__(self, extractor: FeatureExtractor) -> None:
        self.name, self.device, self.dtype = extractor.name, extractor.device, extractor.dtype
        self.window_length, self.streaming = extractor.window_length, extractor.streaming
        self.size_multiple, self.heads = extractor.size_multiple, extractor.heads
        self._stream = extractor.session()
        self._last: tuple[tuple[int, ...], Descriptors] | None = None
        self.seconds = 0.0

    def extract(self, window: Window) -> Descriptors:
        """Those of the last window again, if it is the same."""
        if self._last is None or self._last[0] != window.stamps:
            started = perf_counter()
            self._last = (window.stamps, self._stream.extract(window))
            self.seconds += perf_counter() - started
        return self._last[1]

    def session(self, length: int = 0) -> Session:
        """The one stream that there is."""
        return Session(self)


class Row:
    """One tracker on one sequence, and what it found."""

    def __init__(self, once: Once, sequence: AnnotatedSequence, values: dict[str, Any]) -> None:
        chosen = {'features.name': once.name, 'window.length': 1, 'window.stride': 1, **values}
        self._once = once
        self._tracker = Tracker(once, GivenMasks(), build(TrackerSettings, chosen))
        self._scorer = Scorer(sequence.name, sequence.objects, sequence.given)
        self._sizes: dict[int, list[tuple[int, int, int]]] = defaultdict(list)
        self.masks: list[tuple[float, ...]] = []  # score, IoU, and what the score is made from
        self.seconds = 0.0

    def step(self, frame: Frame, prompts: list[Prompt], truth: Any, scored: bool) -> None:
        """Track a frame and hold it against its truth."""
        EVIDENCE.clear()
        started, described = perf_counter(), self._once.seconds
        (result,) = self._tracker.step(frame, prompts)
        self.seconds += perf_counter() - started - (self._once.seconds - described)
        assert isinstance(result, TrackingResult), result
        if scored:
            self._scorer.add(frame.index, truth, result.labels)
        for obj in result.objects:
            true, mask = truth == obj.id, result.labels == obj.id
            both = int((true & mask).sum())
            self._sizes[obj.id].append((int(true.sum()), obj.area, both))
            if obj.visible and not result.prompted:
                overlap = both / int((true | mask).sum())
                self.masks.append((obj.score, overlap, *EVIDENCE.get(obj.score, ())))

    def record(self) -> dict[str, Any]:
        """What there is to say of the sequence."""
        score = self._scorer.score(0)
        away = [a for s in self._sizes.values() for a in absences(*np.array(s).T)]
        return {
            'J': [float(np.mean(o.j)) for o in score.objects],
            'F': [float(np.mean(o.f)) for o in score.objects],
            'switches': sum(switches(o.follower) for o in score.objects),
            'away': len(away),
            'found': sum(a.found_in_time for a in away),
            'wrong': sum(a.wrong > 0 for a in away),
            'masks': self.masks,
            'seconds': self.seconds,
        }


def _recording(score: Callable[..., float]) -> Callable[..., float]:
    def record(extractor: str, *evidence: float) -> float:
        found = score(extractor, *evidence)
        EVIDENCE[found] = evidence  # type: ignore[assignment]
        return found

    return record


def main() -> None:
    options = _options()
    confidence.score = _recording(confidence.score)
    options.out.mkdir(parents=True, exist_ok=True)
    if options.data:
        selection = Selection(split=options.split, limit=options.frames)
        sequences = open_dataset(options.layout, options.data, selection).usable
        settings = build(TrackerSettings, {'features.name': options.features}).features
        extractor = features.create(settings)
        for number in options.videos or range(len(sequences)):
            _run(extractor, sequences[number], options)
    for title, records in _records(options.out):
        print(f'\n### {title}\n\n' + '\n'.join(_table(records)))
        if options.fit:
            print(
                f'calibration: {fit([m for r in records for m in r["rows"]["compete"]["masks"]])}'
            )
    print(', '.join(f'{key}: {value}' for key, value in machine().items()))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('out', type=Path)
    parser.add_argument('--data', help='name of a rendered set, or a folder')
    parser.add_argument('--layout', default='kubric-similar')
    parser.add_argument('--split')
    parser.add_argument('--videos', type=int, nargs='+', help='their numbers')
    parser.add_argument('--frames', type=int, help='only the first ones')
    parser.add_argument('--features', default='embedded')
    parser.add_argument('--fit', action='store_true')
    parser.add_argument('--rows', nargs='+', default=list(ROWS), choices=ROWS)
    return parser.parse_args()


def _run(
    extractor: FeatureExtractor, sequence: AnnotatedSequence, options: argparse.Namespace
) -> None:
    data = Path(options.data).name + (f' {options.split}' if options.split else '')
    file = options.out / f'{options.features} {data} {sequence.name}.json'
    if file.is_file():
        return
    once = Once(extractor)
    rows = {name: Row(once, sequence, ROWS[name]) for name in options.rows}
    scored = set(sequence.scored)
    for index, stamp in enumerate(sequence.stamps):
        image, truth = sequence.image(index), sequence.truth(index)
        given = sequence.given.get(index, ())
        prompts = [Prompt(id=id_, mask=truth == id_) for id_ in given]
        for row in rows.values():
            row.step(Frame(image, stamp, CAMERA, index), prompts, truth, index in scored)
    record = {
        'title': f'{options.features}, {data}',
        'frames': len(sequence.stamps),
        'describing': once.seconds,
        'rows': {name: row.record() for name, row in rows.items()},
    }
    file.write_text(json.dumps(record), encoding='utf-8')
    print(file.stem, {n: round(100 * np.mean(r['J']), 1) for n, r in record['rows'].items()})


def fit(masks: list[tuple[float, ...]]) -> confidence.Calibration:
    """Logistic regression of IoU > 0.5, with a little weight decay, by Newton's method."""
    known = np.array([mask for mask in masks if len(mask) == 5])
    soft = known[:, 2].clip(confidence.TINY, 1 - confidence.TINY)
    inputs = np.stack([np.ones(len(soft)), np.log(soft / (1 - soft)), *known[:, 3:].T], 1)
    right, decay = known[:, 1] > 0.5, 1e-2 * np.diag([0.0, 1, 1, 1])
    weights = np.zeros(4)
    for _ in range(50):
        p = 1 / (1 + np.exp(-inputs @ weights))
        curvature = (inputs.T * (p * (1 - p))) @ inputs / len(p) + decay
        weights -= np.linalg.solve(curvature, inputs.T @ (p - right) / len(p) + decay @ weights)
    return confidence.Calibration(*weights.round(2).tolist())


def _records(out: Path) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """The videos of each data set."""
    groups: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for file in sorted(out.glob('*.json')):
        record = json.loads(file.read_text(encoding='utf-8'))
        groups[record['title']].append(record)
    yield from groups.items()


def _table(records: list[dict[str, Any]]) -> Iterator[str]:
    """A line per row, over all objects of the videos."""
    yield (
        '| row | J&F | J | id switches | found in time | wrong one | masks of score >= 0.8 | '
        'of those IoU > 0.5 | calibration error | ms per frame |'
    )
    yield '|---' * 10 + '|'
    frames = sum(record['frames'] for record in records)
    describing = sum(record['describing'] for record in records)
    for name in records[0]['rows']:
        rows = [record['rows'][name] for record in records]
        j, f = (100 * np.mean([v for row in rows for v in row[key]]) for key in 'JF')
        away, found, wrong = (sum(row[key] for row in rows) for key in ('away', 'found', 'wrong'))
        masks = np.array([mask[:2] for row in rows for mask in row['masks']])
        sure = masks[:, 0] >= CERTAIN
        good = 100 * float((masks[sure, 1] > 0.5).mean()) if sure.any() else float('nan')
        spent = 1000 * (describing + sum(row['seconds'] for row in rows)) / frames
        cells = [
            f'`{name}`', f'{(j + f) / 2:.1f}', f'{j:.1f}', str(sum(r['switches'] for r in rows)),
            f'{found} of {away}' if away else '', f'{wrong} of {away}' if away else '',
            f'{100 * sure.mean():.0f} %', f'{good:.0f} %',
            f'{calibration_error(reliability(masks[:, 0], masks[:, 1] > 0.5)):.3f}', f'{spent:.0f}',
        ]  # fmt: skip
        yield '| ' + ' | '.join(cells) + ' |'


if __name__ == '__main__':
    main()
