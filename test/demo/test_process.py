"""The node's process: found, watched, ended."""

from __future__ import annotations

import sys
import time

import pytest

from drift_ros.demo.process import MissingNodeError, NodeDiedError, NodeProcess, find_executable


def test_a_node_that_dies_is_reported_with_its_last_words(tmp_path):
    command = [sys.executable, '-c', 'print("cannot go on"); raise SystemExit(3)']
    with NodeProcess(command, tmp_path / 'node.log') as process:
        process._process.wait(20)
        with pytest.raises(NodeDiedError, match=r'(?s)status 3.*node\.log'):
            process.check()


def test_a_running_node_is_interrupted_at_the_end(tmp_path):
    code = (
        'import time\ntry: print("up", flush=True); time.sleep(60)\n'
        'except KeyboardInterrupt: print("bye")'
    )
    with NodeProcess([sys.executable, '-c', code], tmp_path / 'node.log') as process:
        while 'up' not in process.last_lines().splitlines()[-1]:
            time.sleep(0.05)
        process.check()
    assert 'bye' in process.last_lines()


def test_a_stubborn_node_is_killed(tmp_path):
    code = (
        'import signal,time\nsignal.signal(2, signal.SIG_IGN)\nprint(1, flush=True)\ntime.sleep(60)'
    )
    process = NodeProcess([sys.executable, '-c', code], tmp_path / 'node.log')
    while '1' not in process.last_lines().splitlines()[-1]:
        time.sleep(0.05)
    process.stop(timeout=0.2)
    with pytest.raises(NodeDiedError, match='-9'):
        process.check()


def test_the_executable_is_found_in_the_prefixes(tmp_path, monkeypatch):
    monkeypatch.setenv('AMENT_PREFIX_PATH', f'/nowhere:{tmp_path}')
    place = tmp_path / 'lib' / 'drift_ros' / 'tracker'
    monkeypatch.setattr(sys, 'prefix', str(tmp_path / 'other'))
    with pytest.raises(MissingNodeError, match='make build'):
        find_executable()
    place.parent.mkdir(parents=True)
    place.write_text('#!/bin/sh\n')
    place.chmod(0o755)
    assert find_executable() == place
