"""What each part of tracking targets brings, on videos with exact truth, side by side.

    python benchmarks/targets.py OUT                     # before and after, all rendered test sets
    python benchmarks/targets.py OUT --data comes-back --split val --features embedded --rows all
    python benchmarks/targets.py OUT --layout davis --data ../shared/data/davis/test

Every frame is described once and tracked by every row of the table, so that rows differ by nothing
but their settings; optical flow knows no settings of targets and has a row of its own. OUT collects
a file per video; what is done is not done again, and the tables are of all that is there.
calibration.py fits the calibration of scores to what is there.
"""

from __future__ import annotations

import argparse
import json
import re
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
from drift_ros.evaluation.methods import flow
from drift_ros.evaluation.methods.ours import GivenMasks, Ours, TrackerMethod
from drift_ros.evaluation.metrics import Scorer, switches
from drift_ros.evaluation.metrics.absences import absences
from drift_ros.evaluation.metrics.calibration import calibration_error, reliability
from drift_ros.evaluation.protocols import AnnotatedSequence, Labels, Method
from drift_ros.evaluation.running.memory import resident_memory
from drift_ros.features.base import FeatureExtractor, Session, Window
from drift_ros.settings import TrackerSettings, build
from drift_ros.tracking import Tracker, confidence

OFF = {
    'features.colour': 0.0,
    'targets.compete': False,
    'targets.separate': False,
    'targets.background_margin': 2.0,
    'targets.drop_stray': False,
    'targets.drop_unreachable': False,
    'targets.verify': False,
    'targets.min_score': 0.0,
    'targets.reacquire': 'none',
}
ROWS: dict[str, dict[str, Any]] = {
    'none': OFF,
    'compete': {**OFF, 'targets.compete': True},
    'published': {'targets.min_score': 0.0, 'targets.reacquire': 'none'},
    'all': {},
    'not colour': {'features.colour': 0.0},
    'not separate': {'targets.separate': False},
    'not background_margin': {'targets.background_margin': 2.0},
    'not drop_stray': {'targets.drop_stray': False},
    'not drop_unreachable': {'targets.drop_unreachable': False},
    'not verify': {'targets.verify': False},
    'not any_size_after': {'targets.any_size_after': 0},
    # what may be taken for a lost target
    'size 1.4': {'targets.max_size_change': 1.4},
    'size 2.5': {'targets.max_size_change': 2.5},
}
BEFORE_AFTER = ('none', 'all')
FEATURES = ('embedded', 'embedded-image', 'patch', 'flow')
SIMILAR = tuple(f'similar-{n}' for n in range(2, 7))
DATA = ('passing', 'crossing', 'kubric-similar', *SIMILAR, 'comes-back', 'other-distance', 'long')
MARKS = 500  # frames from one look at the memory to the next
CERTAIN, ACTED_ON = 0.8, 0.5  # scores
EVIDENCE: dict[float, tuple[float, ...]] = {}  # what scores of a frame are made from


class Once(FeatureExtractor):
    """An extractor whose sessions show each frame to one stream, and its descriptors to all; those
    that are asked for later, for parts of frames, are sessions of their own.
    """

    def __init__(self, extractor: FeatureExtractor) -> None:
        self.name, self.device, self.dtype = extractor.name, extractor.device, extractor.dtype
        self.window_length, self.streaming = extractor.window_length, extractor.streaming
        self.size_multiple, self.heads = extractor.size_multiple, extractor.heads
        self.reentrant = extractor.reentrant
        self._extractor, self._stream = extractor, extractor.session()
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
        """The one stream that there is, before its first frame."""
        return Session(self) if self._last is None else self._extractor.session(length)


class Row:
    """One method on one sequence, and what it found; `once` is what its descriptors come from."""

    def __init__(self, method: Method, sequence: AnnotatedSequence, once: Once | None) -> None:
        self._method, self._once = method, once
        self._sequence = sequence
        self._scorer = Scorer(sequence.name, sequence.objects, sequence.given)
        self._sizes: dict[int, list[tuple[int, int, int]]] = defaultdict(list)
        self._sure: dict[int, list[bool]] = defaultdict(list)
        self.masks: list[tuple[float, ...]] = []  # score, IoU, and what the score is made from
        self.seconds = 0.0
        method.begin()

    def step(self, index: int, image: Labels, truth: Labels) -> None:
        """Track a frame and hold it against its truth."""
        EVIDENCE.clear()
        given = {id_: truth == id_ for id_ in self._sequence.given.get(index, ())}
        started, described = perf_counter(), self._described
        (found,) = self._method.step(index, self._sequence.stamps[index], image, given)
        self.seconds += perf_counter() - started - (self._described - described)
        labels, said = found[1], (found[2] if len(found) > 2 else {})
        if index in self._sequence.scored:
            self._scorer.add(index, truth, labels)
        for id_ in self._sequence.objects:
            true, mask = truth == id_, labels == id_
            both, area = int((true & mask).sum()), int(mask.sum())
            self._sizes[id_].append((int(true.sum()), area, both))
            self._sure[id_].append(id_ not in said or said[id_].score >= ACTED_ON)
            if id_ in said and area and not given:
                score = said[id_].score
                overlap = both / int((true | mask).sum())
                self.masks.append((score, overlap, *EVIDENCE.get(score, ())))

    @property
    def _described(self) -> float:
        return self._once.seconds if self._once else 0.0

    def record(self) -> dict[str, Any]:
        """What there is to say of the sequence."""
        score = self._scorer.score(0)
        away, sure = [], []
        for id_, sizes in self._sizes.items():
            true, mask, both = np.array(sizes).T
            away += absences(true, mask, both)
            sure += absences(true, mask * self._sure[id_], both * self._sure[id_])
        return {
            'J': [float(np.mean(o.j)) for o in score.objects],
            'F': [float(np.mean(o.f)) for o in score.objects],
            'switches': sum(switches(o.follower) for o in score.objects),
            'away': len(away),
            'found': sum(a.found_in_time for a in away),
            'wrong': sum(a.wrong > 0 for a in away),
            'sure': sum(a.wrong > 0 for a in sure),
            'masks': self.masks,
            'seconds': self.seconds,
        }


def _recording(score: Callable[..., float]) -> Callable[..., float]:
    def record(extractor: str, *evidence: float) -> float:
        found = score(extractor, *evidence)
        EVIDENCE[found] = evidence
        return found

    return record


def main() -> None:
    options = _options()
    confidence.score = _recording(confidence.score)
    options.out.mkdir(parents=True, exist_ok=True)
    for name in options.features:
        extractor = None
        if name != flow.NAME:
            settings = build(TrackerSettings, {'features.name': name, 'features.device': 'cpu'})
            extractor = features.create(settings.features)
        for data in options.data:
            selection = Selection(split=options.split, limit=options.frames)
            sequences = open_dataset(options.layout, Path(data), selection).usable
            for number, sequence in enumerate(sequences):
                if number in (options.videos or [number]):
                    _run(extractor, sequence, data, options)
    for title, records in _records(options.out):
        print(f'\n### {title}\n\n' + '\n'.join(_table(records)))
        for record in records:
            if record.get('memory'):
                sizes = ', '.join(f'{mib} after {n}' for n, mib in record['memory'].items())
                print(f'\n`{record["features"]}`, MiB of all rows, frames: {sizes}')
    print(', '.join(f'{key}: {value}' for key, value in machine().items()))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('out', type=Path)
    parser.add_argument('--data', nargs='*', default=DATA, help='rendered sets, or folders')
    parser.add_argument('--layout', default='kubric-similar')
    parser.add_argument('--split')
    parser.add_argument('--videos', type=int, nargs='+', help='their numbers, where a set has them')
    parser.add_argument('--frames', type=int, help='only the first ones')
    parser.add_argument('--features', nargs='+', default=FEATURES)
    parser.add_argument('--rows', nargs='+', default=BEFORE_AFTER, choices=ROWS)
    return parser.parse_args()


def _run(
    extractor: FeatureExtractor | None,
    sequence: AnnotatedSequence,
    data: str,
    options: argparse.Namespace,
) -> None:
    """All rows on a video; without an extractor, optical flow."""
    name = flow.NAME if extractor is None else extractor.name
    title = re.sub('similar-[2-6]$', 'similar-2 to -6', Path(data).name)
    title += f', {options.split}' if options.split else ''
    file = options.out / f'{name} {title} {sequence.name}.json'
    if file.is_file():
        return
    once = None if extractor is None else Once(extractor)
    methods: dict[str, Method] = {'flow': flow.Flow().make()}
    if once is not None:
        methods = {row: _tracker(once, ROWS[row]) for row in options.rows}
    rows = {row: Row(method, sequence, once) for row, method in methods.items()}
    memory: dict[int, int] = {}
    for index in range(len(sequence.stamps)):
        if index % MARKS == MARKS - 1:
            memory[index + 1] = (resident_memory() or 0) >> 20
        image, truth = sequence.image(index), sequence.truth(index)
        for row in rows.values():
            row.step(index, image, truth)
    record = {
        'title': title,
        'features': name,
        'frames': len(sequence.stamps),
        'describing': once.seconds if once else 0.0,
        'memory': memory,
        'rows': {row: found.record() for row, found in rows.items()},
    }
    file.write_text(json.dumps(record), encoding='utf-8')
    print(file.stem, {n: f'{100 * np.mean(r["J"]):.1f}' for n, r in record['rows'].items()})


def _tracker(once: Once, values: dict[str, Any]) -> Method:
    chosen = {'features.name': once.name, 'window.length': 1, 'window.stride': 1, **values}
    settings = build(TrackerSettings, chosen)
    return TrackerMethod(Tracker(once, GivenMasks(), settings), Ours(settings))


def _records(out: Path) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """The videos of each data set."""
    groups: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for file in sorted(out.glob('*.json')):
        record = json.loads(file.read_text(encoding='utf-8'))
        groups[record['title']].append(record)
    yield from groups.items()


def _table(records: list[dict[str, Any]]) -> Iterator[str]:
    """A line per method and row, over all objects of the videos."""
    yield (
        '| features | row | J&F | J | id switches | found in time | wrong one | '
        'with score >= 0.5 | score >= 0.8 | '
        'of those IoU > 0.5 | calibration error | ms per frame |'
    )
    yield '|---' * 12 + '|'
    for name in dict.fromkeys(record['features'] for record in records):
        chosen = [record for record in records if record['features'] == name]
        frames = sum(record['frames'] for record in chosen)
        describing = sum(record['describing'] for record in chosen)
        for row in chosen[0]['rows']:
            found = [record['rows'][row] for record in chosen]
            seconds = describing + sum(each['seconds'] for each in found)
            cells = [f'`{name}`', f'`{row}`', *_cells(found), f'{1000 * seconds / frames:.0f}']
            yield '| ' + ' | '.join(cells) + ' |'


def _cells(rows: list[dict[str, Any]]) -> list[str]:
    j, f = (100 * np.mean([v for row in rows for v in row[key]]) for key in 'JF')
    away, *times = (sum(row[k] for row in rows) for k in ('away', 'found', 'wrong', 'sure'))
    cells = [f'{(j + f) / 2:.1f}', f'{j:.1f}', str(sum(row['switches'] for row in rows))]
    cells += [f'{number} of {away}' if away else '' for number in times]
    masks = np.array([mask[:2] for row in rows for mask in row['masks']])
    if not len(masks):
        return [*cells, '', '', '']
    sure = masks[:, 0] >= CERTAIN
    good = f'{100 * float((masks[sure, 1] > 0.5).mean()):.0f} %' if sure.any() else ''
    error = calibration_error(reliability(masks[:, 0], masks[:, 1] > 0.5))
    return [*cells, f'{100 * sure.mean():.0f} %', good, f'{error:.3f}']


if __name__ == '__main__':
    main()
