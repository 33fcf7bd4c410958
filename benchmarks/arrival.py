"""Counts the images that reach another process, by size, QoS and Fast DDS profile.

    python benchmarks/arrival.py
    python benchmarks/arrival.py --sizes 640x480 1920x1080 --count 60 --rate 10

Every cell is one publisher and one subscriber, each a process of its own; it gives the images that
arrived and, where the middleware reported any as lost, how many.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from typing import Any

import numpy as np
import rclpy
from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.utilities import get_rmw_implementation_identifier
from sensor_msgs.msg import Image

from drift_ros import resources
from drift_ros.ros.messages import image
from drift_ros.ros.qos import PROFILE_VARIABLES

SIZES = ('320x240', '640x480', '854x480', '1280x720', '1920x1080')
POLICIES = {'reliable': ReliabilityPolicy.RELIABLE, 'best effort': ReliabilityPolicy.BEST_EFFORT}
PAIRS = (('reliable', 'best effort'), ('reliable', 'reliable'), ('best effort', 'best effort'))
DEPTH = 5
MATCH, SETTLE = 20.0, 1.0  # s


def main() -> None:
    """Measure and print the table."""
    options = arguments()
    if options.role:
        rclpy.init()
        {'publish': publish, 'subscribe': subscribe}[options.role](options)
        rclpy.shutdown()
        return
    print(f'{get_rmw_implementation_identifier()}, {options.count} images at {options.rate:g} Hz\n')
    print('| image | offered | asked for | default profile | config/fastdds.xml |')
    print('|---|---|---|---|---|')
    for size in options.sizes:
        for offered, asked in PAIRS:
            cells = [measure(options, size, offered, asked, tuned) for tuned in (False, True)]
            print(f'| {size} | {offered} | {asked} | {" | ".join(cells)} |', flush=True)


def measure(options: Any, size: str, offered: str, asked: str, tuned: bool) -> str:
    """One cell: what arrived."""
    environment = {k: v for k, v in os.environ.items() if k not in PROFILE_VARIABLES}
    environment['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'
    if tuned:
        profile = str(resources.path('config', 'fastdds.xml'))
        environment |= dict.fromkeys(PROFILE_VARIABLES, profile)
    common = ['--sizes', size, '--count', str(options.count), '--rate', str(options.rate)]

    def start(role: str, reliability: str) -> subprocess.Popen[str]:
        words = [sys.executable, __file__, *common, '--role', role, '--reliability', reliability]
        return subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, text=True)

    subscriber, publisher = start('subscribe', asked), start('publish', offered)
    publisher.communicate(timeout=MATCH + options.count / options.rate + 60)
    said, _ = subscriber.communicate(timeout=60)
    found = json.loads(said)
    return f'{found["arrived"]}' + (f' ({found["lost"]} lost)' if found['lost'] else '')


def publish(options: Any) -> None:
    """Send the images at their rate, once somebody listens."""
    node = rclpy.create_node('arrival_publisher')
    qos = QoSProfile(depth=DEPTH, reliability=POLICIES[options.reliability])
    publisher = node.create_publisher(Image, 'arrival', qos)
    wait_until(lambda: publisher.get_subscription_count() > 0)
    time.sleep(SETTLE)
    width, height = (int(side) for side in options.sizes[0].split('x'))
    message = image(np.zeros((height, width, 3), np.uint8), 'rgb8', 0, 'camera')
    start = time.monotonic()
    for index in range(options.count):
        message.header.stamp.sec = index
        publisher.publish(message)
        time.sleep(max(0.0, start + (index + 1) / options.rate - time.monotonic()))
    time.sleep(SETTLE)


def subscribe(options: Any) -> None:
    """Count what comes until the publisher leaves."""
    node = rclpy.create_node('arrival_subscriber')
    came: set[int] = set()
    lost = 0

    def on_lost(event: Any) -> None:
        nonlocal lost
        lost += event.total_count_change

    node.create_subscription(
        Image,
        'arrival',
        lambda message: came.add(message.header.stamp.sec),
        QoSProfile(depth=DEPTH, reliability=POLICIES[options.reliability]),
        event_callbacks=SubscriptionEventCallbacks(message_lost=on_lost),
    )
    wait_until(lambda: node.count_publishers('arrival') > 0)
    while node.count_publishers('arrival'):
        rclpy.spin_once(node, timeout_sec=0.1)
    print(json.dumps({'arrived': len(came), 'lost': lost}))


def wait_until(condition: Any) -> None:
    """Wait for the other process."""
    end = time.monotonic() + MATCH
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError('the other process was not found')
        time.sleep(0.02)


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--sizes', nargs='+', default=SIZES, metavar='WIDTHxHEIGHT')
    parser.add_argument('--count', type=int, default=60)
    parser.add_argument('--rate', type=float, default=10.0, help='images per second')
    parser.add_argument('--role', choices=('publish', 'subscribe'), help=argparse.SUPPRESS)
    parser.add_argument('--reliability', choices=tuple(POLICIES), help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == '__main__':
    main()
