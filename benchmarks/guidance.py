"""Whether cross-attention guidance makes clips of the embedded model steadier.

    python benchmarks/guidance.py [--seeds 64] [--scale 1] [--layers 0,1,2] [--picture FILE.png]

Clips are sampled from the same noise with guidance and without. Each frame is warped to the one
before by the optical flow between them (DIS, on frames enlarged by 4); what is left of the
difference is the warping error. Flat clips have small errors too, so contrast (the standard
deviation of a frame) stands beside it, and the ratio of both. Differences are paired by seed, with
the 95 % interval of their mean (1.96 standard errors).
"""

from __future__ import annotations

import argparse
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from drift_ros import resources
from drift_ros.features.embedded.create import load
from drift_ros.generation.embedded import sample

ENLARGED = 4
MEASURES = ('warping error', 'contrast', 'error / contrast', 'change of a pixel', 'flow, px')


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        '--checkpoint', type=Path, default=resources.folder('resource') / 'embedded'
    )
    parser.add_argument('--seeds', type=int, default=64)
    parser.add_argument('--first', type=int, default=0, help='the first seed')
    parser.add_argument('--scale', type=float, default=1.0)
    parser.add_argument('--layers', help='temporal layers that are cut; by default all')
    parser.add_argument('--side', type=int, default=64)
    parser.add_argument('--frames', type=int, default=12)
    parser.add_argument('--steps', type=int, default=20)
    parser.add_argument('--picture', type=Path, help='of the first four seeds, plain and guided')
    options = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    model = load(options.checkpoint, torch.float32).eval()
    layers = [int(n) for n in options.layers.split(',')] if options.layers else None
    shape = (1, options.frames, 3, options.side, options.side)
    found, strips = [], []
    for seed in range(options.first, options.first + options.seeds):
        noise = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
        clips = [
            sample(model, noise, steps=options.steps, cag_scale=scale, cag_layers=layers)[0]
            .add(1)
            .mul(127.5)
            .byte()
            .permute(0, 2, 3, 1)
            .numpy()
            for scale in (0.0, options.scale)
        ]
        found.append([measure(clip) for clip in clips])
        if len(strips) < 4:
            strips.append(np.concatenate([np.concatenate(list(c[::2]), 1) for c in clips]))
    if options.picture:
        cv2.imwrite(str(options.picture), np.concatenate(strips)[..., ::-1])
    report(np.array(found))


def measure(clip: NDArray[np.uint8]) -> list[float]:
    """The measures of a clip (F, H, W, 3), in grey levels and px of the clip."""
    flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    side = (clip.shape[2] * ENLARGED, clip.shape[1] * ENLARGED)
    grey = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in clip]
    large = [cv2.resize(frame, side, interpolation=cv2.INTER_CUBIC) for frame in grey]
    x, y = np.meshgrid(np.arange(side[0], dtype=np.float32), np.arange(side[1], dtype=np.float32))
    errors, changes, lengths = [], [], []
    for before, now in pairwise(large):
        motion = flow.calc(before, now, None)
        at = x + motion[..., 0], y + motion[..., 1]
        inside = (at[0] >= 0) & (at[0] <= side[0] - 1) & (at[1] >= 0) & (at[1] <= side[1] - 1)
        warped = cv2.remap(now, *at, cv2.INTER_LINEAR)
        errors.append(cv2.absdiff(warped, before)[inside].mean())
        changes.append(cv2.absdiff(now, before).mean())
        lengths.append(np.linalg.norm(motion, axis=2).mean() / ENLARGED)
    error, contrast = float(np.mean(errors)), float(np.mean([frame.std() for frame in grey]))
    return [error, contrast, error / contrast, float(np.mean(changes)), float(np.mean(lengths))]


def report(found: NDArray[np.float64]) -> None:
    """Print a table of (seeds, 2, measures)."""
    table = Table('', 'plain', 'guided', 'difference', '95 % interval')
    for number, name in enumerate(MEASURES):
        plain, guided = found[:, 0, number], found[:, 1, number]
        difference = guided - plain
        reach = 1.96 * difference.std(ddof=1) / np.sqrt(len(difference))
        means = (plain.mean(), guided.mean(), difference.mean())
        interval = f'{means[2] - reach:+.3f} .. {means[2] + reach:+.3f}'
        table.add_row(name, *(f'{mean:.3f}' for mean in means), interval)
    Console().print(table)


if __name__ == '__main__':
    main()
