"""Several cameras in one node: frames answered by each, latency and memory.

    python benchmarks/cameras.py
    python benchmarks/cameras.py --cameras 1 2 --size 320x240 --set features.name=patch

As benchmarks/live.py, whose camera and node these are: each camera has three targets, and publishes
at its rate whether or not the node keeps up.
"""

from __future__ import annotations

import argparse
import sys
import threading
import time
from pathlib import Path

import numpy as np
from live import ANSWER, SETTLE, START, Camera, Clip, cpu_time, process, render

from drift_ros.demo.process import find_executable
from drift_ros.prompts import Prompt
from drift_ros.ros.tools.client import Spinner, TrackerClient


def main() -> None:
    """Measure and print the table."""
    options = arguments()
    clip = render(options.scene, options.size)
    print('| cameras | frames/s of each | all | p50, ms | p95, ms | CPU per frame, ms | MiB |')
    print('|' + '---|' * 7)
    for count in options.cameras:
        print('| ' + ' | '.join(row(options, clip, count)) + ' |', flush=True)


def row(options: argparse.Namespace, clip: Clip, count: int) -> list[str]:
    """The cells for a number of cameras."""
    names = [f'camera{n}' for n in range(count)] if count > 1 else ['']
    parameters = {
        'autostart': 'true',
        'features.device': options.device,
        'features.resolution': '0',
        'warm_up_size': options.size,
        'cameras': str(names),
    } | dict(value.split('=', 1) for value in options.set)
    words = [word for name, value in parameters.items() for word in ('-p', f'{name}:={value}')]
    with process([str(find_executable()), '--ros-args', *words]) as pid, Spinner('camera') as own:
        cameras = []
        for name in names:
            below = f'{name}/' if name else ''
            camera = Camera(own.node, f'tracker/{below}labels', below)
            client = TrackerClient(own.node, camera=name)
            client.wait_active(START, autostart=True)
            camera.wait_for_partner()
            stamp = camera.send(clip.images[0])
            camera.wait_for(stamp)
            client.reset_targets([Prompt(mask=mask) for mask in clip.masks], stamp)
            cameras.append(camera)
        run(cameras, clip, options.rate, SETTLE)
        begin, cpu = time.monotonic(), cpu_time(pid)
        stamps = run(cameras, clip, options.rate, options.seconds)
        seconds = time.monotonic() - begin
        time.sleep(1.0)
        cpu = cpu_time(pid) - cpu
        memory = resident(pid)
    rates, latencies = [], list[float]()
    for camera, sent in zip(cameras, stamps, strict=True):
        answered = [camera.latency(s) for s in sent if s in camera.came]
        rates.append(len(answered) / seconds)
        latencies += answered
    half, most = np.percentile(latencies, (50, 95)) * 1e3 if latencies else (np.nan, np.nan)
    each = ', '.join(f'{rate:.1f}' for rate in rates)
    per_frame = cpu / max(1, len(latencies)) * 1e3
    numbers = [f'{number:.0f}' for number in (half, most, per_frame, memory)]
    return [str(count), each, f'{sum(rates):.1f}', *numbers]


def run(cameras: list[Camera], clip: Clip, rate: float, seconds: float) -> list[list[int]]:
    """All cameras at their rate at once; the stamps of each."""
    stamps: list[list[int]] = [[] for _ in cameras]

    def one(n: int) -> None:
        stamps[n] = cameras[n].run(clip, rate, seconds)

    threads = [threading.Thread(target=one, args=(n,)) for n in range(len(cameras))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(seconds + ANSWER)
    return stamps


def resident(pid: int) -> float:
    """Memory in MiB that a process holds for itself."""
    lines = Path(f'/proc/{pid}/smaps_rollup').read_text().splitlines()
    kept = ('Private_Clean', 'Private_Dirty')
    return sum(int(line.split()[1]) for line in lines if line.startswith(kept)) / 1024


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--cameras', type=int, nargs='+', default=[1, 2, 4], help='how many')
    parser.add_argument('--size', default='320x240', metavar='WIDTHxHEIGHT')
    parser.add_argument('--rate', type=float, default=12.0, help='of each camera, in Hz')
    parser.add_argument('--seconds', type=float, default=20.0, help='that are counted')
    parser.add_argument('--device', default='cpu', help='cpu or cuda')
    parser.add_argument('--scene', default='similar-3-00', help='its objects are the targets')
    parser.add_argument('--set', action='append', default=[], metavar='NAME=VALUE', help='setting')
    return parser.parse_args()


if __name__ == '__main__':
    sys.exit(main())
