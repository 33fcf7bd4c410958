"""Runs over videos with known tracks, and what they found."""

from __future__ import annotations

import json
import math
import resource
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import drift_ros
from drift_ros.errors import DriftError, OutputError
from drift_ros.evaluation.points.clips import PointClip, normalised, to_raster
from drift_ros.evaluation.points.methods import Found, PointMethod
from drift_ros.evaluation.points.metrics import AVERAGES, Mode, tap_vid_metrics
from drift_ros.paths import below
from drift_ros.runs.atomic import write_text
from drift_ros.runs.locks import writing_alone

RESULTS, TRACKS = 'results.json', 'tracks'


def evaluate(
    clips: Iterable[PointClip],
    method: PointMethod,
    out: Path,
    mode: Mode = 'first',
    on_clip: Callable[[str, Mapping[str, float]], None] = lambda name, scores: None,
) -> dict[str, Any]:
    """Follow the points of every video and score them; writes results.json after each, and what was
    found as tracks/NAME.npz.

    Args:
        clips: the videos.
        method: what follows points.
        out: folder for the results; made if missing, results of an earlier run are replaced.
        mode: how queries are chosen.
        on_clip: called with the scores of each video.

    Returns:
        The content of results.json: method, settings, mode, `sequences` (name -> scores in [0, 1]),
        `mean` over the videos where the score is defined, and `refused`.

    Raises:
        OutputError: the folder cannot be written.
    """
    record: dict[str, Any] = {
        'version': drift_ros.__version__,
        'method': method.name,
        'settings': dict(method.settings),
        'mode': mode,
        'sequences': {},
        'refused': {},
        'mean': {},
    }
    try:
        (out / TRACKS).mkdir(parents=True, exist_ok=True)
        with writing_alone(out):
            for clip in clips:
                try:
                    scores = _evaluate_one(clip, method, out, mode)
                except DriftError as error:
                    record['refused'][clip.name] = str(error)
                else:
                    record['sequences'][clip.name] = scores
                    record['mean'] = mean(record['sequences'].values())
                    on_clip(clip.name, scores)
                write_text(out / RESULTS, json.dumps(record, indent=1))
    except OSError as error:
        raise OutputError(f'cannot write to {out}: {error}') from None
    return record


def _evaluate_one(clip: PointClip, method: PointMethod, out: Path, mode: Mode) -> dict[str, float]:
    rows, frames = clip.queries(mode)
    truth = clip.in_pixels()[rows]
    queries = truth[np.arange(len(rows)), frames]
    started = time.monotonic()
    found, visible = follow(method, clip.video, frames, queries, both_ways=mode == 'strided')
    seconds = time.monotonic() - started
    scores = tap_vid_metrics(
        frames,
        to_raster(truth, clip.size),
        clip.occluded[rows],
        to_raster(found, clip.size),
        ~visible,
        mode,
    )
    scores['points'] = len(rows)
    scores['seconds_per_frame'] = round(seconds / len(clip.video), 4)
    scores['memory_mib'] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    place = below(out / TRACKS, f'{clip.name}.npz')
    place.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(
        place,
        points=normalised(found, clip.size),
        occluded=~visible,
        query_frames=frames,
        tracks=rows,
    )
    return scores


def follow(
    method: PointMethod,
    video: NDArray[np.uint8],
    frames: NDArray[np.int64],
    queries: NDArray[np.float32],
    both_ways: bool,
) -> Found:
    """Points from their queries to the end of a video, and, both ways, to its beginning too: there
    the method is shown the video backwards.
    """
    found, visible = method.track(video, frames, queries)
    if both_ways:
        last = len(video) - 1
        places, seen = method.track(video[::-1], last - frames, queries)
        before = np.arange(len(video)) < frames[:, None]
        found = np.where(before[..., None], places[:, ::-1], found)
        visible = np.where(before, seen[:, ::-1], visible)
    return found, visible


def mean(scores: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """Of every score over the videos that have it."""
    each = list(scores)
    names = dict.fromkeys(name for entry in each for name in entry)
    values = {n: [e[n] for e in each if n in e and math.isfinite(e[n])] for n in names}
    return {name: float(np.mean(found)) for name, found in values.items() if found}


def summary(scores: Mapping[str, float]) -> str:
    """The averages in percent, in a line."""
    return ', '.join(f'{name} {100 * scores.get(name, math.nan):.1f}' for name in AVERAGES)
