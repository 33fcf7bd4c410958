"""Compares evaluations: their means, and differences to the first over the sequences of both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from drift_ros.errors import SourceError
from drift_ros.evaluation.reporting.reading import Results, known

MEASURES = ('J&F', 'J', 'F', 'PCK@0.1', 'PCK@0.2')
RESAMPLES, SEED, CONFIDENCE = 10_000, 0, 0.95
FEW = 10  # sequences below which an interval is only a hint


@dataclass(frozen=True, slots=True)
class Difference:
    """A measure of a run minus that of the first, over all objects of the common sequences.

    Attributes:
        value: of the means, as a fraction.
        low, high: ends of its confidence interval; None with less than two sequences.
    """

    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Pairing:
    """A run beside the first one.

    Attributes:
        common: sequences that both have, with the same objects, frames and size of images.
        missing: sequences that only the first has.
        added: sequences that only this one has.
        unlike: sequences of the same name with other objects, frames or size.
        differences: measure -> difference; empty without common sequences.
    """

    common: tuple[str, ...]
    missing: tuple[str, ...]
    added: tuple[str, ...]
    unlike: tuple[str, ...]
    differences: Mapping[str, Difference]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Evaluations, each with its name, and how each but the first pairs with the first."""

    names: tuple[str, ...]
    runs: tuple[Results, ...]
    measures: tuple[str, ...]
    pairings: tuple[Pairing, ...]

    @property
    def notes(self) -> list[str]:
        """What a reader must know, in sentences."""
        notes = []
        for name, pairing in zip(self.names[1:], self.pairings, strict=True):
            groups = (
                ('only in ' + self.names[0], pairing.missing),
                ('only in ' + name, pairing.added),
                ('with other objects, frames or sizes', pairing.unlike),
            )
            unpaired = [f'{what}: {", ".join(names)}' for what, names in groups if names]
            if unpaired:
                notes.append(
                    f'{name} pairs in {len(pairing.common)} sequences; {"; ".join(unpaired)}.'
                )
            if not pairing.common:
                notes.append(f'{name} has no sequence in common with {self.names[0]}.')
        if any(1 < len(p.common) < FEW for p in self.pairings):
            notes.append(f'Intervals of less than {FEW} sequences are only a hint.')
        data = {str(run.dataset.get('layout')) for run in self.runs}
        if len(data) > 1:
            notes.append(f'The data are in different layouts: {", ".join(sorted(data))}.')
        return notes


def compare(runs: Sequence[Results]) -> Comparison:
    """Compare evaluations with the first one.

    Raises:
        SourceError: fewer than two, or they have no measure in common.
    """
    if len(runs) < 2:
        raise SourceError(f'a comparison needs two or more evaluations, {len(runs)} came')
    measures = tuple(name for name in MEASURES if all(name in run.mean for run in runs))
    if not measures:
        raise SourceError(
            f'{", ".join(str(run.folder) for run in runs)} have no measure in common: compare '
            'evaluations of masks with such, and of poses with such'
        )
    pairings = tuple(_pair(runs[0], run, measures) for run in runs[1:])
    return Comparison(_names(runs), tuple(runs), measures, pairings)


def bootstrap(
    differences: Sequence[Sequence[float]],
    weights: Sequence[Sequence[float]] | None = None,
    resamples: int = RESAMPLES,
    seed: int = SEED,
    confidence: float = CONFIDENCE,
) -> Difference:
    """Mean over all objects, with a percentile bootstrap interval over sequences.

    Sequences are drawn with replacement, each with all its objects: objects of one video are not
    independent. The same numbers give the same interval.

    Args:
        differences: per sequence, of each of its objects; at least one.
        weights: of each of these in the mean; None: all the same.
    """
    weights = weights or [[1.0] * len(values) for values in differences]
    sums = np.array([np.dot(v, w) for v, w in zip(differences, weights, strict=True)])
    counts = np.array([sum(values) for values in weights])
    value = float(sums.sum() / counts.sum())
    if len(sums) < 2:
        return Difference(value, None, None)
    drawn = np.random.default_rng(seed).integers(len(sums), size=(resamples, len(sums)))
    means = sums[drawn].sum(1) / counts[drawn].sum(1)
    tail = (1 - confidence) / 2
    low, high = np.quantile(means, (tail, 1 - tail))
    return Difference(value, float(low), float(high))


def record(comparison: Comparison) -> dict[str, Any]:
    """The comparison as values fit for JSON."""
    entries = []
    for i, (name, run) in enumerate(zip(comparison.names, comparison.runs, strict=True)):
        entry: dict[str, Any] = {
            'name': name,
            'folder': str(run.folder),
            'method': run.method,
            'count': list(run.count),
            'mean': {measure: run.mean[measure] for measure in comparison.measures},
            'seconds_per_frame': run.seconds_per_frame,
            'memory': run.highest('memory'),
            'device_memory': run.highest('device_memory'),
        }
        if i:
            pairing = asdict(comparison.pairings[i - 1])
            entry |= {'difference': pairing.pop('differences'), **pairing}
        entries.append(entry)
    method = {'confidence': CONFIDENCE, 'resamples': RESAMPLES, 'seed': SEED}
    return {
        'runs': entries,
        'first': comparison.names[0],
        'bootstrap': method | {'over': 'sequences'},
        'notes': comparison.notes,
    }


def _pair(first: Results, other: Results, measures: Sequence[str]) -> Pairing:
    names = [name for name in first.sequences if name in other.sequences]
    common = [n for n in names if _content(first.sequences[n]) == _content(other.sequences[n])]
    differences = {}
    for measure in measures:
        found = (
            _differences(first.sequences[name], other.sequences[name], measure) for name in common
        )
        each = [pairs for pairs in found if pairs]
        if each:
            values = [[value for value, _ in pairs] for pairs in each]
            weights = [[weight for _, weight in pairs] for pairs in each]
            differences[measure] = bootstrap(values, weights)
    return Pairing(
        tuple(common),
        tuple(name for name in first.sequences if name not in other.sequences),
        tuple(name for name in other.sequences if name not in first.sequences),
        tuple(name for name in names if name not in common),
        differences,
    )


def _content(entry: Mapping[str, Any]) -> tuple[Any, ...]:
    objects = {id_: obj.get('frames') for id_, obj in entry.get('objects', {}).items()}
    return entry.get('frames'), entry.get('size'), objects


def _differences(
    first: Mapping[str, Any], other: Mapping[str, Any], measure: str
) -> list[tuple[float, float]]:
    """Difference and weight of each object, or of the sequence where objects have no such measure.

    Objects weigh the same as in the means of DAVIS; joints weigh as many frames as they have, as in
    the means of poses.
    """
    pairs = [(obj, other['objects'][id_]) for id_, obj in first.get('objects', {}).items()]
    if not pairs or not all(measure in obj for pair in pairs for obj in pair):
        pairs = [(first, other)]
    by_frame = measure.startswith('PCK')
    values = [
        (known(a).get(measure), known(b).get(measure), a.get('frames') if by_frame else None)
        for a, b in pairs
    ]
    return [(b - a, frames or 1.0) for a, b, frames in values if a is not None and b is not None]


def _names(runs: Sequence[Results]) -> tuple[str, ...]:
    """Names of the folders, with as many of those above as make them differ."""
    paths = [run.folder.resolve().parts for run in runs]
    for depth in range(1, max(map(len, paths)) + 1):
        names = ['/'.join(path[-depth:]) for path in paths]
        if len(set(names)) == len(names):
            return tuple(names)
    return tuple(f'{i + 1}: {path[-1]}' for i, path in enumerate(paths))
