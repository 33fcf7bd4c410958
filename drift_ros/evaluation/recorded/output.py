"""The score of a live run for programs and for people."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from drift_ros.errors import OutputError
from drift_ros.evaluation.places import sequence_folder
from drift_ros.evaluation.recorded.live_sequence import LiveSequence
from drift_ros.evaluation.recorded.scoring import LiveScore, Request
from drift_ros.evaluation.recorded.timing import Distribution
from drift_ros.evaluation.reporting.report import write_report
from drift_ros.evaluation.reporting.results import RESULTS, results, sequence_entry, write_results
from drift_ros.evaluation.running.overlay_video import OverlayVideo
from drift_ros.evaluation.running.sequence import LABELS, make_empty
from drift_ros.io.writers import save_labels
from drift_ros.runs.atomic import write_text

SCORE, RUN = 'score.json', 'run.json'


def live_entry(live: LiveScore) -> dict[str, Any]:
    """What is known of a live run beside its masks; in s and m, null where not known."""
    with_truth, without_result = live.truth
    return {
        'frames': len(live.stamps),
        'dropped': live.dropped,
        'dropped_at_end': live.unfinished,
        'frames_with_truth': with_truth,
        'frames_with_truth_dropped': without_result,
        'latency_from_stamp': live.from_stamp and live.from_stamp.summary,
        'latency_from_arrival': live.from_arrival and live.from_arrival.summary,
        'position_error': {str(id_): e.summary for id_, e in live.position_errors.items()},
        'topics': dict(live.topics),
        'generation': live.generation,
        'matched': {str(id_): known for id_, known in live.aligned.matched.items()},
        'notes': list(live.notes),
    }


def record(
    request: Request, live: LiveScore, settings: Mapping[str, Any] | None = None, **more: Any
) -> dict[str, Any]:
    """The content of `results.json`, as of an evaluation of one sequence, with `live` in it.

    Args:
        settings: of the tracker, if they are known.
    """
    entry = sequence_entry(live.score) | {'live': live_entry(live)}
    content = results(
        {live.score.name: entry},
        {},
        method=live.topics['labels'].rpartition('/')[0] or 'recorded',
        settings={
            'tolerance': request.tolerance,
            'match': request.match,
            'count_dropped': request.count_dropped,
            **(settings or {}),
        },
        dataset={
            'layout': 'recorded',
            'path': str(request.recorded),
            'truth': str(request.truth) if request.truth else None,
        },
    )
    return content | more


def write(
    folder: Path,
    request: Request,
    live: LiveScore,
    overwrite: bool = False,
    content: Mapping[str, Any] | None = None,
    overlay: bool = False,
) -> Path:
    """Write what an evaluation writes: results.json, results.csv, report.html, and in
    sequences/<name> score.json and the label maps of the results with the ids of the truth.

    score.json has, in `live`, also the stamp of every frame, whether it has a result, its latency
    and the errors of positions.

    Args:
        content: of results.json; None: `record`.
        overlay: draw the results also as a video and a contact sheet, and show them in the report.

    Returns:
        The report.

    Raises:
        OutputError: the folder holds results already, or cannot be written.
    """
    if (folder / RUN).exists():
        raise OutputError(f'{folder} is of another run of drift: name a folder of its own')
    place = sequence_folder(folder, live.score.name)
    if not overwrite and ((folder / RESULTS).exists() or place.exists()):
        raise OutputError(f'{folder} holds results: name another folder, or give --overwrite')
    make_empty(place, LABELS)
    frames = {
        'stamps': live.stamps,
        'labelled': live.labelled,
        'latency_from_stamp_s': _values(live, live.from_stamp),
        'latency_from_arrival_s': _values(live, live.from_arrival),
        'position_error_m': {id_: found.values for id_, found in live.position_errors.items()},
    }
    score = asdict(live.score) | {'live': live_entry(live) | {'per_frame': frames}}
    write_text(place / SCORE, json.dumps(score, indent=1, allow_nan=False) + '\n')
    for number in live.aligned.timeline.results:
        save_labels(place / LABELS / f'{number:05d}.png', live.aligned.found(number))
    write_results(folder, record(request, live) if content is None else content)
    sequence = LiveSequence(request, live)
    if overlay:
        _write_overlay(folder, sequence, live)
    return write_report(folder, [sequence], folder if overlay else None)


def _write_overlay(folder: Path, sequence: LiveSequence, live: LiveScore) -> None:
    scores: dict[int, dict[int, tuple[float, float]]] = {}
    for obj in live.score.objects:
        for number, j, f in zip(obj.frames, obj.j, obj.f, strict=True):
            scores.setdefault(number, {})[obj.id] = j, f
    with OverlayVideo(folder, sequence) as video:
        for number in sorted(live.aligned.timeline.results):
            image, labels = sequence.image(number), live.aligned.found(number)
            if image.shape[:2] == labels.shape:
                video.add(number, image, labels, scores.get(number, {}))
        video.finish()


def _values(live: LiveScore, found: Distribution | None) -> list[float | None] | None:
    """One per frame, also of those without a result."""
    if found is None:
        return None
    values = iter(found.values)
    return [next(values) if have else None for have in live.labelled]
