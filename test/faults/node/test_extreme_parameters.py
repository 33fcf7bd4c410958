"""Values at the end of their ranges: those that mean nothing are refused, the others work."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

pytest.importorskip('rclpy', reason='the room ros needs rclpy')
pytest.importorskip('drift_ros.msg', reason='the interfaces are not built: run `make build`')

TINY = (5e-324, 1e-300, 1e-12, 1e-6)
ODD = (*TINY, -1e-300, -1.0, float('nan'), float('inf'), -float('inf'), 1e308)


@pytest.fixture
def idle(make_rig: Callable[..., Any]) -> Any:
    return make_rig()


def test_numbers_without_physical_meaning_are_refused(idle: Any) -> None:
    for name in (
        'max_rate',
        'diagnostics_period',
        'missing_input_timeout',
        'service_timeout',
        'propagation.temperature',
        'features.video.snr',
        'features.image.snr',
        'features.embedded.snr',
    ):
        before = idle.node.get_parameter(name).value
        for value in ODD:
            assert not idle.set_parameter(name, value).successful, (name, value)
        assert idle.node.get_parameter(name).value == before


@pytest.mark.parametrize(
    ('name', 'low', 'high'),
    [
        ('max_rate', 0.01, 1000.0),
        ('diagnostics_period', 0.05, 3600.0),
        ('service_timeout', 0.01, 3600.0),
        ('depth.slop', 0.0, 1.0),
    ],
)
def test_the_ends_of_a_range_work(rig: Any, tools: Any, name: str, low: float, high: float) -> None:
    tracks = rig.tracks()
    for k, value in enumerate((low, high, low)):
        assert rig.set_parameter(name, value).successful
        rig.show(100 * k)  # longer apart than the lowest rate passes is not needed: the first does
    tools.until(lambda: len(tracks) >= 1)


def test_a_warm_up_image_that_no_camera_gives_is_refused(idle: Any) -> None:
    assert not idle.set_parameter('warm_up_size', '99999x99999').successful
    assert not idle.set_parameter('warm_up_size', '20000x1').successful
    assert idle.set_parameter('warm_up_size', '7680x4320').successful
