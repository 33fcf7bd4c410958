"""What the embedded models cost, and how they are read best.

    python benchmarks/embedded.py speed [--size 480x640] [--threads 2] [--channels 32,64,128 ...]
    python benchmarks/embedded.py sweep --video DIR [--image DIR] [--snr 2 20] [--blocks 1,2 2]
        [--norms white mean] [--motions 1 0] [--temperatures 0.1] [--alphas 0.6] [--split val]
        [--clips 6] [--out FOLDER]

`speed`: parameters, operations per frame up to the block that is read, frames per second with
windows that do not overlap, and peak memory of the process, random weights.

`sweep`: J (mean intersection over union, the first frame left out, percent) of label propagation on
videos of two identical balls, for the video model (R_v), the same with its temporal layers left out
(bypass), the image model (R_i), the image model with paths read from its own descriptors (which no
extractor does), both together (R_f) and the `patch` baseline. Norms: `white`, as the extractors do
it, `mean` (only the mean is removed), `raw`. Motions: weights of the paths. Choose on the split
`val`, report on `test`. Writes sweep.csv and sweep.png.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import resource
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch.utils.flop_counter import FlopCounterMode

from drift_ros.descriptors import Descriptors
from drift_ros.features.base import FeatureExtractor, Window
from drift_ros.features.device import choose_device
from drift_ros.features.embedded.create import load
from drift_ros.features.embedded.extractor import EmbeddedExtractor
from drift_ros.features.embedded.model import EmbeddedUNet
from drift_ros.features.embedded.paths import describe_paths
from drift_ros.features.embedded.reading import Reading, Whitening
from drift_ros.features.fused import FusedExtractor
from drift_ros.features.patch import PatchExtractor
from drift_ros.settings import PropagationSettings
from drift_ros.training.calibrate import measure, rendered
from drift_ros.training.validation import crossing_clips, jaccard, track

NAMES = {'video': 'R_v', 'bypass': 'R_v, bypass', 'image': 'R_i'}
COLOURS = {'video': (200, 80, 30), 'bypass': (200, 170, 120), 'image': (40, 130, 220)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parts = parser.add_subparsers(dest='part', required=True)
    cost = parts.add_parser('speed')
    cost.add_argument('--size', default='480x640', help='height x width in px')
    cost.add_argument('--threads', type=int, default=torch.get_num_threads())
    cost.add_argument('--device', default='cpu')
    cost.add_argument('--channels', nargs='+', default=['32,64,128', '64,128,256'])
    cost.add_argument('--layers', type=int, default=1)
    cost.add_argument('--frames', type=int, default=16)
    reading = parts.add_parser('sweep')
    reading.add_argument('--video', type=Path)
    reading.add_argument('--image', type=Path)
    reading.add_argument('--snr', type=float, nargs='+', default=[0.05, 0.3, 2, 20, 100])
    reading.add_argument('--blocks', nargs='+', default=['1,2'])
    reading.add_argument('--norms', nargs='+', default=['white'])
    reading.add_argument('--motions', type=float, nargs='+', default=[1.0])
    reading.add_argument('--temperatures', type=float, nargs='+', default=[0.1])
    reading.add_argument('--alphas', type=float, nargs='*', default=[0.6])
    reading.add_argument(
        '--kinds', nargs='+', default=['patch', 'video', 'bypass', 'image', 'paths', 'fused']
    )
    reading.add_argument('--split', choices=('val', 'test'), default='val')
    reading.add_argument('--clips', type=int, default=6)
    reading.add_argument('--device', default='auto')
    reading.add_argument('--out', type=Path)
    options = parser.parse_args()
    if options.part == 'speed':
        speed(options)
    else:
        sweep(options)


def speed(options: argparse.Namespace) -> None:
    torch.set_num_threads(options.threads)
    device = choose_device(options.device)
    height, width = map(int, options.size.split('x'))
    table = Table('channels', 'M params', 'block', 'GFLOP/frame', 'frames/s', 'peak MiB', box=None)
    images = torch.randint(0, 256, (options.frames, 3, height, width), dtype=torch.uint8)
    window = Window(images.to(device), tuple(range(options.frames)), options.frames)
    for text in options.channels:
        channels = tuple(map(int, text.split(',')))
        for block in (len(channels) - 2, len(channels) - 1):
            model = EmbeddedUNet(channels, options.layers, frames=options.frames)
            size = sum(p.numel() for p in model.parameters()) / 1e6
            plain = Whitening(torch.zeros(channels[-1 - block]), torch.eye(channels[-1 - block]))
            extractor = EmbeddedExtractor(
                'embedded',
                model,
                Reading(1.0, (block,), {block: plain}, {block: plain}),
                device=device,
                dtype=torch.float32,
            )
            with FlopCounterMode(display=False) as counter:
                extractor.extract(window)
            rate = options.frames / min(_seconds(extractor, window) for _ in range(3))
            operations = counter.get_total_flops() / options.frames / 1e9
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            table.add_row(
                text,
                f'{size:.2f}',
                f'{block}',
                f'{operations:.2f}',
                f'{rate:.1f}',
                f'{peak:.0f}',
            )
    print(f'{width}x{height}, {options.frames} frames, {options.threads} threads, {device}')
    Console(width=100).print(table)


def _seconds(extractor: FeatureExtractor, window: Window) -> float:
    start = time.perf_counter()
    extractor.extract(window).features.sum().item()
    return time.perf_counter() - start


def sweep(options: argparse.Namespace) -> None:
    device = choose_device(options.device)
    clips = crossing_clips(options.clips, 640, 480, split=options.split)
    rows: list[dict[str, Any]] = []
    heads = ('features', 'blocks', 'snr', 'norm', 'motion', 'temperature', 'J', 'of each clip')
    table = Table(*heads, box=None)
    for row, extractor in _extractors(options, device):
        for temperature in options.temperatures:
            settings = PropagationSettings(temperature=temperature)
            found = [float(np.mean(jaccard(track(extractor, c, settings), c))) for c in clips]
            each = ' '.join(f'{score:.0f}' for score in found)
            score = round(float(np.mean(found)), 1)
            rows.append(row | {'temperature': temperature, 'J': score, 'each': each})
            print(*rows[-1].values(), flush=True)
            table.add_row(*map(str, rows[-1].values()))
    Console(width=120).print(table)
    if options.out:
        options.out.mkdir(parents=True, exist_ok=True)
        with (options.out / 'sweep.csv').open('w', newline='') as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
        cv2.imwrite(str(options.out / 'sweep.png'), plot(rows))


def _extractors(
    options: argparse.Namespace, device: torch.device
) -> Iterator[tuple[dict[str, Any], FeatureExtractor]]:
    """What is compared, each with the beginning of its row."""
    if 'patch' in options.kinds:
        yield _row('patch', '', 0.0, 'mean', 0.0), PatchExtractor(device, torch.float32)
    videos = rendered(16)
    for text, snr, norm, motion in itertools.product(
        options.blocks, options.snr, options.norms, options.motions
    ):
        blocks = tuple(map(int, text.split(',')))
        made: dict[str, FeatureExtractor] = {}
        for kind, folder, temporal in (
            ('video', options.video, True),
            ('bypass', options.video, False),
            ('image', options.image, True),
        ):
            needed = 'fused' in options.kinds and kind != 'bypass'
            needed |= 'paths' in options.kinds and kind == 'image'
            if folder is None or not (kind in options.kinds or needed):
                continue
            model = load(folder, torch.float32)
            reading = _changed(measure(model, snr, blocks, device, videos), norm)
            made[kind] = EmbeddedExtractor(
                kind,
                model,
                reading,
                temporal=temporal,
                motion=motion,
                device=device,
                dtype=torch.float32,
            )
            if kind in options.kinds:
                yield _row(kind, text, snr, norm, motion), made[kind]
        if 'image' in made and 'paths' in options.kinds and motion:
            yield _row('image + paths', text, snr, norm, motion), WithPaths(made['image'], motion)
        if {'video', 'image'} <= made.keys() and 'fused' in options.kinds:
            for alpha in options.alphas:
                both = FusedExtractor(made['video'], made['image'], alpha)
                yield _row(f'fused {alpha}', text, snr, norm, motion), both


class WithPaths(FeatureExtractor):
    """Another extractor's descriptors of single frames, and the paths that they tell of."""

    def __init__(self, inner: FeatureExtractor, motion: float) -> None:
        self.name = 'with-paths'
        self.inner = inner
        self.motion = motion
        self.device, self.dtype = inner.device, inner.dtype
        self.window_length, self.size_multiple = 16, inner.size_multiple

    def extract(self, window: Window) -> Descriptors:
        """As the image model does, and paths; every frame of the window counts."""
        maps = self.inner.extract(Window(window.images, window.stamps, len(window.stamps)))
        paths = self.motion * describe_paths(maps.features)
        both = torch.cat([maps.features, paths], 1)[-window.new :]
        return Descriptors.of(both, maps.stride)


def _row(kind: str, blocks: str, snr: float, norm: str, motion: float) -> dict[str, Any]:
    return {'features': kind, 'blocks': blocks, 'snr': snr, 'norm': norm, 'motion': motion}


def _changed(reading: Reading, norm: str) -> Reading:
    """The same reading with another normalisation."""

    def change(known: Mapping[int, Whitening]) -> dict[int, Whitening]:
        if norm == 'white':
            return dict(known)
        return {
            block: Whitening(
                w.mean if norm == 'mean' else torch.zeros_like(w.mean), torch.eye(len(w.mean))
            )
            for block, w in known.items()
        }

    return replace(reading, joined=change(reading.joined), alone=change(reading.alone))


def plot(rows: list[dict[str, Any]]) -> np.ndarray:
    """J over the signal-to-noise ratio, the best of each ratio, as a picture (H, W, 3) BGR."""
    width, height, margin = 800, 460, 60
    image = np.full((height, width, 3), 255, np.uint8)
    ratios = sorted({row['snr'] for row in rows if row['snr'] > 0})
    left, right = np.log10(ratios[0]), np.log10(max(ratios[-1], ratios[0] * 1.01))

    def place(snr: float, score: float) -> tuple[int, int]:
        across = (np.log10(snr) - left) / (right - left) * (width - 2 * margin)
        return margin + round(across), height - margin - round(score / 100 * (height - 2 * margin))

    def write(text: str, x: int, y: int, colour: tuple[int, int, int] = (90, 90, 90)) -> None:
        cv2.putText(image, text, (x, y), cv2.FONT_HERSHEY_SIMPLEX, 0.45, colour, 1, cv2.LINE_AA)

    for score in range(0, 101, 20):
        y = place(ratios[0], score)[1]
        cv2.line(image, (margin, y), (width - margin, y), (225, 225, 225))
        write(f'{score}', margin - 34, y + 4)
    for snr in ratios:
        write(f'{snr:g}', place(snr, 0)[0] - 12, height - margin + 20)
    write('J in percent over the signal-to-noise ratio', width // 3, height - 14)
    baseline = max((row['J'] for row in rows if row['features'] == 'patch'), default=0)
    y = place(ratios[0], baseline)[1]
    cv2.line(image, (margin, y), (width - margin, y), (60, 160, 60), 1, cv2.LINE_AA)
    write('patch', width - margin + 6, y + 4, (60, 160, 60))
    for index, (kind, colour) in enumerate(COLOURS.items()):
        best = {
            snr: max((r['J'] for r in rows if (r['features'], r['snr']) == (kind, snr)), default=-1)
            for snr in ratios
        }
        points = [place(snr, score) for snr, score in best.items() if score >= 0]
        if points:
            cv2.polylines(image, [np.array(points, np.int32)], False, colour, 2, cv2.LINE_AA)
            write(NAMES[kind], margin + 160 * index, 30, colour)
    return image


if __name__ == '__main__':
    main()
