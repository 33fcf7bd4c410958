"""Static charts as SVG, drawn by matplotlib: for pages, papers and slides."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

WIDTH, HEIGHT, ROW = 8.6, 2.6, 0.32  # inches; a row is one line of a legend or of an interval chart
STRIP, BAND = 1.25, 0.08  # inches of an object's strip, and the share of it that its state has
COLUMNS = 4  # of a legend
LONGEST = 32  # characters of a name beside an axis
BLUE = '#3778c2'
STATES = {'visible': '#2f9e62', 'occluded': '#e0a52e', 'lost': '#c2473d'}
SERIES = (BLUE, '#d9822b', '#2f9e62', '#b8478f', '#7a6bd1', '#8a6d3b', '#c2473d', '#3f9a99')
"""Colours of curves that are no objects."""
STYLE: Any = {
    'svg.fonttype': 'none',  # text stays text
    'svg.hashsalt': 'drift_ros',  # equal charts are equal files
    'font.family': 'sans-serif',
    'axes.grid': True,
    'grid.color': '#dddddd',
    'axes.spines.top': False,
    'axes.spines.right': False,
}


@dataclass(frozen=True, slots=True)
class Line:
    """One curve.

    Attributes:
        values: one per x; None or NaN interrupts the curve.
        dots: whether each value is marked.
    """

    name: str
    values: Sequence[float | None]
    colour: str
    dots: bool = False


@dataclass(frozen=True, slots=True)
class Interval:
    """A value with the ends of its interval, if there is one."""

    name: str
    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Life:
    """What became of an object over time.

    Attributes:
        curves: in [0, 1], drawn one over the other.
        states: one of `STATES` per x; '' where nothing is known.
    """

    name: str
    curves: Sequence[Line]
    states: Sequence[str]


def life_chart(xs: Sequence[float], lives: Sequence[Life], x_label: str) -> str:
    """An SVG with a strip per object: its curves, above a band in the colours of its states.

    Args:
        xs: values of the x axis, increasing, of all curves and states.
        lives: at least one; equal curves of all have equal names and colours.
        x_label: label of the axis, with unit.
    """
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 0.9 + STRIP * len(lives)), layout='constrained')
        rows = figure.subplots(len(lives), sharex=True, squeeze=False)[:, 0]
        ends = [(a + b) / 2 for a, b in pairwise(xs)]
        edges = [xs[0] - 0.5, *ends, xs[-1] + 0.5]
        for axes, life in zip(rows, lives, strict=True):
            for state, begin, end in _runs(life.states):
                left, right = edges[begin], edges[end]
                axes.axvspan(left, right, 0, BAND, color=STATES[state], linewidth=0)
                if state != 'visible':
                    axes.axvspan(left, right, BAND, 1, color=STATES[state], alpha=0.12, linewidth=0)
            for line in life.curves:
                values = [math.nan if value is None else value for value in line.values]
                axes.plot(xs, values, color=line.colour, marker='o', markevery=_lone(values))
            axes.set(
                xlim=(edges[0], edges[-1]), ylim=(-0.05 - 1.2 * BAND, 1.05), yticks=[0, 0.5, 1]
            )
            axes.set_axisbelow(True)
            axes.set_title(life.name, loc='left', fontsize='medium')
        rows[-1].set_xlabel(x_label)
        if all(float(x).is_integer() for x in xs):
            rows[-1].xaxis.set_major_locator(MaxNLocator(integer=True))
        shown = [Line2D([], [], color=line.colour, label=line.name) for line in lives[0].curves]
        bands = [Patch(color=colour, label=state) for state, colour in STATES.items()]
        figure.legend(handles=[*shown, *bands], loc='outside lower left', ncols=5, frameon=False)
        return svg(figure)


def line_chart(
    xs: Sequence[float],
    lines: Sequence[Line],
    x_label: str,
    y_label: str,
    y_max: float | None = None,
    y_min: float = 0.0,
    ticks: Sequence[float] = (),
) -> str:
    """An SVG with the curves over a common x axis, and a legend below them.

    Args:
        xs: values of the x axis, increasing.
        lines: the curves, each with one value per x.
        x_label, y_label: labels of the axes, with unit.
        y_max: end of the y axis; that of the largest value if not given.
        ticks: the x at which the axis has its numbers; round ones if not given.
    """
    with mpl.rc_context(STYLE):
        rows = math.ceil(len(lines) / COLUMNS)
        figure, axes = _figure(HEIGHT + ROW * rows)
        for line in lines:
            values = [math.nan if value is None else value for value in line.values]
            axes.plot(
                xs,
                values,
                color=line.colour,
                label=line.name,
                marker='o',
                markevery=list(range(len(values))) if line.dots else _lone(values),
            )
        axes.set(xlabel=x_label, ylabel=y_label)
        axes.set_ylim(bottom=y_min, top=y_max)
        axes.margins(x=0.01)
        if ticks:
            axes.set_xticks(ticks)
        elif all(float(x).is_integer() for x in xs):
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        if lines:
            figure.legend(loc='outside lower left', ncols=COLUMNS, frameon=False)
        return svg(figure)


def stack_chart(xs: Sequence[float], parts: Sequence[Line], x_label: str, y_label: str) -> str:
    """An SVG with parts of a whole as areas on top of each other, and a legend below them.

    Args:
        xs: values of the x axis, increasing.
        parts: the lowest one first, each with one value per x; None and NaN count as 0.
        x_label, y_label: labels of the axes, with unit.
    """
    with mpl.rc_context(STYLE):
        figure, axes = _figure(HEIGHT + ROW * math.ceil(len(parts) / COLUMNS))
        values = [[v if v is not None and math.isfinite(v) else 0 for v in p.values] for p in parts]
        colours, names = [p.colour for p in parts], [p.name for p in parts]
        axes.stackplot(xs, *values, colors=colours, labels=names, step='mid', linewidth=0)
        axes.set(xlabel=x_label, ylabel=y_label, axisbelow=True)
        axes.margins(x=0.01)
        figure.legend(loc='outside lower left', ncols=COLUMNS, frameon=False)
        return svg(figure)


def reliability_chart(
    scores: Sequence[float], right: Sequence[float], counts: Sequence[int]
) -> str:
    """An SVG of how often masks of a score are right, beside how many there are: on the diagonal,
    scores are probabilities.

    Args:
        scores: mean score of each bin, NaN for an empty one.
        right: share of the masks in each bin that are right, likewise.
        counts: masks in each bin.
    """
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, HEIGHT), layout='constrained')
        curve, bars = figure.subplots(1, 2)
        curve.plot([0, 1], [0, 1], color='#888888', linestyle=':')
        curve.plot(scores, right, color=BLUE, marker='o')
        curve.set(xlabel='score', ylabel='share with IoU > 0.5', xlim=(0, 1), ylim=(0, 1.03))
        width = 1 / max(len(counts), 1)
        bars.bar([(i + 0.5) * width for i in range(len(counts))], counts, 0.9 * width, color=BLUE)
        bars.set(xlabel='score', ylabel='masks', xlim=(0, 1))
        return svg(figure)


def interval_chart(intervals: Sequence[Interval], label: str) -> str:
    """An SVG with values and their intervals as bars below each other, and a line at 0.

    Args:
        intervals: at least one.
        label: of the axis, with unit.
    """
    with mpl.rc_context(STYLE):
        figure, axes = _figure(1.0 + ROW * len(intervals))
        for place, item in enumerate(intervals):
            ends = None
            if item.low is not None and item.high is not None:
                ends = [[item.value - item.low], [item.high - item.value]]
            axes.errorbar(item.value, place, xerr=ends, fmt='o', color=BLUE, linewidth=3)
        axes.axvline(0, color='#888888')
        names = [
            i.name if len(i.name) <= LONGEST else f'…{i.name[1 - LONGEST :]}' for i in intervals
        ]
        axes.set_yticks(range(len(intervals)), names)
        axes.set_ylim(len(intervals) - 0.5, -0.5)
        axes.set_xlabel(label)
        return svg(figure)


def _runs(states: Sequence[str]) -> Iterator[tuple[str, int, int]]:
    """Each known state with its first place and the one after its last."""
    place = 0
    for state, group in groupby(states):
        begin, place = place, place + len(list(group))
        if state:
            yield state, begin, place


def _lone(values: Sequence[float]) -> list[int]:
    """Places of values between two gaps, which no curve shows."""
    known = [False, *map(math.isfinite, values), False]
    return [i for i in range(len(values)) if known[i : i + 3] == [False, True, False]]


def _figure(height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(WIDTH, height), layout='constrained')
    return figure, figure.subplots()


def svg(figure: Figure) -> str:
    """A figure as the SVG element alone, fit for a page and for a file of its own."""
    text = io.StringIO()
    figure.savefig(
        text, format='svg', metadata=dict.fromkeys(('Creator', 'Date', 'Format', 'Type'))
    )
    found = text.getvalue()
    return found[found.index('<svg') :].replace('<svg ', '<svg class="chart" role="img" ', 1)
