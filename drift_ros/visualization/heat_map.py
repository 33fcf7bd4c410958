"""Measures of layers and heads as a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from drift_ros.errors import OutputError
from drift_ros.visualization.charts import STYLE, svg


def heat_map(rows: Sequence[Mapping[str, Any]], measures: Sequence[str]) -> str:
    """An SVG with a panel per measure: levels across, layers and heads down, values written in.

    Args:
        rows: with `level`, `layer`, `head` and the measures.
        measures: names.
    """
    with mpl.rc_context(STYLE):
        return svg(_draw(rows, measures))


def save_heat_map(path: Path, rows: Sequence[Mapping[str, Any]], measures: Sequence[str]) -> None:
    """The same as a PNG.

    Raises:
        OutputError: it cannot be written.
    """
    try:
        _draw(rows, measures).savefig(path)
    except OSError as error:
        raise OutputError(f'cannot write {path}: {error}') from None


def _draw(rows: Sequence[Mapping[str, Any]], measures: Sequence[str]) -> Figure:
    levels = list(dict.fromkeys(str(row['level']) for row in sorted(rows, key=_level)))
    places = sorted({(str(row['layer']), str(row['head'])) for row in rows}, key=_natural)
    size = (2.2 + 2.6 * len(measures), 1.2 + 0.3 * len(places))
    figure = Figure(figsize=size, dpi=100, layout='constrained')
    axes = figure.subplots(1, len(measures), sharey=True, squeeze=False)[0]
    for axis, measure in zip(axes, measures, strict=True):
        values = np.full((len(places), len(levels)), np.nan)
        for row in rows:
            place = places.index((str(row['layer']), str(row['head'])))
            values[place, levels.index(str(row['level']))] = row[measure]
        axis.imshow(values, aspect='auto', cmap='viridis')
        axis.grid(visible=False)
        for (y, x), value in np.ndenumerate(values):
            if np.isfinite(value):
                middle = (np.nanmin(values) + np.nanmax(values)) / 2
                colour = 'white' if value < middle else 'black'
                axis.text(x, y, f'{value:.2f}', ha='center', va='center', color=colour, fontsize=7)
        axis.set_title(measure)
        axis.set_xticks(range(len(levels)), levels)
        axis.set_yticks(range(len(places)), [f'{layer} / {head}' for layer, head in places])
    return figure


def _level(row: Mapping[str, Any]) -> tuple[float, str]:
    text = str(row['level'])
    try:
        return float(text), text
    except ValueError:
        return 0.0, text


def _natural(place: tuple[str, str]) -> tuple[Any, ...]:
    return tuple((0, float(p), '') if _is_number(p) else (1, 0.0, p) for p in place)


def _is_number(text: str) -> bool:
    return text.replace('.', '', 1).isdecimal()
