"""A comparison as a page, as CSV and as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from drift_ros.evaluation.reporting import tables
from drift_ros.evaluation.reporting.comparison import (
    CONFIDENCE,
    RESAMPLES,
    SEED,
    Comparison,
    Difference,
    record,
)
from drift_ros.evaluation.reporting.reading import known
from drift_ros.runs.atomic import make_folder, write_csv, write_text
from drift_ros.visualization.charts import Interval, interval_chart
from drift_ros.visualization.pages import render, row

METHOD = (
    f'Differences are to the first run, over all objects of the common sequences, with a '
    f'{CONFIDENCE:.0%} percentile bootstrap interval over sequences ({RESAMPLES} draws, seed '
    f'{SEED}).'
)


def write_comparison(comparison: Comparison, folder: Path) -> list[Path]:
    """Write compare.html, compare.csv and compare.json.

    Raises:
        OutputError: they cannot be written.
    """
    make_folder(folder)
    content = json.dumps(record(comparison), indent=2) + '\n'
    return [
        write_text(folder / 'compare.html', _page(comparison)),
        write_csv(folder / 'compare.csv', _csv(comparison)),
        write_text(folder / 'compare.json', content),
    ]


def means_table(comparison: Comparison) -> tables.Table:
    """A row per run: its means, time and memory."""
    device = any(run.highest('device_memory') is not None for run in comparison.runs)
    heads = ['Run', 'Method', 'Sequences', *comparison.measures, 's/frame', 'Memory [MiB]']
    heads += ['GPU [MiB]'] if device else []
    rows = []
    for name, run in zip(comparison.names, comparison.runs, strict=True):
        cells = [run.method, '{} of {}'.format(*run.count)]
        cells += [tables.percent(run.mean[measure]) for measure in comparison.measures]
        cells += [tables.seconds(run.seconds_per_frame), tables.mib(run.highest('memory'))]
        cells += [tables.mib(run.highest('device_memory'))] if device else []
        rows.append(row(name, cells))
    return {'heads': heads, 'rows': rows}


def differences_table(comparison: Comparison) -> tables.Table:
    """A row per run but the first: differences in percent points, with intervals."""
    rows = []
    for name, pairing in zip(comparison.names[1:], comparison.pairings, strict=True):
        cells = [str(len(pairing.common))]
        cells += [in_points(pairing.differences.get(measure)) for measure in comparison.measures]
        rows.append(row(name, cells))
    heads = [f'Minus {comparison.names[0]}', 'Common', *comparison.measures]
    return {'heads': heads, 'rows': rows}


def in_points(difference: Difference | None) -> str:
    """Percent points, with the interval in brackets."""
    if difference is None:
        return tables.NOTHING
    text = f'{100 * difference.value:+.1f}'
    if difference.low is None or difference.high is None:
        return text
    return f'{text} [{100 * difference.low:+.1f}, {100 * difference.high:+.1f}]'


def _sequences_table(comparison: Comparison) -> tables.Table:
    measure = comparison.measures[0]
    every = dict.fromkeys(name for run in comparison.runs for name in run.sequences)
    rows = []
    for sequence in every:
        values = [
            known(run.sequences[sequence]).get(measure) if sequence in run.sequences else None
            for run in comparison.runs
        ]
        rows.append(row(sequence, [tables.percent(value) for value in values]))
    return {'heads': [f'{measure} [%]', *comparison.names], 'rows': rows}


def _page(comparison: Comparison) -> str:
    charts = []
    for measure in comparison.measures:
        intervals = [
            Interval(
                name, 100 * d.value, *(None if v is None else 100 * v for v in (d.low, d.high))
            )
            for name, pairing in zip(comparison.names[1:], comparison.pairings, strict=True)
            if (d := pairing.differences.get(measure)) is not None
        ]
        if intervals:
            label = f'difference in {measure} [percent points]'
            charts.append(interval_chart(intervals, label))
    return render(
        'drift_ros.evaluation.reporting',
        'compare.html.j2',
        title='Comparison of evaluations',
        lead=f'{len(comparison.runs)} runs; the first, {comparison.names[0]}, is what the others '
        'are compared with.',
        means=means_table(comparison),
        differences=differences_table(comparison),
        method=METHOD,
        notes=comparison.notes,
        charts=charts,
        sequences=_sequences_table(comparison),
    )


def _csv(comparison: Comparison) -> Iterator[Sequence[object]]:
    measures = comparison.measures
    ends = [f'{m} {part}' for m in measures for part in ('difference', 'low', 'high')]
    heads = ['name', 'method', 'sequences', 'all', *measures, 'seconds_per_frame', 'memory']
    yield [*heads, 'device_memory', 'common', *ends]
    for entry in record(comparison)['runs']:
        found: dict[str, Any] = entry.get('difference', {})
        differences = [found.get(m, {}).get(p) for m in measures for p in ('value', 'low', 'high')]
        common = len(entry['common']) if 'common' in entry else None
        fixed = [entry[key] for key in ('seconds_per_frame', 'memory', 'device_memory')]
        values = [entry['name'], entry['method'], *entry['count'], *entry['mean'].values(), *fixed]
        yield [*values, common, *differences]
