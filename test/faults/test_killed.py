"""A command that is killed leaves what says so, and the next run knows how to go on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import trackers
from clips import SIZE, picture, red_mask
from command import drift
from davis_folders import davis_folder
from PIL import Image

from drift_ros.errors import SourceError
from drift_ros.io.bags import BagReader

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.slow


def kill(arguments: list[object], when: Callable[[], bool]) -> None:
    """Run a command, and kill it as soon as something is true."""
    process = subprocess.Popen(
        [sys.executable, '-m', 'drift_ros.cli.main', *map(str, arguments)],
        cwd=Path(trackers.__file__).parent,
        env=os.environ | {'PYTHONPATH': f'{ROOT}:{os.environ.get("PYTHONPATH", "")}'},
        stderr=subprocess.PIPE,
    )
    until = time.monotonic() + 120
    while not when() and process.poll() is None and time.monotonic() < until:
        time.sleep(0.01)
    assert process.poll() is None, process.communicate()[1].decode()
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL


def test_track(tmp_path):
    frames, out = tmp_path / 'frames', tmp_path / 'out'
    frames.mkdir()
    for index in range(200):
        cv2.imwrite(str(frames / f'{index:03d}.png'), picture(index % 6))
    values = np.zeros(SIZE, np.uint8)
    values[red_mask(0)] = 1
    Image.fromarray(values).save(tmp_path / 'first.png')
    arguments = ['track', frames, '--prompts', tmp_path / 'first.png', '--out', out]
    arguments += ['--features', 'patch', '--set', 'features.resolution=64']
    kill(arguments, (out / 'labels' / '003.png').exists)
    assert json.loads((out / 'run.json').read_text())['state'] == 'running'
    (out / 'labels' / '.003.png.1.part').touch()  # as if it was killed while it wrote this one
    (out / 'labels' / 'mine.txt').write_text('not of the run')
    code, said = drift(*arguments)
    assert code == 2 and 'not finished' in said and '--overwrite' in said
    (out / 'labels' / 'mine.txt').rename(out / 'mine.txt')
    for file in sorted(frames.iterdir())[8:]:
        file.unlink()
    code, said = drift(*arguments, '--overwrite')
    assert code == 0, said
    assert json.loads((out / 'run.json').read_text())['state'] == 'finished'
    assert len(list((out / 'labels').iterdir())) == 8
    assert (out / 'mine.txt').read_text() == 'not of the run'


def test_evaluate(tmp_path, monkeypatch):
    data, out = davis_folder(tmp_path / 'data', ['a', 'b'], frames=8), tmp_path / 'out'
    arguments = ['evaluate', data, '--layout', 'davis', '--method', 'trackers:Slow']
    arguments += ['--no-pictures', '--out', out]
    kill(arguments, (out / 'sequences' / 'b' / 'labels' / '00001.png').exists)
    assert json.loads((out / 'run.json').read_text())['state'] == 'running'
    done = (out / 'sequences' / 'a' / 'score.json').stat().st_mtime_ns
    assert not (out / 'sequences' / 'b' / 'score.json').exists()
    monkeypatch.syspath_prepend(Path(trackers.__file__).parent)
    code, said = drift(*arguments)
    assert code == 0 and '2 of 2 sequences' in said
    assert (out / 'sequences' / 'a' / 'score.json').stat().st_mtime_ns == done
    assert json.loads((out / 'run.json').read_text())['state'] == 'finished'


def test_record(tmp_path):
    pytest.importorskip('rclpy', reason='drift record needs ROS')
    from sensor_msgs.msg import Image as Message

    from drift_ros.ros.tools.playback import node_of_its_own

    out = tmp_path / 'bag'
    file = out / 'bag.mcap'
    message = Message(height=480, width=640, step=1920, encoding='rgb8', data=bytes(921_600))
    with node_of_its_own('camera') as node:
        publisher = node.create_publisher(Message, '/image', 10)

        def recorded() -> bool:
            publisher.publish(message)
            time.sleep(0.05)
            return file.exists() and file.stat().st_size > 3_000_000

        kill(['record', '/image', '--out', out], recorded)
    with pytest.raises(SourceError, match='mcap recover'):
        BagReader(out)
    size = file.stat().st_size
    code, said = drift('record', '/image', '--out', out, '--duration', 1)
    assert code == 2 and 'exists' in said
    assert file.stat().st_size == size
