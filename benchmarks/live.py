"""The whole node at a camera's rate: frames answered, latency and CPU time, beside a bare echo.

    python benchmarks/live.py
    python benchmarks/live.py --sizes 640x480 --rate 15 --seconds 20 --threads 2
    python benchmarks/live.py --scene similar-3-00 --set features.name=patch

Camera, node and listener meet over DDS; the node is the installed executable, in a process of its
own. The camera publishes a rendered scene at its rate, to and fro, whether or not anybody keeps up.
The echo answers every image with an empty label map from within its callback: what DDS and rclpy
take. Latency is from before the publication of an image to the arrival of its label map.

Networks see images at their own size (features.resolution 0): by default a 320x240 image is
enlarged, and costs as much as one of 640x480.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault('ROS_AUTOMATIC_DISCOVERY_RANGE', 'LOCALHOST')
os.environ.setdefault('ROS_DOMAIN_ID', '93')

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from numpy.typing import NDArray
from sensor_msgs.msg import Image

from drift_ros import resources, synthetic
from drift_ros.demo.process import find_executable
from drift_ros.io.messages import raw_stamp
from drift_ros.msg import TrackedObjectArray
from drift_ros.prompts import Prompt
from drift_ros.ros import messages
from drift_ros.ros.qos import PROFILE_VARIABLES
from drift_ros.ros.tools.client import Spinner, TrackerClient
from drift_ros.settings import build

SIZES = ('640x480', '320x240')
START, ANSWER = 120.0, 60.0  # s
SETTLE = 2.0  # s of images that are not counted: the memory fills
DRAIN = 1.0  # s after the last image
TICK = os.sysconf('SC_CLK_TCK')
STAGES = 'stage: '  # what the node's diagnostics call them


@dataclass(frozen=True, slots=True)
class Clip:
    """A scene in the camera's hands.

    Attributes:
        images: (H, W, 3) uint8 each.
        masks: of the targets in the first image, (H, W) bool each.
    """

    images: Sequence[NDArray[np.uint8]]
    masks: Sequence[NDArray[np.bool_]]

    def at(self, number: int) -> NDArray[np.uint8]:
        """The image of a stream that goes to and fro without end."""
        last = len(self.images) - 1
        return self.images[last - abs(number % (2 * last) - last)]


@dataclass(slots=True)
class Outcome:
    """What came back while it was counted.

    Attributes:
        sent: images.
        latencies: of those that were answered, in s.
        seconds: for which images were sent.
        cpu: time that the other process took meanwhile, in s.
        stages: stage -> ms per frame, as the node says.
    """

    sent: int
    latencies: list[float]
    seconds: float
    cpu: float
    stages: dict[str, str]

    def cells(self) -> list[str]:
        """Of a row of the table."""
        answered = len(self.latencies)
        half, most = np.percentile(self.latencies, (50, 95)) if answered else (np.nan, np.nan)
        return [
            f'{answered / self.seconds:.1f}',
            f'{1 - answered / self.sent:.0%}',
            f'{half * 1e3:.0f}',
            f'{most * 1e3:.0f}',
            f'{self.cpu / max(1, answered) * 1e3:.0f}',
            ', '.join(f'{name} {value}' for name, value in self.stages.items()),
        ]


class Camera:
    """Publishes images, and notes when their label maps come."""

    def __init__(self, node: Any, labels: str, below: str = '') -> None:
        self.node = node
        self._sent: dict[int, float] = {}  # publication in monotonic s, by stamp
        self.came: dict[int, float] = {}  # arrival in monotonic s, by stamp
        self.report: dict[str, str] = {}
        self._images = node.create_publisher(Image, f'{below}image', 5)
        node.create_subscription(Image, labels, self._answered, 10, raw=True)
        tracks = f'tracker/{below}tracks'
        node.create_subscription(TrackedObjectArray, tracks, lambda _: None, 10)
        node.create_subscription(DiagnosticArray, '/diagnostics', self._reported, 10)
        self._labels = labels

    def send(self, image: NDArray[np.uint8]) -> int:
        """Publish an image with the time as its stamp, which is given back."""
        stamp = time.time_ns()
        message = messages.image(image, 'rgb8', stamp, 'camera')
        self._sent[stamp] = time.monotonic()
        self._images.publish(message)
        return stamp

    def wait_for_partner(self) -> None:
        """Wait until somebody takes images and offers label maps."""
        end = time.monotonic() + START
        while not (
            self._images.get_subscription_count() and self.node.count_publishers(self._labels)
        ):
            if time.monotonic() > end:
                raise TimeoutError('nobody takes the images')
            time.sleep(0.02)
        time.sleep(0.5)

    def wait_for(self, stamp: int) -> None:
        """Wait for the answer to an image."""
        end = time.monotonic() + ANSWER
        while stamp not in self.came:
            if time.monotonic() > end:
                raise TimeoutError('an image was not answered')
            time.sleep(0.005)

    def run(self, clip: Clip, rate: float, seconds: float) -> list[int]:
        """Send images at a rate in Hz; their stamps."""
        begin, stamps = time.monotonic(), list[int]()
        while (due := len(stamps) / rate) < seconds:
            time.sleep(max(0.0, begin + due - time.monotonic()))
            stamps.append(self.send(clip.at(len(stamps))))
        return stamps

    def measure(self, clip: Clip, rate: float, seconds: float, pid: int) -> Outcome:
        """Run, and look at what came back of it."""
        self.run(clip, rate, SETTLE)
        begin, cpu = time.monotonic(), cpu_time(pid)
        stamps = self.run(clip, rate, seconds)
        took = time.monotonic() - begin
        time.sleep(DRAIN)
        cpu = cpu_time(pid) - cpu
        latencies = [self.latency(s) for s in stamps if s in self.came]
        stages = {
            k.removeprefix(STAGES).removesuffix(' [ms]'): v
            for k, v in self.report.items()
            if STAGES in k
        }
        return Outcome(len(stamps), latencies, took, cpu, stages)

    def latency(self, stamp: int) -> float:
        """From the publication of an image to its answer, in s."""
        return self.came[stamp] - self._sent[stamp]

    def _answered(self, data: bytes) -> None:
        self.came[raw_stamp(data)] = time.monotonic()

    def _reported(self, message: DiagnosticArray) -> None:
        self.report = {pair.key: pair.value for pair in message.status[0].values}


def main() -> None:
    """Measure and print the table."""
    options = arguments()
    profile = str(resources.path('config', 'fastdds.xml'))
    for name in PROFILE_VARIABLES:
        os.environ.setdefault(name, profile)
    if options.echo:
        echo()
        return
    load = os.getloadavg()[0]
    given = ', '.join(options.set) or 'the default settings'
    print(f'{options.scene}, {given}, {options.device}, {os.cpu_count()} cores, load {load:.0f}\n')
    print('| image | way | camera, Hz | frames/s | not answered | p50, ms | p95, ms | ', end='')
    print('CPU per frame, ms | by stage, ms |\n|' + '---|' * 9)
    for size in options.sizes:
        clip = render(options.scene, size)
        for way, measure in (('echo', measure_echo), ('node', measure_node)):
            for rate in options.rate:
                cells = measure(options, clip, rate).cells()
                print('| ' + ' | '.join([size, way, f'{rate:g}', *cells]) + ' |', flush=True)


def measure_echo(options: Any, clip: Clip, rate: float) -> Outcome:
    """What DDS and rclpy take."""
    with process([sys.executable, __file__, '--echo']) as pid, Spinner('camera') as spinner:
        camera = Camera(spinner.node, 'labels')
        camera.wait_for_partner()
        return camera.measure(clip, rate, options.seconds, pid)


def measure_node(options: Any, clip: Clip, rate: float) -> Outcome:
    """The tracker, with every object of the scene as a target."""
    parameters = {
        'autostart': 'true',
        'features.device': options.device,
        'features.resolution': '0',
        'warm_up_size': 'x'.join(map(str, clip.images[0].shape[1::-1])),
    } | dict(value.split('=', 1) for value in options.set)
    words = [word for name, value in parameters.items() for word in ('-p', f'{name}:={value}')]
    command = [str(find_executable()), '--ros-args', *words]
    with process(command, options.threads) as pid, Spinner('camera') as spinner:
        camera = Camera(spinner.node, 'tracker/labels')
        client = TrackerClient(spinner.node)
        client.wait_active(START, autostart=True)
        camera.wait_for_partner()
        stamp = camera.send(clip.images[0])
        camera.wait_for(stamp)
        client.reset_targets([Prompt(mask=mask) for mask in clip.masks], stamp)
        return camera.measure(clip, rate, options.seconds, pid)


def echo() -> None:
    """Answer each image with a label map of its size."""
    import rclpy

    rclpy.init()
    node = rclpy.create_node('echo')
    answers = node.create_publisher(Image, 'labels', 10)

    def answer(message: Image) -> None:
        empty = np.zeros((message.height, message.width), np.uint8)
        found = messages.image(empty, '8UC1', 0, '')
        found.header = message.header
        answers.publish(found)

    node.create_subscription(Image, 'image', answer, 5)
    rclpy.spin(node)


def render(name: str, size: str) -> Clip:
    """A scene in a size WIDTHxHEIGHT."""
    width, height = (int(side) for side in size.split('x'))
    values = synthetic.defaults(name).model_dump() | {'width': width, 'height': height}
    frames = list(synthetic.create(name, build(synthetic.SceneSettings, values)))
    masks = [frames[0].labels == obj.id for obj in frames[0].objects if obj.area]
    return Clip([frame.image for frame in frames], masks)


@contextmanager
def process(command: Sequence[str], threads: int = 0) -> Iterator[int]:
    """Run a command; its process id."""
    environment = os.environ | ({'OMP_NUM_THREADS': str(threads)} if threads else {})
    with tempfile.TemporaryFile() as said:
        running = subprocess.Popen(command, env=environment, stdout=said, stderr=said)
        try:
            yield running.pid
        except BaseException:
            said.seek(0)
            print(said.read().decode(errors='replace')[-2000:], file=sys.stderr)
            raise
        finally:
            running.kill()
            running.wait()


def cpu_time(pid: int) -> float:
    """Time in s that a process took of all cores so far."""
    words = Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()
    return (int(words[11]) + int(words[12])) / TICK


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--sizes', nargs='+', default=SIZES, metavar='WIDTHxHEIGHT')
    parser.add_argument(
        '--rate', type=float, nargs='+', default=[15.0, 30.0], help='of the camera, in Hz'
    )
    parser.add_argument('--seconds', type=float, default=20.0, help='that are counted')
    parser.add_argument('--device', default='cpu', help='cpu or cuda')
    parser.add_argument('--scene', default='similar-3-00', help='its objects are the targets')
    parser.add_argument('--threads', type=int, default=0, help='of torch; 0 leaves it to torch')
    parser.add_argument('--set', action='append', default=[], metavar='NAME=VALUE', help='setting')
    parser.add_argument('--echo', action='store_true', help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == '__main__':
    main()
