"""What an open page costs the tracker: processor time of the tracker's process per frame.

    python benchmarks/page_cost.py [--blocks 8] [--frames 12]

A node with the default extractor and three targets gets 640x480 images, one at a time; blocks
without and with a page take turns. The page is a process of its own that looks ten times a second
and encodes every picture that it sees, as one open tab does. The camera that publishes is part of
the measured process, so what a second listener costs it is in the number, too.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

os.environ.setdefault('ROS_AUTOMATIC_DISCOVERY_RANGE', 'LOCALHOST')
os.environ.setdefault('ROS_DOMAIN_ID', '93')
os.environ.setdefault(
    'FASTRTPS_DEFAULT_PROFILES_FILE',
    str(Path(__file__).resolve().parents[1] / 'config' / 'fastdds.xml'),
)

import numpy as np
import rclpy
from numpy.typing import NDArray
from rclpy.executors import SingleThreadedExecutor
from sensor_msgs.msg import Image

from drift_ros.prompts import Prompt
from drift_ros.ros import messages
from drift_ros.ros.node import TrackerNode

NAME, PERIOD = '/tracker', 33_333_333
LOOK = """
import signal, sys, time
from drift_ros.page.live import Live
signal.signal(signal.SIGTERM, lambda *_: sys.exit())  # so that its subscriptions go at once
with Live() as live:
    while not (cameras := live.cameras(sys.argv[1])):
        time.sleep(0.05)
    desk = live.open(sys.argv[1], next(iter(cameras)))
    seen = 0
    while True:
        if (picture := desk.picture()) is not None and picture.name != seen:
            seen = picture.name
            picture.jpeg()
            print(seen, flush=True)
        time.sleep(0.1)
"""


def scene(k: int) -> NDArray[np.uint8]:
    """(480, 640, 3) frame k: three coloured boxes that move over noise."""
    picture = np.random.default_rng(0).integers(80, 140, (480, 640, 3), dtype=np.uint8)
    for n in range(3):
        picture[150 + 2 * k : 300 + 2 * k, 40 + 200 * n : 160 + 200 * n, n] = 250
    return picture


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--blocks', type=int, default=8, help='of each kind')
    parser.add_argument('--frames', type=int, default=12, help='per block')
    args = parser.parse_args()
    rclpy.init()
    node, camera = TrackerNode(), rclpy.create_node('camera')
    publisher = camera.create_publisher(Image, 'image', 5)
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    threading.Thread(target=executor.spin, daemon=True).start()
    node.trigger_configure()
    node.trigger_activate()
    stream = node.cameras[0].stream
    assert stream is not None
    pictures = [scene(k) for k in range(12)]
    while not publisher.get_subscription_count():
        time.sleep(0.01)
    sent = 0

    def show() -> None:
        nonlocal sent
        sent += 1
        before = stream.counters.published
        picture = pictures[sent % len(pictures)]
        publisher.publish(messages.image(picture, 'rgb8', sent * PERIOD + 10**9, 'camera'))
        end = time.monotonic() + 20
        while stream.counters.published == before:
            assert time.monotonic() < end, stream.counters
            time.sleep(0.001)

    def block() -> tuple[float, float]:
        """CPU time and time of publishing per frame in ms."""
        before, published = time.process_time(), stream.stages.seconds['publishing']
        for _ in range(args.frames):
            show()
        spent = time.process_time() - before, stream.stages.seconds['publishing'] - published
        return spent[0] / args.frames * 1e3, spent[1] / args.frames * 1e3

    show()
    boxes = np.array([[40 + 200 * n, 150, 120, 150] for n in range(3)], float)
    prompts = [Prompt(boxes=box[None]) for box in boxes]
    stream.submit(lambda tracker: tracker.set_targets(prompts)).result(60)
    time.sleep(3)  # the first image is labelled anew
    block()
    found: dict[str, list[tuple[float, float]]] = {'without': [], 'with': []}
    for _ in range(args.blocks):
        found['without'].append(block())
        with subprocess.Popen(
            [sys.executable, '-c', LOOK, NAME], stdout=subprocess.PIPE, text=True
        ) as page:
            assert page.stdout is not None
            while not (publisher.get_subscription_count() > 1):
                time.sleep(0.01)
            show()
            page.stdout.readline()  # it sees
            found['with'].append(block())
            page.terminate()
        while publisher.get_subscription_count() > 1:
            time.sleep(0.01)
    for kind, values in found.items():
        cpu, publishing = np.median(values, axis=0)
        print(f'{kind:>8} a page: {cpu:.1f} ms of CPU per frame, publishing {publishing:.2f} ms')
    # of blocks that follow each other, so that what else runs on the machine is alike
    ratio = np.array([w[0] / wo[0] for w, wo in zip(found['with'], found['without'], strict=True)])
    draws = np.random.default_rng(0).integers(0, len(ratio), (10_000, len(ratio)))
    low, high = np.percentile(ratio[draws].mean(1), (2.5, 97.5)) * 100 - 100
    print(
        f'CPU of the tracker: {ratio.mean() * 100 - 100:+.1f} % with a page (95 % of bootstrap: '
        f'{low:+.1f} to {high:+.1f}; {len(ratio)} pairs of blocks)'
    )
    os._exit(0)


if __name__ == '__main__':
    main()
