"""How fast video is rendered: frames per second on one core, by size and kind.

    OMP_NUM_THREADS=1 python benchmarks/synthetic.py [--clips 24]

Each row makes clips of 16 frames with all their truth, setting up included, in one thread. `ms a
clip` is the setting up (textures, motion), `ms a frame` the rendering; both are processor time, so
that what else runs on the machine counts less. The noise tiles, made once per process, are left
out.
"""

from __future__ import annotations

import argparse
import time

import cv2
from rich.console import Console
from rich.progress import track
from rich.table import Table

from drift_ros.synthetic import RandomSettings, random_scene

SIZES = ((128, 128), (160, 160), (320, 240))
KINDS = {
    'mixed': {},
    'cutouts': {'balls': 0.0},
    'balls': {'balls': 1.0},
    'mixed, no points': {'points': 0},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--clips', type=int, default=24, help='clips per row')
    options = parser.parse_args()
    cv2.setNumThreads(1)
    table = Table(
        'size', 'kind', 'ms a clip', 'ms a frame', 'frames/s', 'frames/s (wall)', box=None
    )
    cases = [(size, kind) for size in SIZES for kind in KINDS]
    for (width, height), kind in track(cases, console=Console(stderr=True)):
        settings = RandomSettings(width=width, height=height, **KINDS[kind])
        table.add_row(f'{width}x{height}', kind, *_row(settings, options.clips))
    Console(width=100).print(table)


def _row(settings: RandomSettings, clips: int) -> list[str]:
    random_scene(10**6, settings).clip()
    making = rendering = 0.0
    start = time.perf_counter()
    for seed in range(clips):
        a = time.process_time()
        world = random_scene(seed, settings)
        b = time.process_time()
        world.clip()
        making += b - a
        rendering += time.process_time() - b
    wall = time.perf_counter() - start
    frames = clips * settings.frames
    return [
        f'{1e3 * making / clips:.1f}',
        f'{1e3 * rendering / frames:.2f}',
        f'{frames / (making + rendering):.0f}',
        f'{frames / wall:.0f}',
    ]


if __name__ == '__main__':
    main()
