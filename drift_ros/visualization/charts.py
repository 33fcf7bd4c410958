"""Line charts as inline SVG: small, sharp in every size, without a script or library."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 860, 250
LEFT, RIGHT, TOP, BOTTOM = 66, 14, 14, 38
LEGEND = 20  # px per line of it
BLUE = '#3778c2'
SERIES = (BLUE, '#d9822b', '#2f9e62', '#b8478f', '#7a6bd1', '#8a6d3b', '#c2473d', '#3f9a99')
"""Colours of curves that are no objects."""
PRINTED = (
    '.grid{stroke:#ddd}.zero{stroke:#888}.interval{stroke:#3778c2;stroke-width:3}.curve{fill:none;stroke-width:2.2}.hover{fill:none}.band{fill:#eee}'
    'text{font:12px sans-serif;text-anchor:end}.middle{text-anchor:middle}.label{font-size:13px}'
    '.name{font-size:13px;text-anchor:start}'
)


@dataclass(frozen=True, slots=True)
class Line:
    """One curve.

    Attributes:
        name: for the legend and the tooltips.
        values: one per x; None or NaN interrupts the curve.
        colour: of CSS.
        dots: whether each value is marked.
    """

    name: str
    values: Sequence[float | None]
    colour: str
    dots: bool = False


@dataclass(frozen=True, slots=True)
class Band:
    """A stretch of the x axis that is shaded, with its reason as tooltip."""

    start: float
    end: float
    name: str


@dataclass(frozen=True, slots=True)
class Interval:
    """A value with the ends of its interval, if there is one."""

    name: str
    value: float
    low: float | None
    high: float | None


def line_chart(
    xs: Sequence[float],
    lines: Sequence[Line],
    x_label: str,
    y_label: str,
    y_max: float | None = None,
    bands: Sequence[Band] = (),
    y_min: float = 0.0,
    hover: Sequence[str] = (),
    ticks: Sequence[float] = (),
) -> str:
    """An SVG element with the curves over a common x axis.

    Args:
        xs: values of the x axis, increasing.
        lines: the curves, each with one value per x.
        x_label, y_label: labels of the axes, with unit.
        y_max: end of the y axis; the largest value, rounded up, if not given.
        bands: stretches to shade.
        y_min: start of the y axis, rounded down to a tick.
        hover: one text per x, shown where the pointer is above it.
        ticks: the x at which the axis has its numbers; round ones if not given.
    """
    known = [v for line in lines for v in line.values if v is not None and math.isfinite(v)]
    largest = y_max if y_max is not None else max(known, default=1.0)
    step, _ = _ticks(largest - y_min)
    bottom = math.floor(y_min / step + 1e-9)  # in steps
    top = max(bottom + 1, math.ceil(largest / step - 1e-9))
    low, high = (min(xs), max(xs)) if xs else (0.0, 1.0)
    span = high - low or 1.0

    def px(x: float) -> float:
        return LEFT + (x - low) / span * (WIDTH - LEFT - RIGHT)

    def py(y: float) -> float:
        share = (y / step - bottom) / (top - bottom)
        return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)

    parts = [
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" class="chart" role="img" '
        f'aria-label="{escape(y_label)} over {escape(x_label)}">'
    ]
    for band in bands:
        left, right = px(max(band.start, low)), px(min(band.end, high))
        if right > left:
            parts.append(
                f'<rect class="band" x="{left:.1f}" y="{TOP}" width="{right - left:.1f}" '
                f'height="{HEIGHT - TOP - BOTTOM}"><title>{escape(band.name)}</title></rect>'
            )
    for i in range(bottom, top + 1):
        y = round(py(i * step), 1)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}"/>')
        parts.append(f'<text class="tick" x="{LEFT - 7}" y="{y + 4:.1f}">{i * step:.6g}</text>')
    for tick in ticks or _round_values(low, high, all(float(x).is_integer() for x in xs)):
        parts.append(
            f'<text class="tick middle" x="{px(tick):.1f}" y="{HEIGHT - BOTTOM + 17}">'
            f'{tick:.6g}</text>'
        )
    parts.append(
        f'<text class="label middle" x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 4}">'
        f'{escape(x_label)}</text>'
    )
    middle = (TOP + HEIGHT - BOTTOM) / 2
    parts.append(
        f'<text class="label middle" transform="translate(12 {middle}) rotate(-90)">'
        f'{escape(y_label)}</text>'
    )
    for line in lines:
        parts += _curve([(px(x), v) for x, v in zip(xs, line.values, strict=True)], py, line)
    parts += _hover([px(x) for x in xs], hover)
    parts.append('</svg>')
    return ''.join(parts)


def interval_chart(intervals: Sequence[Interval], label: str) -> str:
    """An SVG element with values and their intervals as bars below each other, and a line at 0.

    Args:
        intervals: at least one.
        label: of the axis, with unit.
    """
    known = [0.0] + [v for i in intervals for v in (i.value, i.low, i.high) if v is not None]
    step, _ = _ticks(max(known) - min(known))
    first, last = math.floor(min(known) / step + 1e-9), math.ceil(max(known) / step - 1e-9)
    last = max(last, first + 1)
    left, row, foot = 240, 30, 40
    height = TOP + row * len(intervals) + foot

    def px(x: float) -> float:
        return left + (x / step - first) / (last - first) * (WIDTH - left - 2 * RIGHT)

    parts = [
        f'<svg viewBox="0 0 {WIDTH} {height}" class="chart" role="img" '
        f'aria-label="{escape(label)}">'
    ]
    for i in range(first, last + 1):
        x, kind = px(i * step), 'zero' if i == 0 else 'grid'
        parts.append(
            f'<line class="{kind}" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{height - foot}"/>'
            f'<text class="tick middle" x="{x:.1f}" y="{height - foot + 17}">{i * step:.6g}</text>'
        )
    parts.append(
        f'<text class="label middle" x="{(left + WIDTH) / 2}" y="{height - 4}">{escape(label)}'
        '</text>'
    )
    for i, item in enumerate(intervals):
        y = TOP + row * (i + 0.5)
        name = item.name if len(item.name) <= 32 else f'…{item.name[-31:]}'
        parts.append(f'<text class="label" x="{left - 12}" y="{y + 4}">{escape(name)}</text>')
        shown = f'{item.name}: {item.value:+.2f}'
        if item.low is not None and item.high is not None:
            shown += f' [{item.low:+.2f}, {item.high:+.2f}]'
            parts.append(
                f'<line class="interval" x1="{px(item.low):.1f}" x2="{px(item.high):.1f}" '
                f'y1="{y}" y2="{y}"/>'
            )
        parts.append(
            f'<circle cx="{px(item.value):.1f}" cy="{y}" r="5" fill="{BLUE}">'
            f'<title>{escape(shown)}</title></circle>'
        )
    parts.append('</svg>')
    return ''.join(parts)


def standalone(svg: str, lines: Sequence[Line] = ()) -> str:
    """The same chart as the content of an .svg file, for papers and slides.

    Args:
        svg: from `line_chart` or `interval_chart`.
        lines: named in a legend below.
    """
    height = int(svg.partition(f'viewBox="0 0 {WIDTH} ')[2].partition('"')[0])
    names = []
    for i, line in enumerate(lines):
        y = height + 8 + LEGEND * i
        names.append(
            f'<rect x="{LEFT}" y="{y}" width="12" height="12" fill="{line.colour}"/>'
            f'<text class="name" x="{LEFT + 20}" y="{y + 11}">{escape(line.name)}</text>'
        )
    taller = height + (LEGEND * len(lines) + 8 if lines else 0)
    head, body = svg.replace(f'{WIDTH} {height}"', f'{WIDTH} {taller}"', 1).split('>', 1)
    head = head.replace('<svg ', '<svg xmlns="http://www.w3.org/2000/svg" ', 1)
    body = body.removesuffix('</svg>')
    return f'{head}><style>{PRINTED}</style>{body}{"".join(names)}</svg>\n'


def _hover(centres: Sequence[float], texts: Sequence[str]) -> list[str]:
    """Columns that are seen under the pointer alone, each with its text as tooltip."""
    parts = []
    for i, text in enumerate(texts):
        left = (centres[i - 1] + centres[i]) / 2 if i else LEFT
        right = (centres[i] + centres[i + 1]) / 2 if i + 1 < len(texts) else WIDTH - RIGHT
        parts.append(
            f'<rect class="hover" x="{left:.1f}" y="{TOP}" width="{right - left:.1f}" '
            f'height="{HEIGHT - TOP - BOTTOM}"><title>{escape(text)}</title></rect>'
        )
    return parts


def _curve(points: Sequence[tuple[float, float | None]], py: object, line: Line) -> list[str]:
    assert callable(py)
    pieces: list[list[str]] = [[]]
    for x, value in points:
        if value is None or not math.isfinite(value):
            pieces.append([])
        else:
            pieces[-1].append(f'{x:.1f},{py(value):.1f}')
    parts = []
    for piece in pieces:
        if len(piece) == 1:
            left, top = piece[0].split(',')
            parts.append(f'<circle cx="{left}" cy="{top}" r="2" fill="{line.colour}"/>')
        elif piece:
            parts.append(
                f'<polyline class="curve" stroke="{line.colour}" points="{" ".join(piece)}">'
                f'<title>{escape(line.name)}</title></polyline>'
            )
        if line.dots and len(piece) > 1:
            for pair in piece:
                left, top = pair.split(',')
                parts.append(f'<circle cx="{left}" cy="{top}" r="4" fill="{line.colour}"/>')
    return parts


def _round_values(low: float, high: float, whole: bool) -> list[float]:
    """Values for the numbers of an axis, no broken ones where everything on it is whole."""
    step, _ = _ticks(high - low, 8)
    if whole and step != round(step):
        step = max(1.0, 2 * step)  # of 2.5; the others are below 1
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [i * step for i in range(first, last + 1)]


def _ticks(largest: float, wanted: int = 5) -> tuple[float, float]:
    """A round distance of ticks, and its first multiple not below the largest value."""
    largest = largest if math.isfinite(largest) and largest > 0 else 1.0
    raw = largest / wanted
    scale = 10.0 ** math.floor(math.log10(raw))
    step = next(m * scale for m in (1, 2, 2.5, 5, 10) if m * scale >= raw * (1 - 1e-9))
    return step, step * math.ceil(largest / step - 1e-9)
