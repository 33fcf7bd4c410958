"""What the embedded models cost, and how they are read best.

    python benchmarks/embedded.py speed [--size 480x640] [--threads 2] [--channels 32,64,128 ...]
    python benchmarks/embedded.py sweep --video DIR [--image DIR] [--snr 0.1,1,10] [--blocks 1,2]
        [--norms mean,std,white] [--temperatures 0.05,0.1] [--clips 6] [--out FOLDER]

`speed`: parameters, operations per frame up to the block that is read, frames per second with
windows that do not overlap, and peak memory of the process, random weights.

`sweep`: J (mean intersection over union, the first frame left out, percent) of label propagation on
videos of two identical balls of the split `val`, for the video model (R_v), the same with its
temporal layers left out (bypass), the image model (R_i) and the `patch` baseline. Norms: `raw`,
`mean` (the mean over the window removed), `std` (then divided by the deviation of each channel),
`white` (then decorrelated). Writes sweep.csv and sweep.png.
"""

from __future__ import annotations

import argparse
import csv
import resource
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from drift_ros.features.base import FeatureExtractor, FeatureMap, Window
from drift_ros.features.device import choose_device
from drift_ros.features.embedded.create import load
from drift_ros.features.embedded.extractor import EmbeddedExtractor, level
from drift_ros.features.embedded.model import EmbeddedUNet
from drift_ros.features.patch import PatchExtractor
from drift_ros.settings import PropagationSettings
from drift_ros.synthetic import Clip
from drift_ros.training.validation import crossing_clips, jaccard, track

NAMES = {'video': 'R_v', 'bypass': 'R_v, bypass', 'image': 'R_i', 'patch': 'patch'}
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
    reading.add_argument('--snr', default='0.05,0.3,1,4,16')
    reading.add_argument('--blocks', default='2')
    reading.add_argument('--norms', default='mean')
    reading.add_argument('--temperatures', default='0.1')
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
            extractor = EmbeddedExtractor(
                'embedded', model, block=block, level=level(1), device=device, dtype=torch.float32
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


class _Given(FeatureExtractor):
    """Descriptors that are there already."""

    def __init__(self, maps: FeatureMap) -> None:
        self.maps = maps
        self.device = maps.features.device

    def extract(self, window: Window) -> FeatureMap:
        return self.maps


def sweep(options: argparse.Namespace) -> None:
    device = choose_device(options.device)
    clips = crossing_clips(options.clips, 640, 480)
    out = options.out
    rows: list[dict[str, Any]] = []
    table = Table('features', 'block', 'snr', 'norm', 'temperature', 'J', box=None)
    for kind, block, snr, extractor in _extractors(options, device):
        raw = [_maps(extractor, clip, device) for clip in clips]
        for norm in options.norms.split(',') if kind != 'patch' else ['mean']:
            maps = [FeatureMap(normed(m.features, norm), m.stride) for m in raw]
            for temperature in map(float, options.temperatures.split(',')):
                score = _score(maps, clips, temperature)
                row = {'features': kind, 'block': block, 'snr': snr, 'norm': norm}
                rows.append(row | {'temperature': temperature, 'J': round(score, 2)})
                print(rows[-1], flush=True)
    for row in rows:
        table.add_row(NAMES[row['features']], *(str(v) for v in list(row.values())[1:]))
    Console(width=100).print(table)
    if out:
        out.mkdir(parents=True, exist_ok=True)
        with (out / 'sweep.csv').open('w', newline='') as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
        cv2.imwrite(str(out / 'sweep.png'), plot(rows))


def _extractors(
    options: argparse.Namespace, device: torch.device
) -> Iterator[tuple[str, int, float, FeatureExtractor]]:
    yield 'patch', 0, 0.0, PatchExtractor(device, torch.float32)
    for kind, folder, temporal in (
        ('video', options.video, True),
        ('bypass', options.video, False),
        ('image', options.image, True),
    ):
        if folder is None:
            continue
        model = load(folder, torch.float32)
        for block in map(int, options.blocks.split(',')):
            for snr in map(float, options.snr.split(',')):
                yield (
                    kind,
                    block,
                    snr,
                    EmbeddedExtractor(
                        kind,
                        model,
                        block=block,
                        level=level(snr),
                        temporal=temporal,
                        device=device,
                        dtype=torch.float32,
                    ),
                )


def _maps(extractor: FeatureExtractor, clip: Clip, device: torch.device) -> FeatureMap:
    """Descriptors of the whole clip, on the finest grid of 8 px."""
    images = torch.from_numpy(clip.images).permute(0, 3, 1, 2).to(device)
    maps = extractor.extract(Window(images, tuple(range(len(images))), len(images)))
    if maps.stride <= 8:
        return maps
    grid = (images.shape[2] // 8, images.shape[3] // 8)
    fine = torch.nn.functional.interpolate(maps.features, grid, mode='bilinear')
    return FeatureMap(fine, 8)


def normed(features: Tensor, norm: str) -> Tensor:
    """(n, C, h, w) descriptors after a normalisation over the window."""
    if norm == 'raw':
        return features
    centred = features - features.mean((0, 2, 3), keepdim=True)
    if norm == 'mean':
        return centred
    if norm == 'std':
        return centred / centred.std((0, 2, 3), keepdim=True)
    flat = centred.transpose(0, 1).flatten(1)
    values, vectors = torch.linalg.eigh(flat @ flat.T / flat.shape[1])
    scales = (values + 0.01 * values.max()).rsqrt()
    return torch.einsum('cd,ndhw->nchw', (vectors * scales) @ vectors.T, centred)


def _score(maps: list[FeatureMap], clips: list[Clip], temperature: float) -> float:
    settings = PropagationSettings(temperature=temperature)
    scores = [
        score
        for m, clip in zip(maps, clips, strict=True)
        for score in jaccard(track(_Given(m), clip, settings), clip)
    ]
    return float(np.mean(scores))


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
    baseline = max(row['J'] for row in rows if row['features'] == 'patch')
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
