"""Adaptation beside tracking, on the real node with the embedded model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='the room ros needs rclpy')
pytest.importorskip('drift_ros.msg', reason='the interfaces are not built: run `make build`')

from diagnostic_msgs.msg import DiagnosticArray
from std_srvs.srv import Trigger

from drift_ros.ros.stamps import nanoseconds
from drift_ros.srv import RemoveTargets

SIZE = (64, 96)
PORTIONS = 6  # two heads, four steps; one per frame


@pytest.fixture
def adapting(make_rig: Callable[..., Any]) -> Any:
    """A node that fits weights of heads in portions as small as they get."""
    return make_rig(
        features__name='embedded-attention',
        features__device='cpu',
        adaptation__heads='fitted',
        adaptation__steps=4,
        adaptation__budget=0.0,
    )


def adaptation(reports: list[Any]) -> str:
    """What the newest diagnostics say of it."""
    for report in reversed(reports):
        for status in report.status:
            for value in status.values:
                if value.key == 'adaptation':
                    return str(value.value)
    return ''


def prompt(rig: Any, tools: Any) -> list[int]:
    """The true mask of object 1 in frame 0; ids of the targets."""
    mask = (tools.scene(0, SIZE)[1] == 1).astype(np.uint8)
    answer = rig.reset(0, mask=rig.image(mask, 0, 'mono8'))
    assert answer.success, answer.message
    return list(answer.ids)


def test_tracking_goes_on_while_the_heads_are_fitted(adapting: Any, tools: Any) -> None:
    reports = adapting.listen('/diagnostics', DiagnosticArray)
    adapting.start()
    tracks = adapting.tracks()
    adapting.show(0, size=SIZE)
    prompt(adapting, tools)
    for k in range(1, PORTIONS + 3):
        adapting.show(k, size=SIZE)
        tools.until(lambda k=k: nanoseconds(tracks[-1].header.stamp) == tools.stamp(k))
        assert tracks[-1].objects[0].visible
        if k == 2:
            tools.until(lambda: '% on frame 0' in adaptation(reports))
    tools.until(lambda: adaptation(reports).startswith('done, in use from frame'))


@pytest.mark.parametrize('event', ['clear', 'remove', 'shutdown'])
def test_what_ends_the_fit(adapting: Any, tools: Any, event: str) -> None:
    reports = adapting.listen('/diagnostics', DiagnosticArray)
    adapting.start()
    tracks = adapting.tracks()
    adapting.show(0, size=SIZE)
    ids = prompt(adapting, tools)
    adapting.show(1, size=SIZE)
    tools.until(lambda: '% on frame 0' in adaptation(reports))
    if event == 'shutdown':
        assert adapting.change('deactivate') and adapting.change('cleanup')
        return
    if event == 'clear':
        assert adapting.call(Trigger, 'clear').success
    else:
        assert adapting.call(RemoveTargets, 'remove_targets', ids=ids).success
    for k in range(2, PORTIONS + 3):
        adapting.show(k, size=SIZE)
    tools.until(lambda: nanoseconds(tracks[-1].header.stamp) == tools.stamp(PORTIONS + 2))
    count = len(reports)
    tools.until(lambda: len(reports) > count)
    assert adaptation(reports) == 'none'
