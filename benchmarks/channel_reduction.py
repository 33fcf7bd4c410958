"""What fewer channels cost in accuracy and save in time, on annotated clips.

    python benchmarks/channel_reduction.py CLIP... [--frames 20] [--set features.resolution=240]

CLIP is a folder of DAVIS, such as `JPEGImages/480p/tennis`, with its annotations beside it. Each
row propagates the first annotation through the same descriptors, reduced in another way. J is the
mean intersection over union over frames and objects, the first frame left out, mean of the clips;
`CPU ms` is the time of propagation per frame in all threads, `error` the root mean square
difference of the cosines of random pairs of cells.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from drift_ros.cli.options import tracker_settings
from drift_ros.descriptors import Descriptors
from drift_ros.features import create
from drift_ros.features.base import FeatureExtractor, Window
from drift_ros.propagation import (
    ChannelReduction,
    FeatureAffinity,
    Propagator,
    one_hot,
    read_labels,
    unit,
)
from drift_ros.settings import PropagationSettings, TrackerSettings
from drift_ros.tracking.prepare import network_size, to_input

PAIRS = 20_000


def describe(
    extractor: FeatureExtractor, settings: TrackerSettings, files: list[Path]
) -> tuple[Tensor, int]:
    """Unit descriptors (n, C, h, w) of all frames, and their stride in px."""
    images = [np.asarray(Image.open(file).convert('RGB')) for file in files]
    side = (images[0].shape[0], images[0].shape[1])
    size = network_size(side, settings.features.resolution, extractor.size_multiple)
    maps = []
    for stamp, image in enumerate(images):
        inputs = to_input(image, size, extractor.device)[None]
        maps.append(extractor.extract(Window(inputs, (stamp,), 1)))
    return unit(torch.cat([m.features for m in maps]), 1), maps[0].stride


def track(
    features: Tensor, stride: int, truths: list[NDArray[np.uint8]], settings: PropagationSettings
) -> tuple[float, float]:
    """Mean J of a clip, and CPU seconds of propagation per frame."""
    propagator = Propagator(FeatureAffinity(settings), read_labels, settings.memory)
    first, *others = Descriptors.of(features, stride).frames()
    size, classes = truths[0].shape, int(truths[0].max()) + 1
    propagator.add_reference(0, first, one_hot(truths[0], classes, first.grid))
    overlaps, seconds = [], 0.0
    for number, descriptors in enumerate(others, 1):
        started = time.process_time()
        soft = propagator.propagate(descriptors)
        seconds += time.process_time() - started
        propagator.memory.add_recent(number, descriptors, soft)
        found = read_labels(soft, stride, size)
        for slot in range(1, classes):
            truth, result = truths[number] == slot, found == slot
            union = (truth | result).sum()
            overlaps.append((truth & result).sum() / union if union else 1.0)
    return float(np.mean(overlaps)), seconds / (len(features) - 1)


def cosine_error(features: Tensor, reduced: Tensor) -> float:
    generator = torch.Generator().manual_seed(0)
    count = features[:, 0].numel()
    left, right = torch.randint(count, (2, PAIRS), generator=generator).to(features.device)
    cosines = []
    for maps in (features, reduced):
        cells = maps.movedim(1, -1).flatten(0, -2).float()
        cosines.append((cells[left] * cells[right]).sum(1))
    return float((cosines[0] - cosines[1]).square().mean().sqrt())


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('clips', type=Path, nargs='+')
    parser.add_argument('--frames', type=int, default=20)
    parser.add_argument('--channels', type=int, nargs='+', default=[32, 16, 8])
    parser.add_argument('--device', default='auto')
    parser.add_argument('--config')
    parser.add_argument('--set', action='append', metavar='NAME=VALUE')
    options = parser.parse_args()
    settings = tracker_settings(options.config, None, options.device, options.set or ())
    extractor = create(settings.features)
    clips = []
    for clip in options.clips:
        folder = clip.parents[2] / 'Annotations' / clip.parent.name / clip.name
        files = sorted(folder.iterdir())[: options.frames]
        truths = [np.array(Image.open(file), np.uint8) for file in files]
        frames = sorted(clip.iterdir())[: options.frames]
        clips.append((*describe(extractor, settings, frames), truths))
    channels = clips[0][0].shape[1]
    print(f'{len(clips)} clips of {options.frames} frames, {settings.features.name}')
    print('| reduction | channels | error | J | CPU ms |')
    print('|---|---|---|---|---|')
    ways: list[tuple[str, int]] = [('none', channels)]
    ways += [(way, n) for way in ('pca', 'random') for n in options.channels]
    for way, kept in ways:
        rows = []
        for features, stride, truths in clips:
            reduced = features
            if way != 'none':
                reduction = ChannelReduction(kept, 'pca' if way == 'pca' else 'random')
                reduction.fit(features[:1])
                reduced = reduction(features)
            error = cosine_error(features, reduced)
            rows.append((error, *track(reduced, stride, truths, settings.propagation)))
        error, overlap, seconds = np.mean(rows, axis=0)
        print(f'| {way} | {kept} | {error:.3f} | {overlap:.3f} | {seconds * 1e3:.0f} |', flush=True)


if __name__ == '__main__':
    main()
