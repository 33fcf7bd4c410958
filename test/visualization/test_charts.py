"""Charts are SVG that pages and files can hold, whatever the values."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import pytest

from drift_ros.visualization.charts import (
    STATES,
    Interval,
    Life,
    Line,
    interval_chart,
    life_chart,
    line_chart,
)

SVG = '{http://www.w3.org/2000/svg}'


def curves(svg: str, colour: str) -> list[list[tuple[float, float]]]:
    """Points of the stretches of the curve of a colour."""
    paths = [
        path.get('d', '')
        for path in ET.fromstring(svg).iter(f'{SVG}path')
        if f'stroke: {colour}' in path.get('style', '') and path.get('clip-path')
    ]
    stretches = ' '.join(paths).replace('L', '').split('M')[1:]
    numbers = [[float(n) for n in stretch.split()] for stretch in stretches]
    return [list(zip(n[::2], n[1::2], strict=True)) for n in numbers]


def texts(svg: str) -> list[str]:
    return [text.text or '' for text in ET.fromstring(svg).iter(f'{SVG}text')]


def test_a_chart_breaks_where_values_are_missing():
    lines = [Line('a', [0, 1, None, float('nan'), 1, 0.5], '#ff0000')]
    first, second = curves(line_chart(range(6), lines, 'x', 'y', 1.0), '#ff0000')
    (x0, y0), (x1, y1) = first
    assert y0 > y1 and x1 > x0
    assert second[0][1] == y1
    assert second[1][1] == pytest.approx((y0 + y1) / 2, abs=0.1)


def test_the_life_of_an_object_shows_when_it_was_in_which_state():
    states = ['visible', 'visible', '', 'lost', 'lost', 'lost']
    lives = [
        Life('cup', [Line('IoU', [0, 1, None, 1, 1, 0.5], '#ff0000')], states),
        Life('<box>', [Line('IoU', [1] * 6, '#ff0000')], [''] * 6),
    ]
    svg = life_chart(range(6), lives, 'frame')
    assert {'cup', '<box>', 'IoU', 'frame', *STATES} <= set(texts(svg))
    assert svg == life_chart(range(6), lives, 'frame')

    def across(colour: str) -> set[float]:  # widths of the bands of a colour
        found = set()
        for path in ET.fromstring(svg).iter(f'{SVG}path'):
            if f'fill: {colour}' in path.get('style', '') and path.get('clip-path'):
                xs = [float(n) for n in re.findall(r'[ML] (\S+)', path.get('d', ''))]
                found.add(round(max(xs) - min(xs), 1))
        return found

    (seen,), (lost,) = across(STATES['visible']), across(STATES['lost'])
    assert lost == pytest.approx(1.5 * seen, abs=0.3)
    assert not across(STATES['occluded'])


def test_names_and_labels_are_text_and_escaped():
    lines = [Line('<a>', [0.5, None], 'red'), Line('b', [0, 1], 'blue')]
    svg = line_chart([0, 1], lines, 'time <s>', 'y & z')
    assert {'<a>', 'b', 'time <s>', 'y & z'} <= set(texts(svg))
    assert line_chart([0, 1], lines, 'time <s>', 'y & z') == svg  # equal charts are equal files


@pytest.mark.parametrize('values', [[], [None], [0.0], [1e-12, 0], [1e9, 3]])
def test_charts_of_odd_ranges(values):
    svg = line_chart(list(range(len(values))), [Line('a', values, 'red')], 'x', 'y')
    assert {'x', 'y', 'a'} <= set(texts(svg))


def test_an_axis_has_the_range_and_the_numbers_that_are_asked_for():
    lines = [Line('a', [0.6, 0.65, 0.7], '#ff0000')]
    svg = line_chart([100, 300, 900], lines, 'x', 'y', y_max=0.7, y_min=0.6, ticks=[100, 300, 900])
    assert {'100', '300', '900'} <= set(texts(svg)) and '500' not in texts(svg)
    ((_, low), (_, middle), (_, high)) = curves(svg, '#ff0000')[0]
    assert middle == pytest.approx((low + high) / 2, abs=0.1)


def test_numbers_of_frames_are_whole():
    for last in (1, 3, 19, 100):
        xs = list(range(last + 1))
        svg = line_chart(xs, [Line('a', [0.5] * len(xs), 'red')], 'frame', 'y', 1.0)
        below = texts(svg)[: texts(svg).index('frame')]
        assert len(below) > 1 and all(text.isdecimal() for text in below), below


def test_intervals_are_named_and_may_be_missing():
    long = 'x' * 40
    svg = interval_chart([Interval('a', 1, -1, 3), Interval(long, -1, None, None)], 'difference')
    assert {'a', 'difference', f'…{long[-31:]}'} <= set(texts(svg))
