"""The executable, as a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import Any

import pytest

pytest.importorskip('rclpy', reason='the room ros needs rclpy')
pytest.importorskip('drift_ros.msg', reason='the interfaces are not built: run `make build`')

TRACKER = [sys.executable, '-m', 'drift_ros.ros.main', '--ros-args']


@pytest.mark.parametrize(
    ('parameter', 'said'),
    [
        ('window.strid:=3', "unknown setting 'window.strid'; did you mean 'window.stride'"),
        ('window.length:=1000', "'window.length' is 1000"),
    ],
)
def test_bad_parameters_end_the_process_with_their_name(parameter: str, said: str) -> None:
    ended = subprocess.run(
        [*TRACKER, '-p', parameter], capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == 2
    assert said in ended.stderr
    assert 'Traceback' not in ended.stderr


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_it_starts_by_itself_and_ends_when_told(tools: Any, tmp_path: Any, number: int) -> None:
    log = tmp_path / 'log'
    values = ('autostart:=true', 'features.name:=patch', 'warm_up_size:=64x48', 'queue:=2')
    parameters = [word for value in values for word in ('-p', value)]
    with log.open('w') as file:
        process = subprocess.Popen(
            [*TRACKER, *parameters],
            stderr=file,
            env=os.environ,
        )
        try:
            tools.until(lambda: 'images from /image' in log.read_text())
            process.send_signal(number)
            assert process.wait(30) == 0
        finally:
            process.kill()
    assert 'Traceback' not in log.read_text()


def test_a_failed_start_leaves_a_node_to_mend(tools: Any, tmp_path: Any) -> None:
    log = tmp_path / 'log'
    with log.open('w') as file:
        parameters = ['-p', 'autostart:=true', '-p', 'features.name:=nonsense']
        process = subprocess.Popen([*TRACKER, *parameters], stderr=file)
        try:
            tools.until(lambda: 'lifecycle set /tracker configure' in log.read_text())
            assert "features.name is 'nonsense'" in log.read_text()
            assert process.poll() is None
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(30)
