"""A sweep as a page with plots, as CSV, and its plots as SVG."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from drift_ros.evaluation.reporting import tables
from drift_ros.evaluation.sweep import Axis, Outcome, ranked
from drift_ros.runs.atomic import make_folder, write_csv, write_text
from drift_ros.visualization.charts import SERIES, Line, line_chart
from drift_ros.visualization.pages import render, row


@dataclass(frozen=True, slots=True)
class Plot:
    """A measure over one setting, a line per value of another."""

    name: str
    svg: str
    lines: Sequence[Line]


def write_sweep(
    outcomes: Sequence[Outcome], axes: Sequence[Axis], count: int, data: str, out: Path
) -> None:
    """Write sweep.csv, sweep.html and plots/*.svg.

    Args:
        count: of all combinations.

    Raises:
        OutputError: something cannot be written.
    """
    write_csv(out / 'sweep.csv', _csv(outcomes, axes))
    drawn = plots(outcomes, axes)
    write_text(out / 'sweep.html', _page(outcomes, axes, count, data, drawn))
    folder = make_folder(out / 'plots')
    for plot in drawn:
        write_text(folder / f'{plot.name}.svg', f'{plot.svg}\n')


def main_measure(outcomes: Sequence[Outcome]) -> str:
    """The one by which combinations are ranked."""
    found = {m for o in outcomes if o.results is not None for m in o.results.mean}
    return next((m for m in tables.MAIN if m in found), tables.MAIN[0])


def overview(outcomes: Sequence[Outcome], axes: Sequence[Axis]) -> tables.Table:
    """A row per combination, the best first; the values of the axes come first."""
    measure = main_measure(outcomes)
    order = ranked(outcomes, measure)
    best = order[0].results.mean if order and order[0].results is not None else {}
    shown = [name for name in tables.MAIN if name in best]
    rows = []
    for i, outcome in enumerate(order):
        first, *others = (str(outcome.combination.values[axis.name]) for axis in axes)
        results = outcome.results
        if results is None:
            cells = [*others, *(tables.NOTHING for _ in range(len(shown) + 2)), 'refused']
        else:
            cells = [*others, *(tables.percent(results.mean.get(name)) for name in shown)]
            cells += [tables.seconds(results.seconds_per_frame)]
            cells += [tables.mib(results.highest('memory')), '{} of {}'.format(*results.count)]
        place = f'{quote(outcome.combination.folder)}/report.html' if results is not None else ''
        rows.append(row(first, cells, link=place, strong=i == 0 and results is not None))
    heads = [*(axis.short for axis in axes), *shown, 's/frame', 'Memory [MiB]', 'Sequences']
    return {'heads': heads, 'rows': rows}


def one_at_a_time(outcomes: Sequence[Outcome], axes: Sequence[Axis]) -> list[tables.Table]:
    """Per axis, the measures for its values while the others are as in the best combination."""
    best = _best(outcomes)
    if best is None or best.results is None:
        return []
    made = []
    for axis in axes:
        fixed = {name: v for name, v in best.combination.values.items() if name != axis.name}
        along = [_find(outcomes, fixed | {axis.name: value}) for value in axis.values]
        rows = []
        for measure in best.results.mean:
            if measure in tables.MAIN:
                rows.append(row(measure, [tables.percent(_mean(o, measure)) for o in along]))
        speeds = [o.results.seconds_per_frame if o and o.results else None for o in along]
        rows.append(row('s/frame', [tables.seconds(value) for value in speeds]))
        made.append({'heads': [axis.short, *map(str, axis.values)], 'rows': rows})
    return made


def plots(outcomes: Sequence[Outcome], axes: Sequence[Axis]) -> list[Plot]:
    """The main measure over each numeric axis, a line per value of each other axis; what is left
    is as in the best combination.
    """
    best = _best(outcomes)
    measure = main_measure(outcomes)
    made = []
    for axis in axes:
        if best is None or not axis.numeric or len(axis.values) < 2:
            continue
        others: list[Axis | None] = [other for other in axes if other is not axis]
        for other in others or [None]:
            fixed = {
                name: value
                for name, value in best.combination.values.items()
                if name != axis.name and (other is None or name != other.name)
            }
            name = axis.name if other is None else f'{axis.name}_by_{other.name}'
            made.append(_plot(name, outcomes, axis, other, fixed, measure))
    return made


def _plot(
    name: str,
    outcomes: Sequence[Outcome],
    axis: Axis,
    other: Axis | None,
    fixed: Mapping[str, Any],
    measure: str,
) -> Plot:
    xs = sorted(axis.values)
    lines = []
    for i, value in enumerate(other.values if other is not None else (None,)):
        chosen = dict(fixed) | ({other.name: value} if other is not None else {})
        found = [_find(outcomes, chosen | {axis.name: x}) for x in xs]
        means = [_mean(o, measure) for o in found]
        points = [None if mean is None else 100 * mean for mean in means]
        text = f'{other.short} = {value}' if other is not None else measure
        lines.append(Line(text, points, SERIES[i % len(SERIES)], dots=True))
    known = [v for line in lines for v in line.values if v is not None]
    pad = 0.1 * (max(known) - min(known)) + 0.5 if known else 0.0
    svg = line_chart(
        xs,
        lines,
        axis.short,
        f'{measure} [%]',
        min(100.0, max(known) + pad) if known else 100.0,
        y_min=max(0.0, min(known) - pad) if known else 0.0,
        ticks=xs,
    )
    return Plot(name, svg, lines)


def _best(outcomes: Sequence[Outcome]) -> Outcome | None:
    order = ranked(outcomes, main_measure(outcomes))
    return order[0] if order and order[0].results is not None else None


def _mean(outcome: Outcome | None, measure: str) -> float | None:
    return outcome.mean(measure) if outcome is not None else None


def _find(outcomes: Sequence[Outcome], values: Mapping[str, Any]) -> Outcome | None:
    return next((o for o in outcomes if o.combination.values == values), None)


def _page(
    outcomes: Sequence[Outcome],
    axes: Sequence[Axis],
    count: int,
    data: str,
    drawn: Sequence[Plot],
) -> str:
    refused = {
        ', '.join(f'{name} = {value}' for name, value in o.combination.values.items()): o.refused
        for o in outcomes
        if o.results is None
    }
    best = _best(outcomes)
    done = f'{len(outcomes)} of {count} combinations'
    if refused:
        done += f', {len(refused)} of them refused'
    settings = best.results.settings if best is not None and best.results is not None else {}
    return render(
        'drift_ros.evaluation.reporting',
        'sweep.html.j2',
        title=f'Sweep on {data}',
        lead=f'{done}. Over {", ".join(axis.name for axis in axes)}.',
        overview=overview(outcomes, axes),
        measure=main_measure(outcomes),
        plots=[plot.svg for plot in drawn],
        singles=one_at_a_time(outcomes, axes),
        refused=refused,
        groups=[{'title': 'Settings of the best combination', 'values': settings}]
        if settings
        else [],
    )


def _csv(outcomes: Sequence[Outcome], axes: Sequence[Axis]) -> Iterator[Sequence[object]]:
    measure = main_measure(outcomes)
    order = ranked(outcomes, measure)
    best = order[0].results.mean if order and order[0].results is not None else {}
    measures = list(best) or [measure]
    heads = ['seconds_per_frame', 'memory', 'device_memory', 'evaluated', 'sequences', 'folder']
    yield [*(axis.name for axis in axes), *measures, *heads, 'refused']
    for outcome in order:
        cells: list[Any] = [outcome.combination.values[axis.name] for axis in axes]
        results = outcome.results
        if results is None:
            cells += [None] * (len(measures) + 5)
        else:
            cells += [results.mean.get(name) for name in measures]
            cells += [results.seconds_per_frame]
            cells += [results.highest('memory'), results.highest('device_memory'), *results.count]
        yield [*cells, outcome.combination.folder, outcome.refused]
