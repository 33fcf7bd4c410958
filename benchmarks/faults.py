"""Seeded fuzz of the running node: messages, services, parameters and transitions.

    python benchmarks/faults.py --minutes 60 --seed 1

The node is a process of its own. Faults come in random order, each in a batch of trials; after each
batch the node has to answer, to track an image, and to be there. The table gives, per fault, the
trials, how many the node survived, how it reported them, and how much its memory grew over them.
The exit status is 1 if the node did not survive one, or did not leave as it should.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

os.environ.setdefault('ROS_AUTOMATIC_DISCOVERY_RANGE', 'LOCALHOST')
os.environ.setdefault('ROS_DOMAIN_ID', '92')

import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rcl_interfaces.srv import SetParameters
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, Image, RegionOfInterest
from std_srvs.srv import SetBool, Trigger

from drift_ros.msg import Point2D, Prompt, TrackedObjectArray
from drift_ros.node_settings import NodeSettings
from drift_ros.ros.messages import header
from drift_ros.settings import flatten
from drift_ros.srv import RemoveTargets, ResetTargets

ANSWER = 60.0  # s
LEAVE = 2.0  # s, on a machine with a core for it
QUEUE = 200  # answers that may wait: a client hears all of its service
SIZE = (48, 64)
BATCH = 10
PACE = 0.01  # s between trials, so that not all images are dropped before they are looked at
PERIOD = 33_333_333
SECOND = 10**9
MEBIBYTE = 2**20
PARAMETERS = (
    'autostart:=true',
    'features.name:=patch',
    'features.resolution:=48',
    'warm_up_size:=64x48',
    'diagnostics_period:=0.2',
    'use_sim_time:=true',
)
STATES = {'configure': 1, 'cleanup': 2, 'activate': 3, 'deactivate': 4}
ENCODINGS = (
    'rgb8',
    'bgr8',
    'mono8',
    'bayer_rggb8',
    '16UC1',
    '32FC1',
    'rgba16',
    'nonsense',
    '',
    'x' * 999,
)
NUMBERS = (0, -1, 1, 1e-300, 1e300, float('nan'), float('inf'), 2**31, -(2**63), 0.5, 7)


@dataclass(slots=True)
class Row:
    """What became of one fault."""

    trials: int = 0
    survived: int = 0
    reported: Counter[str] = field(default_factory=Counter)
    grown: int = 0


class Fuzzer:
    """A node under test in a process of its own, and a client that mistreats it."""

    def __init__(self, seed: int, log: TextIO) -> None:
        self.chance = random.Random(seed)
        self.stamp = 1_795_249_149 * SECOND
        self.tracked = 0
        self.said: Counter[str] = Counter()
        self.noting = True
        self._counts: dict[str, int] = {}
        self._pending: list[Any] = []
        rclpy.init()
        self.node = rclpy.create_node('faults')
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self.node)
        kinds = {'image': Image, 'depth': Image, 'camera_info': CameraInfo, '/clock': Clock}
        self.topics = {t: self.node.create_publisher(kind, t, 10) for t, kind in kinds.items()}
        self.node.create_subscription(TrackedObjectArray, 'tracker/tracks', self._on_tracks, 10)
        self.node.create_subscription(DiagnosticArray, '/diagnostics', self._on_report, 10)
        self.services = {
            name: self.node.create_client(
                kind, f'tracker/{name}', qos_profile=QoSProfile(depth=QUEUE)
            )
            for name, kind in {
                'reset_targets': ResetTargets,
                'remove_targets': RemoveTargets,
                'clear': Trigger,
                'pause': SetBool,
                'set_parameters': SetParameters,
                'change_state': ChangeState,
            }.items()
        }
        words = [word for value in PARAMETERS for word in ('-p', value)]
        command = [sys.executable, '-m', 'drift_ros.ros.main', '--ros-args', *words]
        self.process = subprocess.Popen(command, stderr=log)
        self._thread = threading.Thread(target=self._spin, daemon=True)
        self._thread.start()

    @property
    def memory(self) -> int:
        """Resident memory of the node's process in bytes."""
        words = Path(f'/proc/{self.process.pid}/statm').read_text().split()
        return int(words[1]) * os.sysconf('SC_PAGE_SIZE')

    def call(self, name: str, wait: bool = True, **request: Any) -> Any:
        """Call a service; what is refused is noted."""
        client = self.services[name]
        future = client.call_async(client.srv_type.Request(**request))
        if not wait:
            self._pending.append(future)
            return None
        return self._answer(future)

    def settle(self) -> None:
        """Wait for the calls under way, and bring the node back to where it tracks.

        Raises:
            RuntimeError: it does not track.
        """
        for future in self._pending:
            self._answer(future)
        self._pending.clear()
        self.noting = False
        for _ in range(3):
            for name in ('configure', 'activate'):
                self.change(name)
            self.set_parameter('max_rate', 0.0)
            self.call('pause', data=False)
            before, end = self.tracked, time.monotonic() + ANSWER / 3
            while self.tracked == before:
                self.show()
                time.sleep(0.05)
                self._check()
                if time.monotonic() > end:
                    break
            else:
                self.noting = True
                return
        raise RuntimeError('the node does not track any more')

    def change(self, name: str) -> None:
        """Ask for a transition."""
        self.call('change_state', transition=Transition(id=STATES[name], label=name))

    def set_parameter(self, name: str, value: Any) -> None:
        """Set a parameter; a refusal is noted."""
        results = self.call(
            'set_parameters', parameters=[Parameter(name, value=value).to_parameter_msg()]
        ).results
        if not results[0].successful:
            self._refused()

    def image(self, size: tuple[int, int] = SIZE) -> Image:
        """The next good image."""
        self.stamp += PERIOD
        pixels = np.random.default_rng(self.stamp).integers(0, 256, (*size, 3), np.uint8)
        message = Image(header=header(self.stamp, 'camera'), height=size[0], width=size[1])
        message.encoding, message.step = 'rgb8', 3 * size[1]
        message.data.frombytes(pixels.tobytes())
        return message

    def show(self, **changes: Any) -> None:
        """Publish an image, with fields changed."""
        message = self.image()
        for name, value in changes.items():
            setattr(message, name, value)
        self.topics['image'].publish(message)

    def leave(self) -> str:
        """End the node. Returns what is wrong with how it ended, if anything."""
        start = time.monotonic()
        self.process.send_signal(signal.SIGINT)
        try:
            status = self.process.wait(ANSWER)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return 'it had to be killed'
        seconds = time.monotonic() - start
        limit = LEAVE * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
        return '' if status == 0 and seconds < limit else f'exit {status} after {seconds:.1f} s'

    def close(self) -> None:
        """End both."""
        self.process.kill()
        self._executor.shutdown()
        self._thread.join(ANSWER)
        rclpy.try_shutdown()

    def wait_ready(self) -> None:
        """Wait until the node serves."""
        for client in self.services.values():
            while not client.wait_for_service(0.5):
                self._check()
        while not self.topics['image'].get_subscription_count():
            self._check()
            time.sleep(0.05)

    def _answer(self, future: Any) -> Any:
        end = time.monotonic() + ANSWER
        while not future.done():
            self._check()
            if time.monotonic() > end:
                raise RuntimeError(f'no answer in {ANSWER:g} s')
            time.sleep(0.002)
        answer = future.result()
        if not getattr(answer, 'success', True):
            self._refused()
        return answer

    def _refused(self) -> None:
        self.said['refused'] += self.noting

    def _check(self) -> None:
        if self.process.poll() is not None:
            raise RuntimeError(f'the node ended with {self.process.returncode}')

    def _on_tracks(self, message: Any) -> None:
        self.tracked += 1

    def _on_report(self, message: Any) -> None:
        for item in message.status[0].values:
            if item.value.isdigit() and item.key.startswith(REPORTS):
                more = int(item.value) - self._counts.get(item.key, 0)
                self._counts[item.key] = int(item.value)
                if more > 0:
                    self.said[item.key] += more

    def _spin(self) -> None:
        with suppress(ExternalShutdownException):
            self._executor.spin()


REPORTS = ('skipped', 'callbacks', 'stream restarts', 'depth: unusable', 'frames failed', 'lost')


# ----------------------------------------------------------------------------------- the faults


def bad_stamp(f: Fuzzer) -> None:
    message = f.image()
    message.header.stamp.nanosec = f.chance.randrange(SECOND, 2**32)
    f.topics['image'].publish(message)


def no_stamp(f: Fuzzer) -> None:
    f.show(header=header(0, 'camera'))


def time_jump(f: Fuzzer) -> None:
    f.show(header=header(f.chance.randrange(-(2**31) * SECOND, 2**31 * SECOND), 'camera'))


def time_forward_for_good(f: Fuzzer) -> None:
    f.stamp = min(f.stamp + f.chance.randrange(400 * 86400 * SECOND), (2**31 - 1000) * SECOND)
    f.show()


def other_camera(f: Fuzzer) -> None:
    f.show(header=header(f.stamp + PERIOD, f.chance.choice(['', 'other', 'ü\n' * 5000])))


def other_size(f: Fuzzer) -> None:
    size = f.chance.randrange(1, 200), f.chance.randrange(1, 200)
    f.topics['image'].publish(f.image(size))


def other_encoding(f: Fuzzer) -> None:
    f.show(encoding=f.chance.choice(ENCODINGS))


def damaged_image(f: Fuzzer) -> None:
    name = f.chance.choice(['height', 'width', 'step'])
    f.show(**{name: f.chance.choice([0, 1, 47, 4096, 2**31, 2**32 - 1])})


def cut_image(f: Fuzzer) -> None:
    message = f.image()
    del message.data[f.chance.randrange(len(message.data)) :]
    f.topics['image'].publish(message)


def damaged_depth(f: Fuzzer) -> None:
    message = f.image()
    message.encoding = f.chance.choice(ENCODINGS)
    message.header.stamp.nanosec = f.chance.choice([0, 5, 2**32 - 1])
    f.topics['depth'].publish(message)


def damaged_calibration(f: Fuzzer) -> None:
    values = [f.chance.choice([0.0, float('nan'), float('inf'), 1e300, -1.0]) for _ in range(9)]
    size = f.chance.choice([0, 48, 2**32 - 1])
    f.topics['camera_info'].publish(
        CameraInfo(header=header(f.stamp, 'camera'), width=size, k=values)
    )


def chaotic_clock(f: Fuzzer) -> None:
    message = Clock()
    message.clock.sec = f.chance.randrange(-(2**31), 2**31)
    message.clock.nanosec = f.chance.randrange(2**32)
    f.topics['/clock'].publish(message)
    time.sleep(0.02)  # only the newest one waits


def random_prompt(f: Fuzzer) -> None:
    def coordinate() -> float:
        return f.chance.choice([f.chance.uniform(-10, 80), *map(float, NUMBERS)])

    few, any_size = f.chance.choice([0, 1, 3]), [0, 1, 5, 40, 2**32 - 1]
    prompt = Prompt(
        id=f.chance.choice([0, 1, 7, 254, 255, 65535]), name='n' * f.chance.choice([0, 9])
    )
    prompt.points = [Point2D(x=coordinate(), y=coordinate()) for _ in range(few)]
    prompt.point_labels = [f.chance.randrange(3) for _ in range(f.chance.choice([0, few, few + 1]))]
    for _ in range(f.chance.choice([0, 1, 2])):
        x, y, width, height = (f.chance.choice(any_size) for _ in range(4))
        prompt.boxes.append(RegionOfInterest(x_offset=x, y_offset=y, width=width, height=height))
    if f.chance.random() < 0.3:
        prompt.mask = f.image(f.chance.choice([SIZE, (5, 5)]))
        prompt.mask.encoding = f.chance.choice(['mono8', '8UC1', 'rgb8'])
    if f.chance.random() < 0.4:
        prompt = Prompt(boxes=[RegionOfInterest(x_offset=3, y_offset=3, width=20, height=20)])
    camera = header(f.chance.choice([0, 0, f.stamp, f.stamp - PERIOD, 17]), '')
    f.show()
    f.call(
        'reset_targets',
        prompts=[prompt] * f.chance.choice([1, 1, 2]),
        image_header=camera,
        keep_existing=f.chance.random() < 0.5,
    )


def huge_prompt(f: Fuzzer) -> None:
    box = RegionOfInterest(x_offset=3, y_offset=3, width=20, height=20)
    count = f.chance.choice([200, 300, 3000])
    f.show()
    f.call('reset_targets', wait=False, prompts=[Prompt(boxes=[box] * count)])
    f.call('clear')


def removals(f: Fuzzer) -> None:
    f.call('remove_targets', ids=[f.chance.randrange(300) for _ in range(f.chance.randrange(4))])


def calls_at_once(f: Fuzzer) -> None:
    for _ in range(8):
        f.call('clear', wait=False)


def pauses(f: Fuzzer) -> None:
    f.call('pause', data=f.chance.random() < 0.5)
    f.show()


def parameters(f: Fuzzer) -> None:
    present = flatten(NodeSettings())
    # what the rest of this run is measured by stays
    names = [n for n in present if not n.startswith(('diagnostics', 'features', 'service_timeout'))]
    name = f.chance.choice([*names, 'nonsense', 'use_sim_time', ''])
    value = f.chance.choice([*NUMBERS, '', 'x' * 5000, True, [1, 2]])
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        value = float(value)
    f.set_parameter(name, value)


def transitions(f: Fuzzer) -> None:
    f.call('change_state', wait=False, transition=Transition(id=STATES[f.chance.choice([*STATES])]))
    f.show()


FAULTS: dict[str, Callable[[Fuzzer], None]] = {
    'stamp with a fraction of a second or more': bad_stamp,
    'image without a stamp': no_stamp,
    'one image of any other time': time_jump,
    'time forward, for good': time_forward_for_good,
    'image of another camera': other_camera,
    'another size in every image': other_size,
    'another or an unknown encoding': other_encoding,
    'height, width or step that do not fit': damaged_image,
    'data cut short': cut_image,
    'unusable depth': damaged_depth,
    'unusable calibration': damaged_calibration,
    'chaotic /clock': chaotic_clock,
    'random prompts': random_prompt,
    'prompt of up to 3000 boxes, then clear': huge_prompt,
    'removal of random ids': removals,
    'many calls at once': calls_at_once,
    'pause and go on': pauses,
    'random parameters': parameters,
    'random transitions beside images': transitions,
}


def run(fuzzer: Fuzzer, seconds: float) -> tuple[dict[str, Row], str]:
    """All faults in random order until the time is over. Returns the rows, and what went wrong."""
    rows = {name: Row() for name in FAULTS}
    fuzzer.wait_ready()
    fuzzer.settle()
    end = time.monotonic() + seconds
    while True:
        names = list(FAULTS)
        fuzzer.chance.shuffle(names)
        for name in names:
            if time.monotonic() > end and all(row.trials for row in rows.values()):
                return rows, ''
            row, before = rows[name], fuzzer.memory
            fuzzer.said.clear()
            try:
                for _ in range(BATCH):
                    row.trials += 1
                    FAULTS[name](fuzzer)
                    time.sleep(PACE)
                fuzzer.settle()
            except RuntimeError as error:
                return rows, f'{name}: {error}'
            row.survived = row.trials
            row.grown += fuzzer.memory - before
            time.sleep(0.3)  # for the report
            row.reported += fuzzer.said


def main() -> int:
    """Run and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--minutes', type=float, default=1.0)
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--log', type=Path, default=Path(os.devnull), help='file for its log')
    options = parser.parse_args()
    with options.log.open('w') as log:
        fuzzer = Fuzzer(options.seed, log)
    start, begun = time.monotonic(), 0
    try:
        rows, wrong = run(fuzzer, 60 * options.minutes)
        begun = sum(row.trials for row in rows.values())
        wrong = wrong or fuzzer.leave()
    finally:
        fuzzer.close()
    print(f'seed {options.seed}, {time.monotonic() - start:.0f} s, {begun} trials\n')
    print('| fault | trials | survived | reported as | memory, MiB |')
    print('|---|---|---|---|---|')
    for name, row in rows.items():
        said = (
            ', '.join(f'{what} ({n})' for what, n in row.reported.most_common(3)) or 'nothing wrong'
        )
        grown = f'{row.grown / MEBIBYTE:+.1f}'
        print(f'| {name} | {row.trials} | {row.survived} | {said} | {grown} |')
    if wrong:
        print(f'\nnot survived: {wrong}')
    return 1 if wrong else 0


if __name__ == '__main__':
    sys.exit(main())
