"""Writes what a run leaves: video, contact sheet, page, numbers."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from drift_ros.demo.measures import Measures, Run, measure, to_json
from drift_ros.demo.page import Caption, render_page
from drift_ros.environment import machine, versions
from drift_ros.io.observations import ObjectState
from drift_ros.io.video import VideoWriter
from drift_ros.structures import Roi, TrackedObject
from drift_ros.visualization.contact_sheet import contact_sheet, side_by_side
from drift_ros.visualization.overlay import Picture, overlay

SHEET_FRAMES, WORST_FRAMES = 16, 4
TILE = 320  # px, width of a picture in a row of four


@dataclass(frozen=True, slots=True)
class Files:
    """What was written."""

    video: Path
    sheet: Path
    page: Path
    numbers: Path


def write_report(
    out: Path,
    run: Run,
    images: Iterable[tuple[int, Picture]],
    rate: float,
    facts: Mapping[str, str],
    settings: Mapping[str, Any],
) -> tuple[Measures, Files]:
    """Measure a run and write overlay.mp4, contact_sheet.png, report.html and report.json.

    Args:
        out: an existing folder.
        run: what happened.
        images: stamp in ns and image (H, W, 3) uint8 RGB of every frame, in order.
        rate: frames per second of the video.
        facts: what it was made with, for the page.
        settings: settings of the tracker.
    """
    measures = measure(run)
    files = Files(*(out / name for name in NAMES))
    labelled = [t for t, have in zip(measures.stamps, measures.labelled, strict=True) if have]
    on_sheet = set(_spread(labelled, SHEET_FRAMES))
    compared = _compared(measures, labelled)
    tiles: list[Caption] = []
    views: dict[int, Caption] = {}
    wanted = set(labelled)
    with ExitStack() as closing:
        video: VideoWriter | None = None
        for stamp, image in images:
            labels = run.results.labels(stamp) if stamp in wanted else None
            if labels is None:
                continue
            picture = overlay(image, labels, objects(run.results.objects.get(stamp, {}), labels))
            size = labels.shape[0], labels.shape[1]
            if video is None:
                video = closing.enter_context(VideoWriter(files.video, rate, size))
            if size == video.size:  # a camera that changes its size goes on in the page only
                video.write(picture)
            caption = _caption(measures, stamp)
            if stamp in on_sheet:
                tiles.append(Caption(caption, picture))
            if stamp in compared:
                truth = run.truth.labels(stamp) if run.truth else None
                views[stamp] = Caption(
                    caption,
                    side_by_side(image, truth, labels, TILE if truth is not None else 2 * TILE),
                )
    sheet = contact_sheet(
        [tile.picture for tile in tiles] or [np.full((240, 320, 3), 40, np.uint8)],
        [tile.text for tile in tiles] or ['no frame has a result'],
    )
    Image.fromarray(sheet).save(files.sheet)
    comparisons = [views[stamp] for stamp in compared if stamp in views]
    groups = {
        'Settings': settings,
        'Node at the end': run.diagnostics,
        'Versions': versions(),
        'Machine': machine(),
    }
    shown = files.video if labelled else None
    page = render_page(run, measures, shown, sheet, comparisons, facts, groups)
    files.page.write_text(page, encoding='utf-8')
    numbers = to_json(
        run,
        measures,
        settings=dict(settings),
        facts=dict(facts),
        versions=versions(),
        machine=machine(),
    )
    files.numbers.write_text(json.dumps(numbers, indent=1) + '\n', encoding='utf-8')
    return measures, files


NAMES = ('overlay.mp4', 'contact_sheet.png', 'report.html', 'report.json')


def objects(
    states: Mapping[int, ObjectState], labels: NDArray[np.uint8]
) -> tuple[TrackedObject, ...]:
    """Objects as the overlay wants them, with the boxes of their masks."""
    return tuple(
        TrackedObject(
            id_,
            state.name,
            state.score,
            state.visible,
            _roi(labels == id_),
            state.centroid,
            state.area,
        )
        for id_, state in sorted(states.items())
    )


def _roi(mask: NDArray[np.bool_]) -> Roi:
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        return Roi()
    left, top = int(columns[0]), int(rows[0])
    return Roi(left, top, int(columns[-1]) - left + 1, int(rows[-1]) - top + 1)


def _compared(measures: Measures, labelled: list[int]) -> list[int]:
    if measures.scorer is not None:
        return [measures.scorer.stamps[i] for i in measures.scorer.worst(WORST_FRAMES)]
    return _spread(labelled, WORST_FRAMES)


def _spread(values: list[int], count: int) -> list[int]:
    places = np.linspace(0, len(values) - 1, min(count, len(values))).round().astype(int)
    return [values[place] for place in places]


def _caption(measures: Measures, stamp: int) -> str:
    index = measures.stamps.index(stamp)
    text = f'frame {index}, {measures.seconds[index]:.2f} s'
    scorer = measures.scorer
    if scorer is not None and stamp in scorer.stamps:
        place = scorer.stamps.index(stamp)
        ious = [obj.iou[place] for obj in scorer.objects]
        few = len(ious) <= 3
        text += f', IoU {" / ".join(f"{iou:.2f}" for iou in ious)}' if few else ''
    return text
