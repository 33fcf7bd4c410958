"""`report.html`: everything about an evaluation on one page that needs nothing beside itself."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from drift_ros.evaluation.metrics.calibration import calibration_error, reliability
from drift_ros.evaluation.protocols import AnnotatedSequence
from drift_ros.evaluation.reporting import tables
from drift_ros.evaluation.reporting.frame_comparisons import FrameComparisons
from drift_ros.evaluation.reporting.live import live_facts
from drift_ros.evaluation.reporting.published import differences, published_for
from drift_ros.evaluation.reporting.reading import Results, flat, read_results, read_score
from drift_ros.evaluation.reporting.worst import Frame, frames_of, worst_frames
from drift_ros.evaluation.running.overlay_video import OVERLAY, SHEET
from drift_ros.evaluation.scores import ObjectScore, SequenceScore
from drift_ros.runs.atomic import write_text
from drift_ros.structures import TargetState
from drift_ros.visualization.charts import (
    BLUE,
    Life,
    Line,
    life_chart,
    line_chart,
    reliability_chart,
)
from drift_ros.visualization.overlay import colour_of, title
from drift_ros.visualization.pages import card, css, data_uri, error_legend, render

WORST, WORST_PER_SEQUENCE = 8, 2
EMBED_LIMIT = 16 * 2**20  # bytes of a video that still goes into the page
TRUE = '#222222'  # colour of curves that need the truth
SURE = 0.8  # score from which on masks are to be relied on
OPEN = 6  # sequences up to which all are shown unfolded


def write_report(
    folder: Path, sequences: Iterable[AnnotatedSequence] = (), overlay: Path | None = None
) -> Path:
    """Write `report.html` beside `results.json`.

    Args:
        sequences: those that were evaluated, for pictures of their frames; without them the page
            has numbers and plots alone.
        overlay: folder with overlay.mp4 and sheet.png to show on top.

    Returns:
        The file.

    Raises:
        SourceError: the folder does not hold the results of an evaluation.
        OutputError: the page cannot be written.
    """
    results = read_results(folder)
    scores = {name: read_score(folder, name) for name in results.sequences}
    pictures = FrameComparisons(folder, sequences)
    return write_text(folder / 'report.html', _page(results, scores, pictures, overlay))


def _page(
    results: Results,
    scores: dict[str, SequenceScore | None],
    pictures: FrameComparisons,
    overlay: Path | None,
) -> str:
    published = published_for(results)
    groups = {
        'Settings': results.settings,
        'Node at the end': results.record.get('diagnostics'),
    }
    scored = [score for score in scores.values() if score is not None]
    worst = worst_frames(scored, WORST, WORST_PER_SEQUENCE)
    own = {score.name: worst_frames([score], WORST_PER_SEQUENCE) for score in scored}
    pictures.prepare(worst, [frame for frames in own.values() for frame in frames])
    return render(
        'drift_ros.evaluation.reporting',
        'report.html.j2',
        title=f'Evaluation: {results.method} on {_data(results)}',
        lead=_lead(results),
        cards=_cards(results),
        means=tables.means(results, published),
        published=published,
        differences=differences(results, published) if published else [],
        worst=_made(map(pictures.comparison, worst)),
        error_legend=error_legend(),
        overview=tables.sequences(results),
        refused=results.refused,
        speed=tables.speed(results),
        sequences=[
            _sequence(results, i, scores[name], own.get(name, []), pictures)
            for i, name in enumerate(results.sequences)
        ],
        plotted=any(score.objects for score in scored),
        unfolded=len(results.sequences) <= OPEN,
        facts=_facts(results),
        groups=[{'title': name, 'values': values} for name, values in groups.items() if values],
        **_overlay(overlay),
        **_reliability(scored),
    )


def _overlay(folder: Path | None) -> dict[str, str]:
    """Sources of the video, linked where it is large, and of the sheet; '' where there is none."""
    found = {'video': '', 'sheet': ''}
    if folder is not None and (folder / OVERLAY).is_file():
        content = (folder / OVERLAY).read_bytes()
        found['video'] = OVERLAY if len(content) > EMBED_LIMIT else data_uri('video/mp4', content)
    if folder is not None and (folder / SHEET).is_file():
        found['sheet'] = data_uri('image/png', (folder / SHEET).read_bytes())
    return found


def _data(results: Results) -> str:
    path = results.dataset.get('path')
    short = '/'.join(Path(path).parts[-2:]) if path else ''
    return str(results.dataset.get('name') or short or 'its data')


def _lead(results: Results) -> str:
    count, total = results.count
    frames = sum(entry.get('frames', 0) for entry in results.sequences.values())
    if results.poses:
        return f'{count} of {total} sequences, {frames} frames. Means are over frames, then joints.'
    objects = results.objects
    return (
        f'{count} of {total} sequences, {objects} object{"s" * (objects != 1)}, '
        f'{frames} frames. J is the overlap of mask and truth (IoU), F how well outlines agree; '
        'means are over all objects of all sequences.'
    )


def _cards(results: Results) -> list[dict[str, str]]:
    main = [name for name in ('J&F', 'J', 'F', 'PCK@0.1', 'PCK@0.2') if name in results.mean]
    cards = [card(tables.percent(results.mean[name]), '%', f'{name}, mean') for name in main]
    count, total = results.count
    status = '' if count == total else 'bad'
    cards.append(card(str(count), f'of {total}', 'sequences', status))
    switches = results.record['mean'].get('switches')
    if switches is not None:
        cards.append(card(str(switches), '', 'id switches', 'bad' if switches else 'good'))
    seconds = results.seconds_per_frame
    if seconds is not None:
        short = seconds < 0.1  # a card has room for five characters
        shown = tables.seconds(1000 * seconds if short else seconds)
        cards.append(card(shown, 'ms' if short else 's', 'per frame'))
    for kind, label in (('memory', 'highest memory'), ('device_memory', 'highest on the GPU')):
        highest = results.highest(kind)
        if highest is not None:
            cards.append(card(f'{highest / 2**30:.2f}', 'GiB', label))
    return cards


def _sequence(
    results: Results,
    number: int,
    score: SequenceScore | None,
    worst: Sequence[Frame],
    pictures: FrameComparisons,
) -> dict[str, Any]:
    name, entry = list(results.sequences.items())[number]
    frames = frames_of(score) if score is not None else []
    return {
        'anchor': tables.anchor(number),
        'name': name,
        'summary': tables.summary(entry),
        'objects': tables.objects(entry),
        'charts': _charts(score, frames) if score is not None and frames else [],
        'pictures': _made([*map(pictures.comparison, worst), pictures.features(name)]),
        'skipped': list(score.skipped) if score is not None else entry.get('skipped', []),
        'live': live_facts(entry.get('live') or {}),
    }


def _charts(score: SequenceScore, frames: Sequence[Frame]) -> list[str]:
    """J and F of each object over time, as SVG."""
    names = {obj.id: title(obj.id, obj.name) for obj in score.objects}
    charts = []
    for label, of in (('J', lambda frame: frame.j), ('F', lambda frame: frame.f)):
        lines = [
            Line(text, [_percent(of(frame).get(id_)) for frame in frames], css(colour_of(id_)))
            for id_, text in names.items()
        ]
        numbers = [float(frame.index) for frame in frames]
        charts.append(line_chart(numbers, lines, 'frame', f'{label} [%]', 100.0))
    if any(obj.score for obj in score.objects):
        lives = [_life(obj, names[obj.id], frames) for obj in score.objects]
        charts.append(life_chart(numbers, lives, 'frame'))
    return charts


def _life(obj: ObjectScore, name: str, frames: Sequence[Frame]) -> Life:
    """What the tracker said of an object in each frame, beside what is true."""
    score = dict(zip(obj.frames, obj.score, strict=False))
    state = dict(zip(obj.frames, obj.state, strict=False))
    indices = [frame.index for frame in frames]
    curves = [
        Line('IoU', [frame.j.get(obj.id) for frame in frames], TRUE),
        Line('score', [score.get(index) for index in indices], BLUE),
    ]
    states = [state.get(index) for index in indices]
    return Life(name, curves, ['' if s is None else TargetState(s).name.lower() for s in states])


def _reliability(scored: Sequence[SequenceScore]) -> dict[str, str]:
    """The chart of how far scores can be trusted, and its sum in words; '' without scores."""
    pairs = [
        (score, j > 0.5)
        for each in scored
        for obj in each.objects
        for score, j in zip(obj.score, obj.j, strict=False)
        if score > 0
    ]
    if not pairs:
        return {'reliability': '', 'reliability_note': ''}
    bins = reliability([score for score, _ in pairs], [right for _, right in pairs])
    chart = reliability_chart(
        [b.score for b in bins], [b.right for b in bins], [b.count for b in bins]
    )
    sure = [right for score, right in pairs if score >= SURE]
    words = f'Expected calibration error {calibration_error(bins):.3f}.'
    if sure:
        words += (
            f' {len(sure)} of {len(pairs)} masks have a score of {SURE} or more; '
            f'{100 * sum(sure) / len(sure):.1f} % of those have an IoU over 0.5.'
        )
    return {'reliability': chart, 'reliability_note': words}


def _percent(value: float | None) -> float | None:
    return None if value is None else 100 * value


def _made(pictures: Iterable[dict[str, str] | None]) -> list[dict[str, str]]:
    return [picture for picture in pictures if picture is not None]


def _facts(results: Results) -> dict[str, str]:
    facts = {'method': results.method}
    if results.record.get('preset'):
        facts['preset'] = str(results.record['preset'])
    for group in ('dataset', 'machine', 'versions'):
        for name, value in flat(results.record.get(group, {})).items():
            facts[name if name not in facts else f'{group} {name}'] = str(value)
    return facts
