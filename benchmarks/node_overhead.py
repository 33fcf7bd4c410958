"""What the node costs per frame besides the networks: callback to publication, and round trip.

    python benchmarks/node_overhead.py [--frames 300] [--device cpu]

Four ways through the same DDS in one process, one frame at a time:
- echo: a node that answers each image with an empty label map of its size; what DDS and rclpy cost.
- idle: the tracker without targets.
- tracks: the tracker with one target, an extractor that does nothing (constant features on cells of
  40 px) and next to no propagation (1 remembered frame, radius 1): conversion, resampling, label
  map, measurement, publication of label maps.
- all: the same, with tracks and the overlay listened to as well.

`node` is the time from the image callback to the end of the publication, `trip` from before the
image is published to after its label map has come.
"""

from __future__ import annotations

import argparse
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

os.environ.setdefault('ROS_AUTOMATIC_DISCOVERY_RANGE', 'LOCALHOST')
os.environ.setdefault('ROS_DOMAIN_ID', '91')

import numpy as np
import rclpy
import torch
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import Image

from drift_ros.features import Descriptors, FeatureExtractor, Window, registry
from drift_ros.msg import TrackedObjectArray
from drift_ros.prompts import Prompt
from drift_ros.ros import messages
from drift_ros.ros.diagnostics import Latencies
from drift_ros.ros.node import TrackerNode
from drift_ros.settings import FeatureSettings

SIZES = [(480, 640), (1080, 1920)]
WARM_UP = 20
CELL = 40


class Constant(FeatureExtractor):
    """Does nothing, so that what is left is the rest."""

    name = 'constant'
    window_length = 1
    size_multiple = CELL

    def __init__(self, settings: FeatureSettings) -> None:
        self.device = torch.device('cpu' if settings.device == 'auto' else settings.device)
        self.dtype = torch.float32

    def extract(self, window: Window) -> Descriptors:
        """One constant channel."""
        height, width = window.images.shape[2:]
        shape = (window.new, 1, height // CELL, width // CELL)
        return Descriptors.of(torch.ones(shape, device=self.device), CELL)


class Recorder(Latencies):
    """Keeps every latency in s."""

    def __init__(self) -> None:
        super().__init__()
        self.all: list[float] = []

    def add_since(self, start: float) -> None:
        """Take the time from `start` until now."""
        self.all.append(time.monotonic() - start)


class Echo(Node):
    """Answers each image with a label map of its size."""

    def __init__(self) -> None:
        super().__init__('echo')
        self.answers = self.create_publisher(Image, 'labels', 10)
        self.create_subscription(Image, 'image', self._answer, qos_profile_sensor_data)

    def _answer(self, message: Image) -> None:
        empty = np.zeros((message.height, message.width), np.uint8)
        answer = messages.image(empty, '8UC1', 0, '')
        answer.header = message.header
        self.answers.publish(answer)


@contextmanager
def spinning(node: Node) -> Iterator[None]:
    """Run a node in a thread of its own, and destroy it afterwards."""
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    leaving = threading.Event()

    def spin() -> None:
        while not leaving.is_set():
            executor.spin_once(timeout_sec=0.1)

    thread = threading.Thread(target=spin)
    thread.start()
    try:
        yield
    finally:
        leaving.set()
        thread.join()
        node.destroy_node()
        executor.shutdown()


def round_trips(
    node: Node,
    size: tuple[int, int],
    frames: int,
    labels: str,
    others: dict[str, Any],
    begin: Callable[[], bool],
) -> np.ndarray:
    """Round trip of each frame in s."""
    client = rclpy.create_node('client')
    came = threading.Event()
    client.create_subscription(Image, labels, lambda _: came.set(), 10)
    for topic, kind in others.items():
        client.create_subscription(kind, topic, lambda _: None, 10)
    publisher = client.create_publisher(Image, 'image', qos_profile_sensor_data)
    pixels = np.random.default_rng(0).integers(0, 255, (*size, 3), np.uint8)
    trips = []
    with spinning(node), spinning(client):
        while not publisher.get_subscription_count() or not client.count_publishers(labels):
            time.sleep(0.01)
        time.sleep(0.5)
        for k in range(WARM_UP + frames):
            message = messages.image(pixels, 'rgb8', 10**18 + k * 33_333_333, 'camera')
            came.clear()
            if k == 2 and begin():
                came.wait(5)  # the prompted frame is labelled anew
                came.clear()
            start = time.perf_counter()
            publisher.publish(message)
            if not came.wait(5):
                raise SystemExit(f'frame {k} was lost')
            trips.append(time.perf_counter() - start)
            time.sleep(0.005)
    return np.array(trips[WARM_UP:])


def make_tracker(device: str) -> TrackerNode:
    """An active tracker that takes the extractor for granted."""
    given = {'features.name': 'constant', 'features.resolution': 0, 'features.device': device}
    given |= {'warm_up_size': '', 'queue': 10}
    given |= {f'propagation.{name}': 1 for name in ('radius', 'memory', 'top_k')}
    node = TrackerNode(parameter_overrides=[Parameter(n, value=v) for n, v in given.items()])
    node.trigger_configure()
    node.trigger_activate()
    return node


def run(kind: str, size: tuple[int, int], frames: int, device: str) -> list[str]:
    """The cells of one row."""
    recorder = Recorder()
    if kind == 'echo':
        trips = round_trips(Echo(), size, frames, 'labels', {}, lambda: False)
    else:
        node = make_tracker(device)
        node.cameras[0].diagnostics.latencies = recorder
        mask = np.zeros(size, bool)
        mask[size[0] // 4 : size[0] // 2, size[1] // 4 : size[1] // 2] = True

        def prompt() -> bool:
            if kind != 'idle':
                node.cameras[0].stream.submit(
                    lambda tracker: tracker.set_targets([Prompt(mask=mask)])
                ).result()
            return kind != 'idle'

        heard = {'tracker/tracks': TrackedObjectArray, 'tracker/overlay': Image}
        others = heard if kind == 'all' else {}
        trips = round_trips(node, size, frames, 'tracker/labels', others, prompt)
    cells = [f'{size[1]}x{size[0]}', kind]
    for times in (np.array(recorder.all[WARM_UP:]), trips):
        known = [f'{np.percentile(times, p) * 1e3:.2f}' for p in (50, 99)] if len(times) else []
        cells += known or ['', '']
    return cells


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--frames', type=int, default=300)
    parser.add_argument('--device', default='cpu', help='cpu or cuda')
    options = parser.parse_args()
    registry.EXTRACTORS['constant'] = registry.Entry('does nothing', Constant)
    rclpy.init()
    print(f'device {options.device}, {os.cpu_count()} cores, {options.frames} frames, in ms')
    print('| image | way | node p50 | node p99 | trip p50 | trip p99 |')
    print('|---|---|---|---|---|---|')
    for size in SIZES:
        for kind in ('echo', 'idle', 'tracks', 'all'):
            cells = run(kind, size, options.frames, options.device)
            print('| ' + ' | '.join(cells) + ' |', flush=True)
    rclpy.try_shutdown()


if __name__ == '__main__':
    main()
