"""What the demo records of the tracker."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='the demo needs rclpy')
pytest.importorskip('drift_ros.msg', reason='the interfaces are not built: run `make build`')

from room import Room
from sensor_msgs.msg import Image

from drift_ros.demo.listening import Listener
from drift_ros.errors import OutputError, SourceError
from drift_ros.io.bags import BagReader
from drift_ros.io.messages import IMAGE
from drift_ros.ros.messages import image
from drift_ros.ros.tools.client import Spinner


def record(bag: Path) -> None:
    """Images into a bag for which there is no room."""
    pixels = np.random.default_rng(0).integers(0, 256, (600, 800, 3), np.uint8)
    with (
        Spinner('listener') as spinner,
        Listener(spinner.node, '/t', bag, False, ('/image', IMAGE)) as listener,
    ):
        publisher = spinner.node.create_publisher(Image, '/image', 10)
        end = time.monotonic() + 30
        with Room(1000):
            while time.monotonic() < end:
                publisher.publish(image(pixels, 'rgb8', time.time_ns(), 'camera'))
                time.sleep(0.05)
                listener.check()


def test_a_full_disk_ends_the_demo_rather_than_its_thread(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match='recorded'):
        record(tmp_path / 'recorded')
    with pytest.raises(SourceError):
        BagReader(tmp_path / 'recorded')
