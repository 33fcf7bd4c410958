"""The node's process ends when it is told to, whatever it does then."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='the room ros needs rclpy')
pytest.importorskip('drift_ros.msg', reason='the interfaces are not built: run `make build`')

LIMIT = 2.0  # s from the signal to the end, on a machine with a core for it
SEED, MOMENTS = 0, int(os.environ.get('DRIFT_FAULT_MOMENTS', '4'))


class Process:
    """The executable, its log in a file."""

    def __init__(self, log: Path, *parameters: str) -> None:
        words = [word for value in parameters for word in ('-p', value)]
        self._log = log
        # what the process inherits; Python leaves it so, the first instruction of `main` does not
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        with log.open('w') as file:
            self.process = subprocess.Popen(
                [sys.executable, '-m', 'drift_ros.ros.main', '--ros-args', *words], stderr=file
            )
        signal.signal(signal.SIGINT, before)

    @property
    def log(self) -> str:
        return self._log.read_text()

    def ignores_sigint(self) -> bool:
        """Whether SIGINT is ignored."""
        status = Path(f'/proc/{self.process.pid}/status').read_text()
        ignored = int(next(w for w in status.splitlines() if w.startswith('SigIgn')).split()[1], 16)
        return bool(ignored >> (signal.SIGINT - 1) & 1)

    def begin(self, tools: Any) -> None:
        """Wait for the first instruction of `main`."""
        tools.until(lambda: not self.ignores_sigint())

    def end(self, number: int) -> tuple[int, float]:
        """Exit status, and seconds until the end."""
        start = time.monotonic()
        self.process.send_signal(number)
        try:
            return self.process.wait(20), time.monotonic() - start
        finally:
            self.process.kill()
            self.process.wait()


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Any]:
    made: list[Process] = []

    def start(*parameters: str) -> Process:
        made.append(Process(tmp_path / f'{len(made)}.log', *parameters))
        return made[-1]

    yield start
    for process in made:
        process.process.kill()
        process.process.wait()


def check(process: Process, number: int, when: str) -> None:
    limit = LIMIT * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
    status, seconds = process.end(number)
    assert status in (0, -number), f'{when}: exit {status}\n{process.log}'
    assert seconds < limit, f'{when}: {seconds:.1f} s'
    assert 'Traceback' not in process.log, when
    assert 'terminate' not in process.log, when


@pytest.mark.skipif(not Path('/proc/self/status').exists(), reason='reads /proc')
@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_from_the_first_instruction_on(tools: Any, processes: Any, number: int) -> None:
    process = processes('autostart:=true')
    process.begin(tools)
    check(process, number, 'at once')


@pytest.mark.skipif(not Path('/proc/self/status').exists(), reason='reads /proc')
def test_at_random_moments(tools: Any, processes: Any) -> None:
    """Imports, the making of the node, the load of the default model, warming up, idle."""
    chance = random.Random(SEED)
    for _ in range(MOMENTS):
        number, wait = chance.choice([signal.SIGINT, signal.SIGTERM]), chance.uniform(0, 8)
        process = processes('autostart:=true')
        process.begin(tools)
        time.sleep(wait)
        check(process, number, f'{signal.Signals(number).name} after {wait:.2f} s')


def test_while_a_prompt_is_at_work_after_the_cleanup(tools: Any, processes: Any) -> None:
    """Its thread is inside OpenCV, and the node has forgotten it."""
    from sensor_msgs.msg import Image

    from drift_ros.prompts.prompt import Prompt
    from drift_ros.ros.tools.client import Spinner, TrackerClient, prompt_message
    from drift_ros.srv import ResetTargets

    process = processes('autostart:=true', 'features.name:=patch', 'warm_up_size:=64x48')
    with Spinner('fault_client') as spinner:
        client = TrackerClient(spinner.node)
        client.wait_active(60, autostart=True)
        camera = spinner.node.create_publisher(Image, 'image', 10)
        reset = spinner.node.create_client(ResetTargets, '/tracker/reset_targets')
        tools.until(camera.get_subscription_count)
        message = Image(encoding='rgb8', height=480, width=640, step=1920)
        message.header.stamp.sec = 1
        message.data.frombytes(random.Random(0).randbytes(480 * 1920))
        camera.publish(message)
        prompt = prompt_message(Prompt(boxes=np.array([(10, 10, 400, 400)] * 200, float)))
        waiting = reset.call_async(ResetTargets.Request(prompts=[prompt]))
        time.sleep(0.7)
        assert not waiting.done() or not waiting.result().success
        client.change_state('deactivate')
        client.change_state('cleanup')
        check(process, signal.SIGINT, 'after the cleanup')
