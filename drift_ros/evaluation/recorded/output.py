"""The score of a live run for programs and for people."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.table import Table
from rich.text import Text

from drift_ros.errors import OutputError
from drift_ros.evaluation.recorded.scoring import LiveScore, Request
from drift_ros.evaluation.recorded.timing import Latency
from drift_ros.evaluation.reporting.results import RESULTS, results, sequence_entry, write_results
from drift_ros.io.atomic import write_text

SCORE = 'score.json'


def live_entry(live: LiveScore) -> dict[str, Any]:
    """What is known of a live run beside its accuracy; times in s, null where not known."""
    with_truth, without_result = live.truth
    return {
        'frames': len(live.stamps),
        'dropped': live.dropped,
        'dropped_at_end': live.unfinished,
        'frames_with_truth': with_truth,
        'frames_with_truth_dropped': without_result,
        'latency_from_stamp': _summary(live.from_stamp),
        'latency_from_arrival': _summary(live.from_arrival),
        'topics': dict(live.topics),
        'generation': live.generation,
        'matched': {str(id_): known for id_, known in live.matched.items()},
        'notes': list(live.notes),
    }


def record(request: Request, live: LiveScore) -> dict[str, Any]:
    """The content of `results.json`, as of an evaluation of one sequence, with `live` in it."""
    entry = sequence_entry(live.score) | {'live': live_entry(live)}
    return results(
        {live.score.name: entry},
        {},
        method=f'recorded {live.topics["labels"]}',
        settings={
            'tolerance': request.tolerance,
            'match': request.match,
            'count_dropped': request.count_dropped,
        },
        dataset={
            'layout': 'recorded',
            'path': str(request.recorded),
            'truth': str(request.truth),
        },
    )


def write(folder: Path, request: Request, live: LiveScore, overwrite: bool = False) -> None:
    """Write `results.json`, `results.csv` and `sequences/<name>/score.json`.

    The last has, in `live`, also the stamp of every frame, whether it has a result, and its
    latency.

    Raises:
        OutputError: the folder holds results already, or cannot be written.
    """
    if (folder / RESULTS).exists() and not overwrite:
        raise OutputError(f'{folder} holds results: name another folder, or give --overwrite')
    place = folder / 'sequences' / live.score.name
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f'cannot make the folder {place}: {error}') from None
    frames = {
        'stamps': live.stamps,
        'labelled': live.labelled,
        'latency_from_stamp_s': _values(live, live.from_stamp),
        'latency_from_arrival_s': _values(live, live.from_arrival),
    }
    score = asdict(live.score) | {'live': live_entry(live) | {'per_frame': frames}}
    write_text(place / SCORE, json.dumps(score, indent=1, allow_nan=False) + '\n')
    write_results(folder, record(request, live))


def accuracy_table(entry: Mapping[str, Any]) -> Table:
    """Accuracy of every object and their mean, in percent.

    Args:
        entry: of a sequence in `results.json`.
    """
    table = Table(box=None, header_style='bold')
    for head in ('id', 'name', 'J&F', 'J', 'F', 'J recall', 'J decay', 'switches', 'frames'):
        table.add_column(head, justify='left' if head == 'name' else 'right')
    for id_, obj in entry['objects'].items():
        table.add_row(id_, Text(obj['name']), *_row(obj), str(obj['frames']))
    table.add_row('', Text('mean'), *_row(entry), '', style='bold')
    return table


def lines(live: LiveScore) -> list[str]:
    """What else to tell, a line each."""
    with_truth, without = live.truth
    frames = len(live.stamps)
    share = f' ({100 * live.dropped / frames:.1f} %)' if frames else ''
    at_end = f', {live.unfinished} of them at the end' if live.unfinished else ''
    told = [
        f'{frames} frames after the first prompt, {live.dropped} without a result{share}{at_end}',
        f'{with_truth} of them have a truth, {without} of these no result',
    ]
    for what, found in (
        ('the stamp of the image', live.from_stamp),
        ('the arrival of the image at the recorder', live.from_arrival),
    ):
        if found is not None:
            told.append(
                f'latency from {what}: median {found.median * 1e3:.1f} ms, '
                f'95 % {found.p95 * 1e3:.1f} ms, highest {found.highest * 1e3:.1f} ms'
            )
    if live.from_stamp is None and live.from_arrival is None:
        told.append('latency is not known')
    return [*told, *(f'note: {note}' for note in live.notes)]


def _row(entry: Mapping[str, Any]) -> list[str]:
    fractions = [f'{100 * entry[name]:.1f}' for name in ('J&F', 'J', 'F', 'J recall', 'J decay')]
    return [*fractions, str(entry['switches'])]


def _summary(found: Latency | None) -> dict[str, float] | None:
    if found is None:
        return None
    return {'median': found.median, 'p95': found.p95, 'highest': found.highest}


def _values(live: LiveScore, found: Latency | None) -> list[float | None] | None:
    """One per frame, also of those without a result."""
    if found is None:
        return None
    values = iter(found.values)
    return [next(values) if have else None for have in live.labelled]
