"""Replay with `image_history: keep_all`: no image is dropped, and few wait anywhere."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip('rclpy', reason='the room ros needs rclpy')

from rclpy.qos import QoSHistoryPolicy, QoSProfile

from drift_ros.ros.stamps import nanoseconds

ROOT = Path(__file__).resolve().parents[2]
FRAMES = 40
KEEP_ALL = QoSProfile(history=QoSHistoryPolicy.KEEP_ALL, depth=1)


@pytest.mark.parametrize('queue', [1, 3])
def test_every_frame_of_a_fast_publisher_is_answered(
    make_rig: Any, tools: Any, gate: Any, queue: int
) -> None:
    """The tracker is held until all are published: `queue` wait, one is at work, one is next."""
    rig = make_rig(image_history='keep_all', queue=queue, features__name=gate.name).start()
    labels = rig.labels()
    rig.show(0)
    assert rig.reset(0).success
    tools.until(lambda: labels)
    gate.close()
    rig.show(1)
    assert gate.waiting.wait(tools.WAIT)
    for k in range(2, FRAMES):
        rig.publish('image', rig.image(tools.scene(k)[0], tools.stamp(k)), KEEP_ALL)
    tools.until(lambda: rig.stream.full)
    assert rig.counters().received <= 3 + queue
    gate.open()
    last = tools.stamp(FRAMES - 1)
    tools.until(lambda: nanoseconds(labels[-1].header.stamp) == last)
    stamps = sorted({nanoseconds(message.header.stamp) for message in labels})
    assert stamps == [tools.stamp(k) for k in range(FRAMES)]
    assert rig.counters().dropped == 0


def test_calls_are_served_while_images_are_held_back(make_rig: Any, tools: Any, gate: Any) -> None:
    rig = make_rig(image_history='keep_all', queue=1, features__name=gate.name).start()
    labels = rig.labels()
    rig.show(0)
    assert rig.reset(0).success
    tools.until(lambda: rig.counters().published == 2)  # frame 0 untracked, and as prompted
    gate.close()
    for k in range(1, 10):
        rig.publish('image', rig.image(tools.scene(k)[0], tools.stamp(k)), KEEP_ALL)
    tools.until(lambda: rig.stream.full)
    assert rig.set_parameter('queue', 4).successful
    tools.until(lambda: rig.counters().received >= 1 + 1 + 4)
    gate.open()
    tools.until(lambda: nanoseconds(labels[-1].header.stamp) == tools.stamp(9))


# A fast publisher that nothing holds but the middleware, and a slower reader, in a process each: a
# publisher of rclpy that is held also holds the interpreter. What is under way is counted at every
# image.
HELD = """
import multiprocessing
import threading
import time
from collections import deque

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import QoSHistoryPolicy, QoSProfile
from sensor_msgs.msg import Image

from drift_ros.ros.subscribing import SensorSubscription

COUNT = 100


def publish(published):
    rclpy.init()
    keep = QoSProfile(history=QoSHistoryPolicy.KEEP_ALL, depth=1)
    publisher = rclpy.create_node('sender').create_publisher(Image, '/image', keep)
    while not publisher.get_subscription_count():
        time.sleep(0.01)
    message = Image(height=48, width=64, step=192, encoding='rgb8', data=bytes(9216))
    for k in range(COUNT):
        message.header.stamp.sec = k
        publisher.publish(message)
        published.value += 1
    time.sleep(60)  # what is under way is lost with it


def read(published):
    rclpy.init()
    node = rclpy.create_node('reader')
    line, got, under_way = deque(), [], []
    changed, wake = threading.Condition(), node.create_guard_condition(lambda: None)

    def take():
        while True:
            with changed:
                changed.wait_for(lambda: line)
                time.sleep(0.002)
                got.append(line.popleft())
            wake.trigger()

    def image(message):
        under_way.append(published.value - len(got))
        line.append(message.header.stamp.sec)
        with changed:
            changed.notify()

    room = lambda: len(line) < 2
    subscription = SensorSubscription(node, Image, '/image', image, 1, room=room)
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    threading.Thread(target=take, daemon=True).start()
    while len(got) < COUNT:
        executor.spin_once(timeout_sec=0.1)
    assert got == list(range(COUNT)), got
    print(max(under_way))


if __name__ == '__main__':
    start = multiprocessing.get_context('spawn')
    published = start.Value('i', 0)
    sender = start.Process(target=publish, args=[published])
    sender.start()
    read(published)
    sender.kill()
"""


def test_the_profile_for_replay_lets_the_reader_hold_the_publisher(tmp_path: Path) -> None:
    """At most 4 images wait at each end, 2 in the line, and one is in each hand."""
    script = tmp_path / 'held.py'
    script.write_text(HELD)
    environment = os.environ | {
        name: str(ROOT / 'config' / 'fastdds_replay.xml')
        for name in ('FASTRTPS_DEFAULT_PROFILES_FILE', 'FASTDDS_DEFAULT_PROFILES_FILE')
    }
    ended = subprocess.run(
        [sys.executable, str(script)],
        cwd=ROOT,
        env=environment | {'PYTHONPATH': str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ended.returncode == 0, ended.stderr
    assert int(ended.stdout) <= 12
