"""Reads the results that an evaluation left in its folder."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from drift_ros.documents import LARGEST, DocumentError, read_json
from drift_ros.errors import SourceError
from drift_ros.evaluation import scores
from drift_ros.evaluation.places import sequence_folder
from drift_ros.evaluation.scores import SequenceScore

RESULTS = 'results.json'
MEASURES = (
    'J&F', 'J', 'J recall', 'J decay', 'F', 'F recall', 'F decay', 'PCK@0.1', 'PCK@0.2',
    'found',
)  # fmt: skip
"""Measures that are fractions, in the order in which tables show them."""


@dataclass(frozen=True, slots=True)
class Results:
    """`results.json` of one evaluation."""

    folder: Path
    record: Mapping[str, Any]

    @property
    def mean(self) -> Mapping[str, float | None]:
        """Measure -> mean over all objects, as a fraction."""
        return known(self.record['mean'])

    @property
    def sequences(self) -> Mapping[str, Mapping[str, Any]]:
        """Name -> what was found out about that sequence."""
        return cast(Mapping[str, Mapping[str, Any]], self.record['sequences'])

    @property
    def refused(self) -> Mapping[str, str]:
        """Name -> why that sequence was not evaluated."""
        return cast(Mapping[str, str], self.record.get('refused', {}))

    @property
    def count(self) -> tuple[int, int]:
        """Sequences that were evaluated, and all."""
        return len(self.sequences), len(self.sequences) + len(self.refused)

    @property
    def objects(self) -> int:
        """Number of objects in all sequences."""
        return sum(len(entry.get('objects', {})) for entry in self.sequences.values())

    @property
    def poses(self) -> bool:
        """Whether joints stand where objects do."""
        return any(name.startswith('PCK') for name in self.record['mean'])

    @property
    def settings(self) -> Mapping[str, Any]:
        """Dotted name -> value of what the method was set to."""
        return flat(self.record.get('settings', {}))

    @property
    def method(self) -> str:
        """What tracked, as tables show it."""
        named = self.record.get('method') or self.settings.get('features.name')
        return str(named or self.folder.name)

    @property
    def dataset(self) -> Mapping[str, Any]:
        """What is known about the data."""
        return cast(Mapping[str, Any], self.record.get('dataset', {}))

    @property
    def seconds_per_frame(self) -> float | None:
        """Over all frames of all sequences."""
        timed = [
            (entry['seconds_per_frame'], entry.get('frames', 1))
            for entry in self.sequences.values()
            if entry.get('seconds_per_frame') is not None
        ]
        frames = sum(count for _, count in timed)
        return sum(value * count for value, count in timed) / frames if frames else None

    def highest(self, kind: str) -> int | None:
        """Most memory that any sequence took, in bytes: `memory` or `device_memory`."""
        values = [entry.get(kind) for entry in self.sequences.values()]
        return max((value for value in values if value is not None), default=None)


def read_results(folder: Path) -> Results:
    """Read the results of a finished evaluation.

    Raises:
        SourceError: the folder holds none, or what it holds is not what an evaluation writes.
    """
    place = folder / RESULTS
    if not folder.is_dir():
        raise SourceError(f'{folder} is not a folder: name what `drift evaluate --out` made')
    if not place.is_file():
        begun = (folder / 'run.json').is_file()
        what = 'a run that has not finished' if begun else 'no results of an evaluation'
        do = 'give the same command again to finish it' if begun else 'make them by drift evaluate'
        raise SourceError(f'{folder} holds {what}: there is no {RESULTS}; {do}')
    record = _object(place)
    for name in ('mean', 'sequences'):
        if not isinstance(record.get(name), dict):
            raise SourceError(
                f'{place} was not written by drift evaluate: it should have a mapping {name!r}'
            )
    if not all(isinstance(entry, dict) for entry in record['sequences'].values()):
        raise SourceError(f'{place}: each entry of "sequences" should be a mapping of measures')
    return Results(folder, record)


def read_score(folder: Path, name: str) -> SequenceScore | None:
    """Scores of a sequence frame by frame; None if it has none, such as poses.

    Raises:
        SourceError: the file is missing or broken.
    """
    found = scores.read_score(sequence_folder(folder, name) / 'score.json')
    return found if isinstance(found, SequenceScore) else None


def known(values: Mapping[str, Any]) -> dict[str, float | None]:
    """The measures among values, in the order of tables; None where one is not known."""
    return {
        name: float(values[name])
        if isinstance(values[name], int | float) and math.isfinite(values[name])
        else None
        for name in MEASURES
        if name in values
    }


def flat(nested: Mapping[str, Any], prefix: str = '') -> dict[str, Any]:
    """Dotted name -> value of settings in groups."""
    found: dict[str, Any] = {}
    for name, value in nested.items():
        if isinstance(value, dict):
            found |= flat(value, f'{prefix}{name}.')
        else:
            found[f'{prefix}{name}'] = value
    return found


def _object(place: Path) -> dict[str, Any]:
    try:
        record = read_json(place, LARGEST, LARGEST)
    except DocumentError as error:
        raise SourceError(f'cannot read {place}: {error}') from None
    if not isinstance(record, dict):
        raise SourceError(f'{place} was not written by drift evaluate: it is no mapping')
    return record
