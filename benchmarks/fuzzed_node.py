"""A tracker node in a process of its own, and a client that mistreats it; see faults.py."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import suppress
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
from sensor_msgs.msg import CameraInfo, Image
from std_srvs.srv import SetBool, Trigger

from drift_ros.msg import TrackedObjectArray
from drift_ros.ros.messages import header
from drift_ros.srv import RemoveTargets, ResetTargets

ANSWER = 60.0  # s
LEAVE = 2.0  # s, on a machine with a core for it
QUEUE = 200  # answers that may wait: a client hears all of its service
SIZE = (48, 64)
PERIOD = 33_333_333
SECOND = 10**9
PARAMETERS = (
    'autostart:=true',
    'features.name:=patch',
    'features.resolution:=48',
    'warm_up_size:=64x48',
    'diagnostics_period:=0.2',
    'use_sim_time:=true',
)
STATES = {'configure': 1, 'cleanup': 2, 'activate': 3, 'deactivate': 4}
REPORTS = ('skipped', 'callbacks', 'stream restarts', 'depth: unusable', 'frames failed', 'lost')


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
                self.check()
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
                self.check()
        while not self.topics['image'].get_subscription_count():
            self.check()
            time.sleep(0.05)

    def _answer(self, future: Any) -> Any:
        end = time.monotonic() + ANSWER
        while not future.done():
            self.check()
            if time.monotonic() > end:
                raise RuntimeError(f'no answer in {ANSWER:g} s')
            time.sleep(0.002)
        answer = future.result()
        if not getattr(answer, 'success', True):
            self._refused()
        return answer

    def _refused(self) -> None:
        self.said['refused'] += self.noting

    def check(self) -> None:
        """Nothing, as long as the process runs."""
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
