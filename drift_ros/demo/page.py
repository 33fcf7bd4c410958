"""The report as one web page that needs nothing beside itself."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from drift_ros.demo.measures import Measures, Run
from drift_ros.demo.score import ObjectScore
from drift_ros.visualization.charts import Band, Line, line_chart
from drift_ros.visualization.overlay import Picture, colour_of, title
from drift_ros.visualization.pages import (
    card,
    css,
    data_uri,
    error_legend,
    jpeg,
    legend,
    number,
    object_row,
    render,
)

EMBED_LIMIT = 16 * 2**20  # bytes of a video that still goes into the page


@dataclass(frozen=True, slots=True)
class Caption:
    """A picture and what it shows."""

    text: str
    picture: Picture


def render_page(
    run: Run,
    measures: Measures,
    video: Path | None,
    sheet: Picture,
    comparisons: Sequence[Caption],
    facts: Mapping[str, str],
    groups: Mapping[str, Mapping[str, Any]],
) -> str:
    """HTML of the report.

    Args:
        run, measures: what happened, and its numbers.
        video: mp4 of the annotated frames; embedded, or linked if it is very large.
        sheet: contact sheet.
        comparisons: pictures of single frames, worst first.
        facts: what it was made with, in short.
        groups: further values under a title, folded away.
    """
    scorer = measures.scorer
    charts = _accuracy_charts(measures) if scorer else _result_charts(run, measures)
    return render(
        'drift_ros.demo',
        'report.html.j2',
        title=f'Tracking report: {run.name}',
        lead=_lead(run, measures),
        cards=_cards(run, measures),
        video=_video_source(video),
        video_note='Masks, outlines and centroids as they were published, with id, name and score; '
        'one picture per frame that has a result.',
        table=_score_table(scorer.objects) if scorer else _result_table(run, measures),
        objects_note=_objects_note(scorer is not None),
        charts=[*charts, *_latency_chart(measures)],
        comparisons=[{'caption': c.text, 'src': jpeg(c.picture)} for c in comparisons],
        comparisons_title='Worst frames' if scorer else 'Single frames',
        comparisons_note='The frames with the lowest mean IoU, a few frames apart.'
        if scorer
        else 'Frame and result.',
        error_legend=error_legend() if scorer else [],
        sheet=jpeg(sheet),
        facts=facts,
        groups=[{'title': name, 'values': values} for name, values in groups.items() if values],
    )


# ------------------------------------------------------------------------------------------- text


def _lead(run: Run, measures: Measures) -> str:
    count = len(measures.stamps)
    length = measures.seconds[-1] if count else 0.0
    played = f'{count} frames ({length:.1f} s) played at {run.rate:.1f} frames/s over ROS 2'
    objects = len(measures.scorer.objects) if measures.scorer else len(run.results.names)
    return (
        f'{played} into the tracker node, {objects} object{"s" * (objects != 1)} prompted through '
        f'its service'
        + (
            ', results compared with the known truth.'
            if measures.scorer
            else '; no truth is known.'
        )
    )


def _cards(run: Run, measures: Measures) -> list[dict[str, str]]:
    cards = []
    scorer = measures.scorer
    if scorer is not None:
        mood = 'good' if scorer.mean_iou >= 0.75 else 'bad' if scorer.mean_iou < 0.5 else ''
        cards.append(card(number(scorer.mean_iou, 3), '', 'mean IoU over objects', mood))
        mood = 'bad' if scorer.switches else 'good'
        cards.append(card(str(scorer.switches), '', 'id switches', mood))
        errors = [o.median_position_error for o in scorer.objects]
        known = [error for error in errors if math.isfinite(error)]
        if known:
            worst = max(known) * 100
            label = (
                'position error, median of the worse object' if len(known) > 1 else 'position error'
            )
            cards.append(card(number(worst, 2), 'cm', label))
    else:
        cards.append(card(str(len(run.results.names)), '', 'objects tracked'))
    latency = measures.latency_percentile(50) * 1e3
    cards.append(card(number(latency, 0), 'ms', 'median latency, frame to result'))
    dropped, count = measures.dropped, len(measures.stamps)
    mood = 'bad' if dropped else 'good'
    cards.append(card(f'{dropped}', f'of {count}', 'frames without a result', mood))
    return cards


def _objects_note(truth: bool) -> str:
    if not truth:
        return 'No truth is known for this recording, so this is what the tracker says of itself.'
    return (
        'IoU: intersection over union of the mask with the true mask of the same id; 1 in frames '
        'where the object is hidden and no mask is shown. Coverage: frames in which some mask '
        'covers the visible object by at least half (IoU). Id switch: another id follows the '
        'object than before. Position error: distance to the median of the visible surface.'
    )


# ----------------------------------------------------------------------------------------- tables


def _score_table(objects: Sequence[ObjectScore]) -> dict[str, Any]:
    heads = ['Object', 'Mean IoU', 'Lowest IoU', 'Last IoU', 'Coverage', 'Id switches']
    depth = any(math.isfinite(o.median_position_error) for o in objects)
    heads += ['Median position error [cm]', 'Largest [cm]'] if depth else []
    rows = []
    for obj in objects:
        seen = sum(area > 0 for area in obj.visible)
        covered = sum(follower > 0 for follower in obj.follower)
        cells = [
            number(obj.mean_iou, 3),
            number(min(obj.iou, default=math.nan), 3),
            number(obj.iou[-1] if obj.iou else math.nan, 3),
            f'{covered} of {seen}',
            str(obj.switches),
        ]
        if depth:
            known = [e for e in obj.position_error if e is not None]
            cells.append(number(obj.median_position_error * 100, 2))
            cells.append(number(max(known, default=math.nan) * 100, 2))
        rows.append(object_row(obj.id, obj.name, cells))
    return {'heads': heads, 'rows': rows}


def _result_table(run: Run, measures: Measures) -> dict[str, Any]:
    rows = []
    for id_, name in run.results.names.items():
        states = [s[id_] for t in measures.stamps if id_ in (s := run.results.objects.get(t, {}))]
        seen = [state for state in states if state.visible]
        located = sum(state.position is not None for state in seen)
        count = len(seen) or math.nan
        cells = [
            f'{len(seen)} of {len(states)}',
            number(sum(s.area for s in seen) / count, 0),
            number(sum(s.score for s in seen) / count, 2),
            f'{located} of {len(seen)}',
        ]
        rows.append(object_row(id_, name, cells))
    heads = ['Object', 'Visible in frames', 'Mean area [px]', 'Mean score', 'With position']
    return {'heads': heads, 'rows': rows}


# ----------------------------------------------------------------------------------------- charts


def _accuracy_charts(measures: Measures) -> list[dict[str, Any]]:
    scorer = measures.scorer
    assert scorer is not None
    place = {stamp: i for i, stamp in enumerate(scorer.stamps)}

    def along(values: Sequence[float | None]) -> list[float | None]:
        return [values[place[t]] if t in place else None for t in measures.stamps]

    def lines(values: Mapping[int, Sequence[float | None]]) -> list[Line]:
        return [
            Line(title(o.id, o.name), along(values[o.id]), css(colour_of(o.id)))
            for o in scorer.objects
        ]

    bands = _occluded(measures)
    iou = lines({o.id: o.iou for o in scorer.objects})
    note = 'Gaps are frames without a result.'
    if bands:
        note += (
            ' Shaded: an object is less than half as large as it was at most, hidden by another or '
        )
        note += 'leaving the image.'
    charts = [_chart('IoU over time', note, measures, iou, 'IoU', 1.0, bands)]
    errors = {
        o.id: [None if e is None else e * 100 for e in o.position_error] for o in scorer.objects
    }
    if any(e is not None for values in errors.values() for e in values):
        note = 'Distance between reported and true position, where both are known.'
        charts.append(
            _chart('Position error', note, measures, lines(errors), 'error [cm]', None, bands)
        )
    return charts


def _occluded(measures: Measures) -> list[Band]:
    """Stretches of time in which less than half of an object's largest area is visible."""
    scorer = measures.scorer
    assert scorer is not None
    bands = []
    for obj in scorer.objects:
        largest = max(obj.visible, default=0)
        hidden = [
            (t - measures.stamps[0]) / 1e9
            for t, area in zip(scorer.stamps, obj.visible, strict=True)
            if area < largest / 2
        ]
        gap = 2.5 * _period(measures)
        start = 0
        for i in range(1, len(hidden) + 1):
            if i == len(hidden) or hidden[i] - hidden[i - 1] > gap:
                name = f'{title(obj.id, obj.name)} is mostly hidden'
                bands.append(Band(hidden[start], hidden[i - 1], name))
                start = i
    return bands


def _period(measures: Measures) -> float:
    count = len(measures.stamps)
    return measures.seconds[-1] / (count - 1) if count > 1 else 1.0


def _result_charts(run: Run, measures: Measures) -> list[dict[str, Any]]:
    lines = []
    for id_, name in run.results.names.items():
        states = [run.results.objects.get(t, {}).get(id_) for t in measures.stamps]
        areas = [None if state is None else float(state.area) for state in states]
        lines.append(Line(title(id_, name), areas, css(colour_of(id_))))
    note = 'Pixels of each mask. Gaps are frames without a result.'
    return [_chart('Area over time', note, measures, lines, 'area [px]')]


def _latency_chart(measures: Measures) -> list[dict[str, Any]]:
    if all(value is None for value in measures.latency):
        return []
    values = [None if v is None else v * 1e3 for v in measures.latency]
    median, p95 = (number(measures.latency_percentile(p) * 1e3, 0) for p in (50, 95))
    note = (
        'From the moment at which a frame was seen on its topic to the moment at which its '
        f'result was received: median {median} ms, 95th percentile {p95} ms. The first frames '
        'wait for the prompt.'
    )
    line = Line('latency', values, '#3778c2')
    return [_chart('Latency', note, measures, [line], 'latency [ms]', named=False)]


def _chart(
    heading: str,
    note: str,
    measures: Measures,
    lines: Sequence[Line],
    y_label: str,
    y_max: float | None = None,
    bands: Sequence[Band] = (),
    named: bool = True,
) -> dict[str, Any]:
    svg = line_chart(measures.seconds, lines, 'time [s]', y_label, y_max, bands)
    return {'title': heading, 'note': note, 'svg': svg, 'legend': legend(lines) if named else []}


# ---------------------------------------------------------------------------------------- sources


def _video_source(video: Path | None) -> str:
    if video is None:
        return ''
    if video.stat().st_size > EMBED_LIMIT:
        return video.name
    return data_uri('video/mp4', video.read_bytes())
