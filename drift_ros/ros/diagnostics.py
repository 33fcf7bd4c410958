"""What the node says about itself on /diagnostics."""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from diagnostic_msgs.msg import DiagnosticStatus, KeyValue

from drift_ros.ros.stream import Stream
from drift_ros.tracking.tracker import Tracker

OK, WARN, ERROR = 0, 1, 2
LATENCIES_KEPT = 512
SILENCE = 5.0  # s without an image, passed on or not, that are reported


@dataclass(slots=True)
class Latencies:
    """Time from the arrival of an image to the publication of its result."""

    _recent: deque[float] = field(default_factory=lambda: deque(maxlen=LATENCIES_KEPT))
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add_since(self, start: float) -> None:
        """Take the time from `start`, a monotonic time in s, until now."""
        with self._lock:
            self._recent.append(time.monotonic() - start)

    def percentiles(self) -> tuple[float, float]:
        """Median and 95th percentile of the recent ones in s; NaN if there are none."""
        with self._lock:
            recent = list(self._recent)
        if not recent:
            return float('nan'), float('nan')
        p50, p95 = np.percentile(recent, (50, 95))
        return float(p50), float(p95)


@dataclass(slots=True)
class Seen:
    """Counts at the time of the last report, from which the rates since then follow."""

    at: float = field(default_factory=time.monotonic)
    received: int = 0
    errors: int = 0
    published: int = 0
    dropped: int = 0
    lost: int = 0
    skipped: int = 0
    seconds: dict[str, float] = field(default_factory=dict)  # by stage


class Diagnostics:
    """Makes the diagnostic status of one camera.

    Args:
        name: of the status.
        camera: name of the camera; empty for the only one.

    Attributes:
        latencies: to be fed with every published result.
        last_reset: when and why targets were last reset, for people.
        depth: images by what became of their depth.
        lost: messages that the middleware lost, by topic.
        heard: monotonic time in s of the last image, or of the activation if none came since.
    """

    def __init__(self, name: str, camera: str = '') -> None:
        self._name = f'{name} {camera}' if camera else name
        self._seen = Seen()
        self.latencies = Latencies()
        self.last_reset = 'never'
        self.depth: dict[str, int] = {}
        self.lost: dict[str, int] = {}
        self.heard = time.monotonic()
        self._failed_callbacks_seen = 0

    def restart(self) -> None:
        """Forget what was measured: the node is configured anew."""
        self._seen = Seen()
        self.latencies = Latencies()
        self.last_reset = 'never'
        self.depth = {}
        self.lost = {}

    def status(
        self, state: str, stream: Stream[Any] | None, failed_callbacks: int = 0
    ) -> DiagnosticStatus:
        """The present status.

        Args:
            state: label of the node's lifecycle state.
            stream: None while the node is not configured.
            failed_callbacks: exceptions that the node's callbacks raised.
        """
        status = DiagnosticStatus(name=self._name, hardware_id='none')
        values: dict[str, object] = {'state': state}
        level, message = OK, state
        if stream is not None:
            level, message = self._judge(stream, state)
            values |= self._counts(stream)
            if stream.tracker is not None:
                values |= device(stream.tracker) | tracking(stream.tracker)
                status.hardware_id = str(stream.tracker.extractor.device)
            values['last reset'] = self.last_reset
            values |= {f'lost on the way: {topic}': count for topic, count in self.lost.items()}
            values |= {f'depth: {outcome}': count for outcome, count in self.depth.items()}
        if failed_callbacks > self._failed_callbacks_seen:
            level, message = ERROR, 'callbacks fail, see the log'
        self._failed_callbacks_seen = failed_callbacks
        values['callbacks failed'] = failed_callbacks
        status.level = bytes([level])
        status.message = message
        status.values = [KeyValue(key=key, value=str(value)) for key, value in values.items()]
        return status

    def _judge(self, stream: Stream[Any], state: str) -> tuple[int, str]:
        """Level and message, by what happened since the last report."""
        now, seen = stream.counters, self._seen
        if now.errors > seen.errors:
            return ERROR, 'frames fail, see the log'
        if sum(now.skipped.values()) > seen.skipped:
            return WARN, 'images are skipped, see the log'
        if now.dropped > seen.dropped:
            return WARN, 'the device is slower than the camera: frames are dropped'
        if now.lost > seen.lost:
            return WARN, 'images are lost on the way to the node, see the log'
        if stream.paused:
            return OK, 'paused'
        silent = time.monotonic() - self.heard > SILENCE and not stream.full
        if state == 'active' and silent:
            return WARN, 'no images come in'
        return OK, state

    def _counts(self, stream: Stream[Any]) -> dict[str, object]:
        counts, seen = stream.counters, self._seen
        elapsed = max(time.monotonic() - seen.at, 1e-6)
        p50, p95 = self.latencies.percentiles()
        values: dict[str, object] = {
            'rate in [Hz]': f'{(counts.received - seen.received) / elapsed:.2f}',
            'rate out [Hz]': f'{(counts.published - seen.published) / elapsed:.2f}',
            'latency p50 [ms]': f'{p50 * 1e3:.1f}',
            'latency p95 [ms]': f'{p95 * 1e3:.1f}',
            'frames received': counts.received,
            'frames dropped': counts.dropped,
            'frames while paused': counts.paused,
            'frames failed': counts.errors,
            'results published': counts.published,
            'paused': stream.paused,
        }
        seconds = stages(stream)
        if published := counts.published - seen.published:
            for name, spent in seconds.items():
                taken = (spent - seen.seconds.get(name, 0)) / published
                values[f'stage: {name} [ms]'] = f'{taken * 1e3:.1f}'
        values |= {f'skipped: {reason}': n for reason, n in sorted(counts.skipped.items())}
        self._seen = Seen(
            received=counts.received,
            errors=counts.errors,
            published=counts.published,
            dropped=counts.dropped,
            lost=counts.lost,
            skipped=sum(counts.skipped.values()),
            seconds=seconds,
        )
        return values


def stages(stream: Stream[Any]) -> dict[str, float]:
    """Seconds by stage so far, in the order in which a frame goes through them."""
    own = dict(stream.stages.seconds)
    inside = dict(stream.tracker.stages.seconds) if stream.tracker is not None else {}
    publishing = own.pop('publishing')
    return own | inside | {'publishing': publishing}


def device(tracker: Tracker) -> dict[str, object]:
    """Where the networks run, and how much memory they use there."""
    where = tracker.extractor.device
    values: dict[str, object] = {
        'device': where,
        'dtype': str(tracker.extractor.dtype).removeprefix('torch.'),
        'features': tracker.extractor.name,
        'segmenter': tracker.segmenter.name,
    }
    if where.type == 'cuda':
        free, total = torch.cuda.mem_get_info(where)
        values |= {
            'device name': torch.cuda.get_device_name(where),
            'GPU memory allocated [MiB]': torch.cuda.memory_allocated(where) >> 20,
            'GPU memory peak [MiB]': torch.cuda.max_memory_allocated(where) >> 20,
            'GPU memory free [MiB]': free >> 20,
            'GPU memory total [MiB]': total >> 20,
        }
    return values


def tracking(tracker: Tracker) -> dict[str, object]:
    """Targets and counters of the tracker."""
    length, stride = tracker.window
    stats = tracker.stats
    targets = tracker.targets
    return {
        'window length': length,
        'window stride': stride,
        'targets': len(targets),
        'target ids': ', '.join(str(target_id) for target_id in targets) or 'none',
        'generation': tracker.generation,
        'windows': stats.windows,
        'frames lost': stats.lost,
        'frames in failed windows': stats.failed,
        'skipped: same or older stamp': stats.late,
        'stream restarts': stats.restarts,
        'last restart': stats.last_restart or 'never',
        'points': tracker.follower.count if tracker.follower else 0,
        'adaptation': tracker.adapter.state,
    }
