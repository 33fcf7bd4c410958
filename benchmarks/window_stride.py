"""What the window's stride costs and brings: latency, speed and accuracy on an annotated clip.

    python benchmarks/window_stride.py CLIP [--frames 24] [--set features.name=video-unet ...]

CLIP is a folder of DAVIS, such as `JPEGImages/480p/tennis`, with its annotations beside it. Each
row tracks the same frames from the same first mask with another number of new frames per window:

- passes: windows that went through the extractor, per frame.
- waits: how many later frames a frame waits for until its window is complete, mean and most; times
  the camera's period it is the latency besides computation.
- compute: seconds per frame, mean over the clip (one warm-up pass before); `worst` is the longest
  step, after which a live camera would have to wait.
- J: mean intersection over union over objects and frames, the first frame left out.

Without pretrained weights use `features.video.checkpoint=untrained`; J is then that of a random
network.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from rich.console import Console
from rich.progress import track
from rich.table import Table

from drift_ros.cli.options import tracker_settings
from drift_ros.io.frames import open_source
from drift_ros.prompts import Prompt
from drift_ros.settings import TrackerSettings
from drift_ros.structures import FailedFrames, Frame, TrackerOutput
from drift_ros.tracking import Tracker

COLUMNS = ('stride', 'passes', 'waits', 'most', 'compute s', 'worst s', 'J')


def main() -> None:
    options = _options()
    with open_source(options.clip) as source:
        frames = [frame for frame in source.frames() if frame.index < options.frames]
    truths = _truths(options.clip, len(frames))
    settings = tracker_settings(options.config, None, options.device, options.set or ())
    length = Tracker.from_settings(settings).window[0]
    table = Table(*COLUMNS, box=None)
    strides = sorted({1, 2, max(1, length // 2), length} - {s for s in (2,) if s > length})
    for stride in track(strides, console=Console(stderr=True)):
        table.add_row(*_row(settings, stride, frames, truths))
    print(f'{options.clip.name}: {len(frames)} frames, windows of {length}')
    Console(width=100).print(table)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('clip', type=Path)
    parser.add_argument('--frames', type=int, default=24)
    parser.add_argument('--device', default='auto')
    parser.add_argument('--config')
    parser.add_argument('--set', action='append', metavar='NAME=VALUE')
    return parser.parse_args()


def _truths(clip: Path, count: int) -> list[NDArray[np.uint8]]:
    folder = clip.parents[2] / 'Annotations' / clip.parent.name / clip.name
    return [np.asarray(Image.open(file), np.uint8) for file in sorted(folder.iterdir())[:count]]


def _row(
    settings: TrackerSettings,
    stride: int,
    frames: list[Frame],
    truths: list[NDArray[np.uint8]],
) -> list[str]:
    window = settings.window.model_copy(update={'stride': stride})
    tracker = Tracker.from_settings(settings.model_copy(update={'window': window}))
    tracker.warm_up(frames[0].size)
    ids = [int(i) for i in np.unique(truths[0]) if i]
    prompts = [Prompt(id=i, mask=truths[0] == i) for i in ids]
    waits, seconds, overlaps = [], [], []

    def take(outputs: list[TrackerOutput], newest: int) -> None:
        for result in outputs:
            if isinstance(result, FailedFrames):
                raise result.error
            number = result.frame.index
            waits.append(newest - number)
            if number:
                overlaps.extend(_overlap(truths[number] == i, result.labels == i) for i in ids)

    for frame in frames:
        started = time.perf_counter()
        results = tracker.step(frame, prompts if frame is frames[0] else ())
        seconds.append(time.perf_counter() - started)
        take(results, frame.index)
    started = time.perf_counter()
    rest = tracker.flush()
    seconds.append(time.perf_counter() - started)
    take(rest, frames[-1].index)
    return [
        str(stride),
        f'{tracker.stats.windows / len(frames):.2f}',
        f'{np.mean(waits):.1f}',
        f'{max(waits)}',
        f'{sum(seconds) / len(frames):.2f}',
        f'{max(seconds):.2f}',
        f'{np.mean(overlaps):.3f}',
    ]


def _overlap(truth: NDArray[np.bool_], result: NDArray[np.bool_]) -> float:
    union = (truth | result).sum()
    return float((truth & result).sum() / union) if union else 1.0


if __name__ == '__main__':
    main()
