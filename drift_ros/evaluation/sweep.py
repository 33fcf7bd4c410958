"""Evaluates every combination of chosen values of settings."""

from __future__ import annotations

import hashlib
import itertools
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from drift_ros import features
from drift_ros.documents import DocumentError, parse_yaml
from drift_ros.errors import DriftError, OutputError, SettingsError
from drift_ros.evaluation.reporting.reading import Results
from drift_ros.settings import TrackerSettings, build, fields

LONGEST_NAME = 120  # characters of a folder's name
Evaluate = Callable[[TrackerSettings, Path], Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Axis:
    """A setting and the values that it takes."""

    name: str
    values: tuple[Any, ...]

    @property
    def short(self) -> str:
        """The last parts of the name that no other setting has."""
        known = [f'.{field}' for field, _ in fields(TrackerSettings)]
        parts = self.name.split('.')
        ends = ('.'.join(parts[i:]) for i in reversed(range(len(parts))))
        return next(
            (end for end in ends if sum(field.endswith(f'.{end}') for field in known) == 1),
            self.name,
        )

    @property
    def numeric(self) -> bool:
        """Whether the values lie on a scale."""
        return all(isinstance(v, int | float) and not isinstance(v, bool) for v in self.values)


@dataclass(frozen=True, slots=True)
class Combination:
    """A value of each axis.

    Attributes:
        values: name of the setting -> its value here.
        settings: all settings.
        folder: name of the folder for its evaluation.
    """

    values: Mapping[str, Any]
    settings: TrackerSettings
    folder: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a combination: results, or the reason why there are none."""

    combination: Combination
    results: Results | None
    refused: str = ''

    def mean(self, measure: str) -> float | None:
        """A measure over all objects, as a fraction; None if it is not known."""
        return self.results.mean.get(measure) if self.results is not None else None


def parse_axis(text: str) -> Axis:
    """An axis from `name=value,value,...`; values are YAML without commas.

    Raises:
        SettingsError: the setting is unknown, or the values are none, broken or not different.
    """
    name, sign, listed = text.partition('=')
    name = name.strip()
    pieces = [piece.strip() for piece in listed.split(',')]
    if not sign or not all(pieces):
        raise SettingsError(
            f'--over {text!r} must be name=value,value,..., such as propagation.top_k=5,10'
        )
    try:
        values = tuple(parse_yaml(piece) for piece in pieces)
    except DocumentError as error:
        raise SettingsError(f'--over {name}: a value cannot be read: {error}') from None
    known = [field for field, _ in fields(TrackerSettings)]
    if name not in known:
        build(TrackerSettings, {name: values[0]})  # which says what is meant
    if len(set(map(repr, values))) < len(values):
        raise SettingsError(f'--over {text!r} names a value twice')
    return Axis(name, values)


def grid(base: Mapping[str, Any], axes: Sequence[Axis]) -> list[Combination]:
    """All combinations, the last axis changing first.

    Args:
        base: dotted names and values of the settings that stay.

    Raises:
        SettingsError: no axes, two of one setting, or a value that its setting does not take.
    """
    if not axes:
        raise SettingsError('a sweep needs --over name=value,value,... at least once')
    names = [axis.name for axis in axes]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise SettingsError(f'--over names {", ".join(twice)} twice: list all its values in one')
    combinations = []
    for values in itertools.product(*(axis.values for axis in axes)):
        chosen = dict(zip(names, values, strict=True))
        settings = build(TrackerSettings, {**base, **chosen})
        if settings.features.name not in features.names():
            known = ', '.join(features.names())
            raise SettingsError(
                f'features.name is {settings.features.name!r}; the extractors are: {known}'
            )
        combinations.append(Combination(chosen, settings, _folder(chosen)))
    return combinations


def run(
    combinations: Sequence[Combination],
    evaluate: Evaluate,
    out: Path,
    done: Callable[[Sequence[Outcome]], None],
) -> list[Outcome]:
    """Evaluate each combination in a folder of its own.

    What an extractor or the device refuses (DriftError) refuses that combination; the others go on.

    Args:
        combinations: in this order.
        evaluate: takes settings and a folder, continues or evaluates, and gives the content of
            `results.json`.
        done: called after each combination with the outcomes so far.

    Raises:
        OutputError: a folder cannot be written, or holds the evaluation of something else.
    """
    outcomes: list[Outcome] = []
    for combination in combinations:
        folder = out / combination.folder
        try:
            record = evaluate(combination.settings, folder)
            outcomes.append(Outcome(combination, Results(folder, record)))
        except OutputError:
            raise
        except DriftError as error:
            outcomes.append(Outcome(combination, None, str(error)))
        done(outcomes)
    return outcomes


def ranked(outcomes: Sequence[Outcome], measure: str) -> list[Outcome]:
    """The best first, refused ones last; those that lack sequences behind those that have more,
    for their means are of other data.
    """

    def key(outcome: Outcome) -> tuple[bool, int, float]:
        if outcome.results is None:
            return True, 0, 0.0
        value = outcome.mean(measure)
        return value is None, -outcome.results.count[0], -(value or 0.0)

    return sorted(outcomes, key=key)


def _folder(values: Mapping[str, Any]) -> str:
    """A folder name that contains the values and is unique to them."""
    full = ','.join(f'{name}={value}' for name, value in values.items())
    plain = re.sub(r'[^\w.,=+-]', '_', full)
    if plain == full and len(plain) <= LONGEST_NAME:
        return plain
    return f'{plain[:LONGEST_NAME]}-{hashlib.sha256(full.encode()).hexdigest()[:8]}'
