"""Streams of images as no single good camera gives them."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

pytest.importorskip('rclpy', reason='the room ros needs rclpy')
pytest.importorskip('drift_ros.msg', reason='the interfaces are not built: run `make build`')

from builtin_interfaces.msg import Time
from sensor_msgs.msg import Image

from drift_ros.ros.stamps import nanoseconds

YEAR = 365 * 86400 * 10**9


def stamps(tracks: list[Any]) -> list[int]:
    return [nanoseconds(message.header.stamp) for message in tracks]


def show_at(rig: Any, tools: Any, k: int, stamp: int) -> None:
    rig.publish('image', rig.image(tools.scene(k)[0], stamp))


def test_a_stamp_that_names_no_time_is_refused_and_counted(
    rig: Any, tools: Any, capfd: Any
) -> None:
    tracks = rig.tracks()
    rig.show(0)
    bad = rig.image(tools.scene(1)[0], tools.stamp(1))
    bad.header.stamp = Time(sec=1, nanosec=10**9)
    rig.publish('image', bad)
    bad.header.stamp = Time(sec=1, nanosec=2**32 - 1)
    rig.publish('image', bad)
    rig.show(2)
    tools.until(lambda: len(tracks) == 2)
    assert stamps(tracks) == [tools.stamp(0), tools.stamp(2)]
    assert rig.counters().skipped == {'stamp names no time': 2}
    assert 'nanosec' in capfd.readouterr().err
    rig.publish('depth', Image(header=bad.header))
    tools.until(lambda: rig.camera.positions.outcomes['unusable'] == 1)


def test_two_publishers_on_one_topic(rig: Any, tools: Any) -> None:
    """Frames of both are taken in the order of their stamps, those that came late are counted."""
    other = rig.client.create_publisher(Image, 'image', 50)
    tools.until(lambda: other.get_subscription_count())
    tracks = rig.tracks()
    for k in range(0, 20, 2):
        rig.show(k + 1)
        rig.shown += 1
        other.publish(rig.image(tools.scene(k)[0], tools.stamp(k)))
    rig.arrived()
    tools.until(lambda: len(tracks) + rig.counters().skipped.get('stamp not newer', 0) == 20)
    assert stamps(tracks) == sorted(set(stamps(tracks)))
    assert rig.counters().errors == 0


def test_time_a_year_forward_and_back(rig: Any, tools: Any) -> None:
    tracks = rig.tracks()
    rig.show(0)
    assert rig.reset(0).success
    show_at(rig, tools, 1, tools.stamp(1) + YEAR)
    tools.until(lambda: stamps(tracks)[-1:] == [tools.stamp(1) + YEAR])
    assert [obj.id for obj in tracks[-1].objects] == [1]  # a pause, however long
    generation = tracks[-1].generation
    rig.show(2)  # back
    tools.until(lambda: stamps(tracks)[-1:] == [tools.stamp(2)])
    assert not tracks[-1].objects
    assert tracks[-1].generation != generation
    assert rig.reset(2).success


def test_images_without_stamps(rig: Any, tools: Any) -> None:
    tracks = rig.tracks()
    for k in range(5):
        show_at(rig, tools, k, 0)
    tools.until(lambda: rig.counters().skipped.get('stamp not newer') == 4 and tracks)
    assert stamps(tracks) == [0]
    rig.show(5)
    tools.until(lambda: len(tracks) == 2)


def test_another_size_in_every_image(rig: Any, tools: Any, capfd: Any) -> None:
    tracks = rig.tracks()
    for k in range(30):
        rig.show(k, size=(48 + k % 3, 64 + k))
    tools.until(lambda: len(tracks) == 30)
    assert len({message.generation for message in tracks}) == 30
    assert rig.counters().errors == 0
    assert capfd.readouterr().err.count('restarts') < 10  # throttled


def test_a_storm_of_transitions_beside_images_and_calls(
    make_rig: Callable[..., Any], tools: Any
) -> None:
    from std_srvs.srv import Trigger

    rig = make_rig()
    chance = random.Random(0)
    names = ('configure', 'activate', 'deactivate', 'cleanup')
    publisher = rig.client.create_publisher(Image, 'image', 50)
    waiting = []
    for k in range(60):
        rig.change(chance.choice(names))
        publisher.publish(rig.image(tools.scene(k)[0], tools.stamp(k)))
        waiting.append(rig.call_async(Trigger, 'clear'))
    assert all(tools.until(answer.result).message for answer in waiting)
    for name in ('deactivate', 'cleanup', 'configure', 'activate'):
        rig.change(name)
    assert rig.node.state == 'active'
    tracks = rig.tracks()
    rig.show(100)
    tools.until(lambda: tracks)
