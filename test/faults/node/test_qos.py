"""Images arrive: the node asks for what its publishers offer, and says what is lost even so."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip('rclpy', reason='the room ros needs rclpy')
pytest.importorskip('drift_ros.msg', reason='the interfaces are not built: run `make build`')

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image

RELIABLE = QoSProfile(depth=50, reliability=ReliabilityPolicy.RELIABLE)
BEST_EFFORT = QoSProfile(depth=50, reliability=ReliabilityPolicy.BEST_EFFORT)
MakeRig = Callable[..., Any]


@pytest.fixture
def other() -> Iterator[Any]:
    """A node of another participant, as a camera is."""
    context = rclpy.Context()
    rclpy.init(context=context)
    node = rclpy.create_node('camera', context=context)
    yield node
    node.destroy_node()
    rclpy.shutdown(context=context)


def reliability(rig: Any) -> ReliabilityPolicy | None:
    """Of the subscription to images; None while it is made anew."""
    topic = f'/{rig.name}_ns/image'
    found = [s.qos_profile.reliability for s in rig.node.subscriptions if s.topic_name == topic]
    assert len(found) <= 1
    return found[0] if found else None


def test_it_follows_the_publishers_as_they_come_and_go(rig: Any, tools: Any, other: Any) -> None:
    topic, tracks, shown = f'/{rig.name}_ns/image', rig.tracks(), 0

    def arrives(publisher: Any, expected: ReliabilityPolicy) -> None:
        nonlocal shown
        tools.until(lambda: reliability(rig) == expected, f'{expected}')
        tools.until(publisher.get_subscription_count)
        before = len(tracks)
        publisher.publish(rig.image(tools.scene(shown)[0], tools.stamp(shown)))
        shown += 1
        tools.until(lambda: len(tracks) > before)

    first = other.create_publisher(Image, topic, RELIABLE)
    arrives(first, ReliabilityPolicy.RELIABLE)
    second = other.create_publisher(Image, topic, BEST_EFFORT)
    arrives(second, ReliabilityPolicy.BEST_EFFORT)
    arrives(first, ReliabilityPolicy.BEST_EFFORT)
    other.destroy_publisher(second)
    arrives(first, ReliabilityPolicy.RELIABLE)
    other.destroy_publisher(first)
    arrives(other.create_publisher(Image, topic, BEST_EFFORT), ReliabilityPolicy.BEST_EFFORT)


def test_an_override_wins(make_rig: MakeRig, tools: Any, other: Any, capfd: Any) -> None:
    rig = make_rig(**{'qos_overrides.{ns}/image.subscription.reliability': 'reliable'}).start()
    other.create_publisher(Image, f'/{rig.name}_ns/image', BEST_EFFORT)
    said = ''

    def complained() -> bool:
        nonlocal said
        said += capfd.readouterr().err
        return 'incompatible QoS (reliability)' in said

    tools.until(complained)
    assert reliability(rig) == ReliabilityPolicy.RELIABLE


@pytest.mark.parametrize(
    ('policy', 'value', 'said'),
    [('depth', -1, 'depth is -1'), ('depth', 0, 'depth is 0'), ('reliability', 'so-so', 'so-so')],
)
@pytest.mark.parametrize('where', ['image.subscription', '{name}/tracks.publisher'])
def test_an_override_that_cannot_be_is_named(
    make_rig: MakeRig, capfd: Any, policy: str, value: Any, said: str, where: str
) -> None:
    rig = make_rig()
    name = where.format(name=rig.name)
    rig.node.declare_parameter(f'qos_overrides./{rig.name}_ns/{name}.{policy}', value)
    assert not rig.change('configure')
    log = capfd.readouterr().err
    assert said in log
    assert 'image_transport' not in log
    assert 'Traceback' not in log


def test_what_the_middleware_loses_is_counted_and_told_once(
    rig: Any, tools: Any, capfd: Any
) -> None:
    reports, tracks = rig.listen('/diagnostics', DiagnosticArray), rig.tracks()
    rig.show(0)
    rig.arrived()
    image = next(s for s in rig.node.subscriptions if s.topic_name.endswith('/image'))
    lost = next(h for h in image.event_handlers if 'LOST' in h.event_type.name)
    for count in (2, 3):
        lost.callback(SimpleNamespace(total_count=0, total_count_change=count))
    rig.show(1)
    tools.until(lambda: len(tracks) == 2)
    assert rig.stream.tracker.stats.lost == 5
    tools.until(
        lambda: any('lost on the way' in v.key for r in reports[-1:] for v in r.status[0].values)
    )
    values = {v.key: v.value for v in reports[-1].status[0].values}
    assert values[f'lost on the way: /{rig.name}_ns/image'] == '5'
    assert any('lost on the way' in report.status[0].message for report in reports)
    log = capfd.readouterr().err
    assert log.count('are lost on the way to this node') == 1
    assert 'reliable' in log
