"""Line charts as inline SVG: small, sharp in every size, without a script or library."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 860, 250
LEFT, RIGHT, TOP, BOTTOM = 66, 14, 14, 38


@dataclass(frozen=True, slots=True)
class Line:
    """One curve.

    Attributes:
        name: for the legend and the tooltips.
        values: one per x; None or NaN interrupts the curve.
        colour: of CSS.
    """

    name: str
    values: Sequence[float | None]
    colour: str


@dataclass(frozen=True, slots=True)
class Band:
    """A stretch of the x axis that is shaded, with its reason as tooltip."""

    start: float
    end: float
    name: str


def line_chart(
    xs: Sequence[float],
    lines: Sequence[Line],
    x_label: str,
    y_label: str,
    y_max: float | None = None,
    bands: Sequence[Band] = (),
) -> str:
    """An SVG element with the curves over a common x axis; the y axis begins at 0.

    Args:
        xs: values of the x axis, increasing.
        lines: the curves, each with one value per x.
        x_label, y_label: labels of the axes, with unit.
        y_max: end of the y axis; the largest value, rounded up, if not given.
        bands: stretches to shade.
    """
    known = [v for line in lines for v in line.values if v is not None and math.isfinite(v)]
    step, top = _ticks(y_max if y_max is not None else max(known, default=1.0))
    low, high = (min(xs), max(xs)) if xs else (0.0, 1.0)
    span = high - low or 1.0

    def px(x: float) -> float:
        return LEFT + (x - low) / span * (WIDTH - LEFT - RIGHT)

    def py(y: float) -> float:
        return HEIGHT - BOTTOM - y / top * (HEIGHT - TOP - BOTTOM)

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
    for i in range(round(top / step) + 1):
        y = py(i * step)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}"/>')
        parts.append(f'<text class="tick" x="{LEFT - 7}" y="{y + 4}">{i * step:.6g}</text>')
    x_step, _ = _ticks(span, 8)
    tick = math.ceil(low / x_step) * x_step
    while tick <= high + 1e-9:
        parts.append(
            f'<text class="tick middle" x="{px(tick):.1f}" y="{HEIGHT - BOTTOM + 17}">'
            f'{tick:.6g}</text>'
        )
        tick += x_step
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
    parts.append('</svg>')
    return ''.join(parts)


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
    return parts


def _ticks(largest: float, wanted: int = 5) -> tuple[float, float]:
    """A round distance of ticks, and its first multiple not below the largest value."""
    largest = largest if math.isfinite(largest) and largest > 0 else 1.0
    raw = largest / wanted
    scale = 10.0 ** math.floor(math.log10(raw))
    step = next(m * scale for m in (1, 2, 2.5, 5, 10) if m * scale >= raw * (1 - 1e-9))
    return step, step * math.ceil(largest / step - 1e-9)
