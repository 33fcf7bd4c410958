"""Where the time of frames went, from the diagnostics in a recording."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from drift_ros.errors import SourceError
from drift_ros.io.bags import BagReader
from drift_ros.visualization import charts, pages

TOPIC = '/diagnostics'
STAGE = re.compile(r'stage: (.+) \[ms\]')
TOTALS = ('latency p50 [ms]', 'latency p95 [ms]', 'rate in [Hz]', 'rate out [Hz]')


@dataclass(slots=True)
class StageTimes:
    """What one camera's diagnostics said over time.

    Attributes:
        times: of the reports in s, from the first of the recording on.
        stages: stage -> ms per frame, one per report; NaN where none was published.
        totals: other numbers of a report, likewise.
    """

    times: list[float] = field(default_factory=list)
    stages: dict[str, list[float]] = field(default_factory=dict)
    totals: dict[str, list[float]] = field(default_factory=dict)

    def add(self, time: float, values: dict[str, str]) -> None:
        """Take one report."""
        stages = {m[1]: _number(v) for key, v in values.items() if (m := STAGE.fullmatch(key))}
        others = {key: _number(values[key]) for key in TOTALS if key in values}
        for series, found in ((self.stages, stages), (self.totals, others)):
            for name in {**series, **found}:
                before = series.setdefault(name, [math.nan] * len(self.times))
                before.append(found.get(name, math.nan))
        self.times.append(time)

    @property
    def means(self) -> dict[str, float]:
        """Stage -> mean ms per frame over the reports."""
        return {name: float(np.nanmean(values)) for name, values in self.stages.items()}


def read(path: str | Path) -> dict[str, StageTimes]:
    """What the diagnostics in a bag say, by the name of their status.

    Raises:
        SourceError: the bag cannot be read, or no tracker's diagnostics are in it.
    """
    with BagReader(path) as bag:
        messages = bag.messages([TOPIC]) if TOPIC in bag.topics else iter(())
        cameras = _by_camera((stamp, message) for _, stamp, message in messages)
    if not cameras:
        raise SourceError(
            f'{path} says nothing of latency: record {TOPIC} while the tracker publishes results'
        )
    return cameras


def page(cameras: dict[str, StageTimes], name: str) -> str:
    """HTML with a chart of the stages and a table of their means for each camera."""
    parts = []
    for camera, reports in cameras.items():
        means = reports.means
        colours = (charts.SERIES * len(means))[: len(means)]
        stages = zip(reports.stages.items(), colours, strict=True)
        lines = [charts.Line(stage, values, colour) for (stage, values), colour in stages]
        facts = {
            key: f'{np.nanmedian(values):.1f}'
            for key, values in reports.totals.items()
            if not np.isnan(values).all()
        }
        parts.append(
            {
                'name': camera,
                'chart': charts.stack_chart(reports.times, lines, 'time, s', 'ms per frame'),
                'table': {
                    'heads': ['stage', 'ms per frame', 'share'],
                    'rows': [
                        pages.row(stage, [f'{mean:.1f}', f'{mean / sum(means.values()):.0%}'], c)
                        for (stage, mean), c in zip(means.items(), colours, strict=True)
                    ],
                },
                'facts': facts,
            }
        )
    lead = f'Where the time of each frame went, by the diagnostics in {name}.'
    return pages.render(__package__ or '', 'latency.html.j2', title='Latency', lead=lead, of=parts)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:  # somebody else's
        return math.nan


def _by_camera(messages: Iterable[tuple[int, Any]]) -> dict[str, StageTimes]:
    cameras: dict[str, StageTimes] = {}
    start: int | None = None
    for stamp, message in messages:
        start = stamp if start is None else start
        for status in message.status:
            values = {pair.key: pair.value for pair in status.values}
            if status.name in cameras or any(map(STAGE.fullmatch, values)):
                cameras.setdefault(status.name, StageTimes()).add((stamp - start) / 1e9, values)
    return cameras
