"""The numbers of a run: accuracy where the truth is known, latency, frames without a result."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from drift_ros.demo.score import Scorer
from drift_ros.io.observations import Observations


@dataclass(frozen=True, slots=True)
class Run:
    """What was played and what came of it.

    Attributes:
        name: name of the scene or of the bag.
        stamps: stamps in ns of the images that were played, in order.
        prompted: stamp of the first prompted frame; what is older counts for nothing.
        results: what the tracker published.
        truth: what is known, or None.
        sent: stamp -> time in ns at which the frame was seen on its topic.
        rate: frames per second of stamps, times the speed of playing.
        diagnostics: last diagnostic values of the node.
    """

    name: str
    stamps: Sequence[int]
    prompted: int
    results: Observations
    truth: Observations | None = None
    sent: Mapping[int, int] = field(default_factory=dict)
    rate: float = 0.0
    diagnostics: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Measures:
    """Numbers of a run; lists have one entry per frame from the prompted one on.

    Attributes:
        stamps: stamps of the frames in ns.
        labelled: whether the frame has a result.
        latency: s from its publication to the receipt of its result; None if not known.
        scorer: scores of the labelled frames with a truth, or None without truth.
    """

    stamps: list[int]
    labelled: list[bool]
    latency: list[float | None]
    scorer: Scorer | None

    @property
    def seconds(self) -> list[float]:
        """Time of each frame since the prompted one in s."""
        return [(stamp - self.stamps[0]) / 1e9 for stamp in self.stamps]

    @property
    def dropped(self) -> int:
        """Frames without a result."""
        return self.labelled.count(False)

    def latency_percentile(self, percent: float) -> float:
        """Percentile of the latency in s; NaN if none is known."""
        known = [value for value in self.latency if value is not None]
        return float(np.percentile(known, percent)) if known else float('nan')


def measure(run: Run) -> Measures:
    """Compute the numbers of a run."""
    stamps = [stamp for stamp in run.stamps if stamp >= run.prompted]
    have = set(run.results.stamps)
    latency: list[float | None] = []
    for stamp in stamps:
        sent, received = run.sent.get(stamp), run.results.received.get(stamp)
        known = stamp in have and sent is not None and received is not None
        latency.append((received - sent) / 1e9 if known else None)  # type: ignore[operator]
    scorer = None
    if run.truth is not None:
        given = run.results.names
        scorer = Scorer({id_: name or given.get(id_, '') for id_, name in run.truth.names.items()})
        for stamp in stamps:
            truth, result = run.truth.labels(stamp), run.results.labels(stamp)
            if truth is not None and result is not None:
                scorer.add(stamp, truth, result, _position_errors(run, stamp))
    return Measures(stamps, [stamp in have for stamp in stamps], latency, scorer)


def _position_errors(run: Run, stamp: int) -> dict[int, float]:
    assert run.truth is not None
    truth, result = run.truth.objects.get(stamp, {}), run.results.objects.get(stamp, {})
    errors = {}
    for id_, state in truth.items():
        found = result.get(id_)
        if state.position and found and found.position:
            errors[id_] = math.dist(state.position, found.position)
    return errors


def to_json(run: Run, measures: Measures, **more: Any) -> dict[str, Any]:
    """All numbers as a mapping that JSON can hold; what is not known is null."""
    scorer = measures.scorer
    summary: dict[str, Any] = {
        'frames': len(measures.stamps),
        'frames_without_result': measures.dropped,
        'latency_median_s': measures.latency_percentile(50),
        'latency_p95_s': measures.latency_percentile(95),
        'rate_hz': run.rate,
    }
    objects: dict[int, dict[str, Any]] = {
        id_: {'name': name} for id_, name in run.results.names.items()
    }
    if scorer is not None:
        summary |= {
            'scored_frames': len(scorer.stamps),
            'mean_iou': scorer.mean_iou,
            'id_switches': scorer.switches,
        }
        for obj in scorer.objects:
            objects[obj.id] = {
                'name': obj.name,
                'mean_iou': obj.mean_iou,
                'id_switches': obj.switches,
                'position_error_median_m': obj.median_position_error,
                'position_error_m': obj.position_error,
                'iou': obj.iou,
                'visible_px': obj.visible,
                'followed_by': obj.follower,
            }
    report = {
        'name': run.name,
        'summary': summary,
        'objects': {str(id_): values for id_, values in sorted(objects.items())},
        'scored_stamps': scorer.stamps if scorer else [],
        'stamps': measures.stamps,
        'labelled': measures.labelled,
        'latency_s': measures.latency,
        'diagnostics': dict(run.diagnostics),
        **more,
    }
    plain: dict[str, Any] = _plain(report)
    return plain


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(part) for part in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
