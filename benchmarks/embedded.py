"""What the embedded model costs, and that it is a diffusion model.

    python benchmarks/embedded.py speed [--size 480x640] [--threads 1] [--device cpu]
    python benchmarks/embedded.py denoising [--checkpoint DIR] [--clips 20]
    python benchmarks/embedded.py samples --out FILE.png [--steps 50] [--seed 0]

`speed`: parameters, operations and time of a frame of a stream, with temporal layers and without.
`denoising`: the loss of x_0, weighted as in training, on rendered clips of the split `val`, by
level of noise; beside it, what an all-grey guess would get. `samples`: clips drawn from noise by
DDIM.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path

import cv2
import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch.utils.flop_counter import FlopCounterMode

from drift_ros import resources
from drift_ros.features.base import Window
from drift_ros.features.device import choose_device
from drift_ros.features.embedded.create import load
from drift_ros.features.embedded.extractor import EmbeddedExtractor
from drift_ros.generation.embedded import sample
from drift_ros.synthetic import Clips, RandomSettings
from drift_ros.training.objective import denoising_errors, noised

LEVELS = (-5.0, -3.0, -1.0, 1.0, 3.0)  # log signal-to-noise ratios
WARM_UP, REPEATS = 10, 21


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('part', choices=('speed', 'denoising', 'samples'))
    parser.add_argument(
        '--checkpoint', type=Path, default=resources.folder('resource') / 'embedded'
    )
    parser.add_argument('--device', default='auto')
    parser.add_argument('--size', default='480x640', help='height x width of an image in px')
    parser.add_argument('--threads', type=int, default=1)
    parser.add_argument('--clips', type=int, default=20)
    parser.add_argument('--steps', type=int, default=50)
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--out', type=Path)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    {'speed': speed, 'denoising': denoising, 'samples': samples}[options.part](options)


def speed(options: argparse.Namespace) -> None:
    """Print cost and time of a frame."""
    height, width = map(int, options.size.split('x'))
    device = choose_device(options.device)
    image = torch.randint(0, 256, (3, height, width), dtype=torch.uint8, device=device)
    table = Table('network', 'parameters, M', 'GFLOP', 'ms by the clock', 'ms of CPU time')
    for name, temporal in (('embedded', True), ('embedded-image', False)):
        model = load(options.checkpoint, torch.float32)
        size = sum(p.numel() for p in model.parameters()) / 1e6
        dtype = torch.float16 if device.type == 'cuda' else torch.float32
        extractor = EmbeddedExtractor(
            name, model, snr=20.0, temporal=temporal, device=device, dtype=dtype
        )
        session = extractor.session()
        clock, processor = [], []
        for number in range(WARM_UP + REPEATS):
            before = time.perf_counter(), time.process_time()
            session.extract(Window(image[None], (number,), 1))
            if device.type == 'cuda':
                torch.cuda.synchronize()
            clock.append(time.perf_counter() - before[0])
            processor.append(time.process_time() - before[1])
        with FlopCounterMode(display=False) as counter:
            extractor.extract(Window(image[None], (0,), 1))
        times = (f'{1e3 * statistics.median(t[WARM_UP:]):.1f}' for t in (clock, processor))
        table.add_row(name, f'{size:.2f}', f'{counter.get_total_flops() / 1e9:.2f}', *times)
    Console().print(table)


@torch.no_grad()
def denoising(options: argparse.Namespace) -> None:
    """Print losses by level of noise."""
    device = choose_device(options.device)
    model = load(options.checkpoint, torch.float32).to(device).eval()
    look = RandomSettings(width=160, height=160, frames=12, points=0)
    errors = np.zeros((len(LEVELS), 3))
    generator = torch.Generator(device).manual_seed(options.seed)
    for number in range(options.clips):
        images = torch.from_numpy(Clips(look, 'val')[number].images).to(device)
        images = images.permute(0, 3, 1, 2)[None]
        for row, log_snr in enumerate(LEVELS):
            levels = torch.full((1, images.shape[1]), log_snr, device=device)
            batch = noised(images, levels, generator)
            guesses = [model(batch.noisy, levels, join=join).clean for join in (True, False)]
            for column, guess in enumerate([*guesses, batch.clean.mean() + 0 * batch.clean]):
                errors[row, column] += float(denoising_errors(guess, batch).mean()) / options.clips
    table = Table('log SNR', 'embedded', 'without temporal layers', 'grey')
    for log_snr, row in zip([*LEVELS, 'mean'], [*errors, errors.mean(0)], strict=True):
        table.add_row(str(log_snr), *(f'{value:.4f}' for value in row))
    Console().print(table)


def samples(options: argparse.Namespace) -> None:
    """Draw four clips by DDIM and write every other frame of them as one picture."""
    model = load(options.checkpoint, torch.float32).eval()
    generator = torch.Generator().manual_seed(options.seed)
    shape = (4, 12, 3, 128, 128)
    clean = sample(model, torch.randn(shape, generator=generator), steps=options.steps)
    rows = [torch.cat(list(clip[::2]), 2) for clip in clean]
    picture = torch.cat(rows, 1).permute(1, 2, 0).add(1).mul(127.5).byte().numpy()
    cv2.imwrite(str(options.out), picture[..., ::-1])


if __name__ == '__main__':
    main()
