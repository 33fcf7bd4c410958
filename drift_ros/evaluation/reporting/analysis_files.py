"""An analysis of layers and heads as a page, tables and a picture."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from drift_ros.evaluation.points.analysis import ALL, FEATURES, MEASURES
from drift_ros.evaluation.reporting import tables
from drift_ros.runs.atomic import make_folder, write_csv, write_text
from drift_ros.visualization.charts import SERIES, Line, line_chart
from drift_ros.visualization.heat_map import heat_map, save_heat_map
from drift_ros.visualization.pages import card, number, render, row

PAGE, TABLE, ROWS, PICTURE = 'analysis.html', 'analysis.csv', 'analysis.json', 'heatmap.png'
PLACES = 48  # layers and heads that are drawn
CURVES = 8  # in the chart over levels
HARMONIC = 'harmonic'

Row = Mapping[str, Any]


def write_analysis(
    rows: Sequence[Row],
    out: Path,
    *,
    extractor: str,
    measured: Mapping[str, str],
    level: str,
    settings: Mapping[str, Any],
) -> None:
    """Write the page, the tables and the picture.

    Args:
        rows: of `Analysis.rows`, the best first; at least one.
        out: folder; made if missing.
        extractor: what was measured.
        measured: on what, for people.
        level: setting whose values are the levels; empty if there is one level only.
        settings: all of them, for people.

    Raises:
        OutputError: something cannot be written.
    """
    make_folder(out)
    write_text(out / ROWS, json.dumps(list(rows), indent=1))
    write_csv(out / TABLE, [list(rows[0]), *(list(r.values()) for r in rows)])
    drawn = _drawn(rows)
    save_heat_map(out / PICTURE, drawn, (HARMONIC, *MEASURES))
    chosen, finder = rows[0], max(rows, key=lambda r: float(r['accuracy']))
    page = render(
        'drift_ros.evaluation.reporting',
        'analysis.html.j2',
        title=f'What finds points in {extractor}',
        lead=', '.join(f'{value} {name}' for name, value in measured.items()) + '.',
        cards=[
            card(f'{chosen["layer"]} / {chosen["head"]}', '', 'layer / head, best harmonic mean'),
            *(card(number(float(chosen[m]), 2), '', f'its {m}') for m in MEASURES),
            card(number(float(finder['accuracy']), 2), '', f'best accuracy: {_name(finder)}'),
        ],
        recipe=recipe(chosen, level),
        agree=chosen is finder,
        finder=_name(finder),
        finder_recipe=recipe(finder, level),
        heat=heat_map(drawn, (HARMONIC, *MEASURES)),
        left_out=len(_places(rows)) - len(_places(drawn)),
        curves=_curves(rows, level),
        table=_table(rows),
        groups=[{'title': 'Settings', 'values': settings}],
    )
    write_text(out / PAGE, page)


def recipe(place: Row, level: str) -> str:
    """Assignments of settings that read a place; empty where the settings are as they were."""
    parts = [f'{level}={place["level"]}'] if level else []
    if place['layer'] != FEATURES and place['head'] != ALL:
        parts.append(f'points.heads={place["layer"]}/{place["head"]}')
    return ' '.join(f'--set {part}' for part in parts)


def _name(place: Row) -> str:
    return f'{place["layer"]} / {place["head"]}'


def _places(rows: Sequence[Row]) -> list[str]:
    """Layers and heads, the best first."""
    return list(dict.fromkeys(_name(r) for r in rows))


def _drawn(rows: Sequence[Row]) -> list[Row]:
    shown = set(_places(rows)[:PLACES])
    return [r for r in rows if _name(r) in shown]


def _curves(rows: Sequence[Row], level: str) -> str:
    """Accuracy of the best places over the levels; empty if these are no numbers, or one."""
    try:
        levels = sorted({float(r['level']) for r in rows})
    except ValueError:
        return ''
    if len(levels) < 2:
        return ''
    found = {(_name(r), float(r['level'])): float(r['accuracy']) for r in rows}
    lines = [
        Line(name, [found.get((name, x)) for x in levels], SERIES[i % len(SERIES)], dots=True)
        for i, name in enumerate(_places(rows)[:CURVES])
    ]
    return line_chart(levels, lines, level, 'accuracy', ticks=levels)


def _table(rows: Sequence[Row]) -> tables.Table:
    heads = ['layer / head', 'level', *MEASURES, f'{HARMONIC} mean']
    shown = [
        row(
            _name(r),
            [str(r['level']), *(number(float(r[m]), 3) for m in (*MEASURES, HARMONIC))],
            strong=r is rows[0],
        )
        for r in rows
    ]
    return {'heads': heads, 'rows': shown}
