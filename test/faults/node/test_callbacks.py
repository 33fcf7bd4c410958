"""No exception of a callback ends the node: it is logged, counted, and the node goes on."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip('rclpy', reason='the room ros needs rclpy')
pytest.importorskip('drift_ros.msg', reason='the interfaces are not built: run `make build`')

from collections.abc import Callable

from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rosgraph_msgs.msg import Clock

MakeRig = Callable[..., Any]


def reported(reports: list[Any], count: int) -> bool:
    values = {v.key: v.value for v in reports[-1].status[0].values} if reports else {}
    return values.get('callbacks failed') == str(count)


def test_an_exception_in_the_callback_of_images(
    make_rig: MakeRig, tools: Any, capfd: Any, monkeypatch: Any
) -> None:
    rig = make_rig().start()
    reports, tracks = rig.listen('/diagnostics', DiagnosticArray), rig.tracks()
    with monkeypatch.context() as patch:
        patch.setattr(rig.camera.positions, 'add_image', lambda message: 1 / 0)
        rig.show(0)
        tools.until(lambda: reported(reports, 1))
    levels = {report.status[0].level for report in reports}
    assert DiagnosticStatus.ERROR in levels
    rig.show(1)
    tools.until(lambda: len(tracks) == 1)
    log = capfd.readouterr().err
    assert 'Traceback' in log
    assert 'ZeroDivisionError' in log
    rig.expected_failures = 1


def test_a_chaotic_clock(make_rig: MakeRig, tools: Any, capfd: Any) -> None:
    """The library raises for a time before 1970."""
    rig = make_rig(use_sim_time=True).start()
    reports, tracks = rig.listen('/diagnostics', DiagnosticArray), rig.tracks()
    failed = 0
    for sec, nanosec in [(5, 0), (-5, 0), (-(2**31), 0), (2**31 - 1, 999_999_999), (0, 0), (-1, 7)]:
        rig.publish('/clock', Clock(clock=Time(sec=sec, nanosec=nanosec)))
        failed += sec < 0
        tools.until(lambda count=failed: rig.node.failed_callbacks == count)
    tools.until(lambda: reported(reports, failed))
    rig.show(0)
    tools.until(lambda: len(tracks) == 1)
    assert capfd.readouterr().err.count('Traceback') == 1  # throttled
    rig.expected_failures = failed


def test_a_change_of_a_parameter_that_fails_is_refused(make_rig: MakeRig, monkeypatch: Any) -> None:
    rig = make_rig().start()
    before = rig.node.parameters.settings
    with monkeypatch.context() as patch:
        patch.setattr(rig.camera.inputs, 'update', lambda settings: 1 / 0)
        answer = rig.set_parameter('max_rate', 5.0)
    assert not answer.successful
    assert 'ZeroDivisionError' in answer.reason
    assert rig.node.parameters.settings == before
    assert rig.set_parameter('max_rate', 5.0).successful
