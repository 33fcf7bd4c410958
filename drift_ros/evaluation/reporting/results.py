"""The results of an evaluation as files: results.json for programs, results.csv for tables.

All scores are fractions in [0, 1]; times are in s, memory in bytes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from drift_ros.environment import machine, versions
from drift_ros.evaluation.metrics import pck, statistics, switches
from drift_ros.evaluation.scores import ObjectScore, PoseScore, Score, SequenceScore
from drift_ros.runs.atomic import write_csv, write_text

RESULTS, TABLE = 'results.json', 'results.csv'
SWITCHES = 'switches'


def object_entry(score: ObjectScore) -> dict[str, Any]:
    """Measures of one object over its scored frames."""
    j, f = statistics(score.j), statistics(score.f)
    return {
        'name': score.name,
        'J&F': (j.mean + f.mean) / 2,
        'J': j.mean,
        'J recall': j.recall,
        'J decay': j.decay,
        'F': f.mean,
        'F recall': f.recall,
        'F decay': f.decay,
        SWITCHES: switches(score.follower),
        'frames': len(score.frames),
    }


def sequence_entry(score: SequenceScore) -> dict[str, Any]:
    """Measures of a sequence: means over its objects, each object, and what it took."""
    objects = {str(obj.id): object_entry(obj) for obj in score.objects}
    return {**_mean(objects.values()), 'objects': objects, **_facts(score)}


def pose_entry(score: PoseScore) -> dict[str, Any]:
    """Measures of a sequence: means over its joints, each joint in place of an object."""
    per_joint = pck.measures([score])
    joints = {
        str(number): {
            'name': joint,
            **{name: values[number - 1] for name, values in per_joint.items()},
            'frames': len(score.scored),
        }
        for number, joint in enumerate(score.joints, 1)
    }
    return {**pose_mean([score]), 'objects': joints, **_facts(score)}


def pose_mean(scores: Sequence[PoseScore]) -> dict[str, Any]:
    """Measures over everything: each joint over the frames of all sequences, then their mean.

    So every frame counts the same, however long its video is; that is how papers do it.
    """
    return {name: pck.mean(values) for name, values in pck.measures(scores).items()}


def mean_of(entries: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Means over all objects of all sequences, as in DAVIS-2017; switches are added up."""
    return _mean([obj for entry in entries for obj in entry.get('objects', {}).values()])


def results(
    entries: Mapping[str, Mapping[str, Any]],
    refused: Mapping[str, str],
    *,
    method: str,
    settings: Mapping[str, Any],
    dataset: Mapping[str, Any],
    preset: str | None = None,
    mean: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The content of `results.json`.

    Args:
        entries: sequence -> its measures, such as `sequence_entry` gives.
        refused: sequence -> why it was not evaluated.
        preset: name of the preset that the settings come from, if any.
        mean: measures over everything; None: `mean_of` the entries.
    """
    return {
        'method': method,
        'preset': preset,
        'count': [len(entries), len(entries) + len(refused)],
        'mean': dict(mean) if mean is not None else mean_of(entries.values()),
        'sequences': {name: dict(entry) for name, entry in entries.items()},
        'refused': dict(refused),
        'settings': dict(settings),
        'dataset': dict(dataset),
        'machine': machine(),
        'versions': versions(),
    }


def write_results(folder: Path, record: Mapping[str, Any]) -> None:
    """Write `results.json` and `results.csv`, each as a whole or not at all.

    Raises:
        OutputError: a file cannot be written.
    """
    write_text(folder / RESULTS, json.dumps(record, indent=2, allow_nan=False) + '\n')
    write_csv(folder / TABLE, table(record))


def table(record: Mapping[str, Any]) -> list[Sequence[object]]:
    """A row per object, per sequence (`object` empty) and for the mean (both empty)."""
    measures = list(record['mean'])
    rows: list[Sequence[object]] = [
        ('sequence', 'object', 'name', *measures, 'frames', 'seconds_per_frame', 'memory')
    ]

    def add(sequence: str, id_: str, entry: Mapping[str, Any]) -> None:
        values = [entry.get(name) for name in (*measures, 'frames', 'seconds_per_frame', 'memory')]
        rows.append((sequence, id_, entry.get('name', ''), *values))

    for name, entry in record['sequences'].items():
        for id_, obj in entry.get('objects', {}).items():
            add(name, id_, obj)
        add(name, '', entry)
    add('', '', record['mean'])
    return rows


def _facts(score: Score) -> dict[str, Any]:
    """What a sequence took."""
    return {
        'frames': score.frames,
        'size': list(score.size),
        'seconds_per_frame': None if score.seconds is None else score.seconds / score.frames,
        'memory': score.memory,
        'device_memory': score.device_memory,
        'skipped': list(score.skipped),
    }


def _mean(objects: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    found = list(objects)
    if not found:
        return {}
    names = [
        name for name, value in found[0].items() if name not in ('name', 'frames', SWITCHES)
        and isinstance(value, int | float)
    ]  # fmt: skip
    mean: dict[str, Any] = {name: float(np.mean([obj[name] for obj in found])) for name in names}
    if SWITCHES in found[0]:
        mean[SWITCHES] = sum(obj[SWITCHES] for obj in found)
    return mean
