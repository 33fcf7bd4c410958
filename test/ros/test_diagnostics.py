"""What diagnostics say of a camera."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip('rclpy', reason='the room ros needs rclpy')

from drift_ros.ros.diagnostics import ERROR, OK, SILENCE, WARN, Diagnostics
from drift_ros.ros.stream import Counters
from drift_ros.tracking.stages import Stages


def level(diagnostics: Diagnostics, counters: Counters, full: bool = False) -> int:
    stream: Any = SimpleNamespace(
        counters=counters,
        tracker=None,
        paused=False,
        full=full,
        stages=Stages('queue', 'conversion', 'publishing'),
    )
    return int.from_bytes(diagnostics.status('active', stream).level, 'little')


def test_a_failure_is_an_error_once_and_a_skipped_image_later_a_warning() -> None:
    diagnostics, counters = Diagnostics('/tracker'), Counters()
    assert level(diagnostics, counters) == OK
    counters.errors += 1
    assert level(diagnostics, counters) == ERROR
    assert level(diagnostics, counters) == OK
    counters.skipped['stamp not newer'] = 1
    assert level(diagnostics, counters) == WARN
    assert level(diagnostics, counters) == OK


def test_only_a_camera_that_is_silent_for_seconds_is_missing() -> None:
    diagnostics, counters = Diagnostics('/tracker'), Counters()
    for _ in range(3):  # images come, and max_rate passes none of them between reports
        diagnostics.heard = time.monotonic()
        assert level(diagnostics, counters) == OK
    diagnostics.heard -= SILENCE
    assert level(diagnostics, counters) == WARN
    assert level(diagnostics, counters, full=True) == OK  # none is taken as long as these wait
