"""Charts: where their points are, and where they break."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from drift_ros.visualization.charts import Band, Line, line_chart, standalone


def points(svg: str) -> list[list[tuple[float, float]]]:
    root = ET.fromstring(svg)
    return [
        [tuple(map(float, pair.split(','))) for pair in line.get('points', '').split()]
        for line in root.iter('polyline')
    ]


def test_a_chart_breaks_where_values_are_missing():
    lines = [Line('a', [0, 1, None, float('nan'), 1, 0.5], 'red')]
    curves = points(line_chart(range(6), lines, 'x', 'y', 1.0))
    assert [len(curve) for curve in curves] == [2, 2]
    (x0, y0), (x1, y1) = curves[0]
    assert y0 > y1 and x1 > x0
    assert curves[1][0][1] == y1
    assert curves[1][1][1] == pytest.approx((y0 + y1) / 2, abs=0.1)


def test_a_single_value_is_a_dot_and_text_is_escaped():
    svg = line_chart([0, 1], [Line('<a>', [0.5, None], 'red')], 'time <s>', 'y & z')
    root = ET.fromstring(svg)
    assert len(list(root.iter('circle'))) == 1
    assert any(text.text == 'time <s>' for text in root.iter('text'))


def test_bands_are_cut_to_the_axis():
    svg = line_chart([0, 10], [Line('a', [1, 2], 'red')], 'x', 'y', None, [Band(5, 99, 'b')])
    rect = next(ET.fromstring(svg).iter('rect'))
    ends = points(svg)[0]
    left, width = float(rect.get('x')), float(rect.get('width'))
    assert left == pytest.approx((ends[0][0] + ends[1][0]) / 2, abs=0.1)
    assert left + width == pytest.approx(ends[1][0], abs=0.2)


@pytest.mark.parametrize('values', [[], [None], [0.0], [1e-12, 0], [1e9, 3]])
def test_charts_of_odd_ranges(values):
    xs = list(range(len(values)))
    ET.fromstring(line_chart(xs, [Line('a', values, 'red')], 'x', 'y'))


def test_an_axis_may_begin_above_zero():
    svg = line_chart([1, 2], [Line('a', [0.6, 0.7], 'red')], 'x', 'y', y_min=0.6)
    ticks = [t.text for t in ET.fromstring(svg).iter('text') if t.get('class') == 'tick']
    assert ticks[0] == '0.6' and ticks[-1] == '0.7'
    (_, low), (_, high) = points(svg)[0]
    heights = [float(line.get('y1')) for line in ET.fromstring(svg).iter('line')]
    assert (low, high) == (max(heights), min(heights))


def test_columns_under_the_pointer_meet_and_cover_the_axis():
    svg = line_chart([0, 1, 3], [Line('a', [1, 1, 1], 'red')], 'x', 'y', hover=['a', '<b>', 'c'])
    columns = [r for r in ET.fromstring(svg).iter('rect') if r.get('class') == 'hover']
    ends = [(float(r.get('x')), float(r.get('x')) + float(r.get('width'))) for r in columns]
    assert [r[0].text for r in columns] == ['a', '<b>', 'c']
    assert ends[0][1] == pytest.approx(ends[1][0], abs=0.2)
    assert ends[1][1] == pytest.approx(ends[2][0], abs=0.2)
    middles = (points(svg)[0][1][0] + points(svg)[0][2][0]) / 2
    assert ends[2][0] == pytest.approx(middles, abs=0.1)


def test_values_may_be_marked_and_the_axis_have_its_own_numbers():
    lines = [Line('a', [1, 2, None, 3], 'red', dots=True)]
    root = ET.fromstring(line_chart([100, 300, 600, 900], lines, 'x', 'y', ticks=[100, 300, 900]))
    assert len(list(root.iter('circle'))) == 3  # the lone last value too
    below = [t.text for t in root.iter('text') if t.get('class') == 'tick middle']
    assert below == ['100', '300', '900']


def test_numbers_of_frames_are_whole():
    for last in (1, 3, 19, 20, 100):
        xs = list(range(last + 1))
        root = ET.fromstring(line_chart(xs, [Line('a', [0.5] * len(xs), 'red')], 'x', 'y', 1.0))
        below = [t.text for t in root.iter('text') if t.get('class') == 'tick middle']
        assert len(below) > 1 and all(text.isdecimal() for text in below), below


def test_a_chart_can_stand_in_a_file_of_its_own():
    root = ET.fromstring(standalone(line_chart([0, 1], [Line('a', [0, 1], 'red')], 'x', 'y')))
    assert root.tag == '{http://www.w3.org/2000/svg}svg'
    assert root[0].tag.endswith('style') and '.grid' in root[0].text


def test_a_chart_in_a_file_names_its_lines():
    lines = [Line('<a>', [0, 1], 'red'), Line('b', [1, 0], 'blue')]
    root = ET.fromstring(standalone(line_chart([0, 1], lines, 'x', 'y'), lines))
    names = [t for t in root.iter('{http://www.w3.org/2000/svg}text') if t.get('class') == 'name']
    assert [name.text for name in names] == ['<a>', 'b']
    assert float(names[-1].get('y')) < float(root.get('viewBox').split()[3])
