"""A short run of the seeded fuzz; `benchmarks/faults.py` runs it for as long as one likes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip('rclpy', reason='the room ros needs rclpy')
pytest.importorskip('drift_ros.msg', reason='the interfaces are not built: run `make build`')

SCRIPT = Path(__file__).resolve().parents[3] / 'benchmarks' / 'faults.py'


@pytest.mark.slow
@pytest.mark.skipif(not Path('/proc/self/statm').exists(), reason='reads /proc')
def test_the_node_survives_every_fault_and_leaves(tmp_path: Path) -> None:
    log = tmp_path / 'log'
    command = [sys.executable, str(SCRIPT), '--minutes', '0.2', '--seed', '0', '--log', str(log)]
    ended = subprocess.run(
        command, capture_output=True, text=True, timeout=280, check=False, env=dict(os.environ)
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr + log.read_text()[-4000:]
    rows = [line.split('|')[1:-1] for line in ended.stdout.splitlines() if line.startswith('| ')]
    assert all(int(trials) > 0 and trials == survived for _, trials, survived, *_ in rows[1:])
    assert 'Traceback' in log.read_text()  # of /clock: exceptions are told with theirs
