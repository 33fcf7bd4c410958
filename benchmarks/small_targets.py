"""Whether small things that come back are found, and nothing else is taken for them.

    python benchmarks/small_targets.py [--features embedded] [--seeds 10]

A patterned disc moves before a pattern (320x240 px at 12.5 Hz, noise of 2), is out of sight for 25
frames, and comes back elsewhere. Or another disc of its size comes instead, with other colours and
another pattern; or one with the same pattern that is 1.3 times as wide. Each seed draws colours,
patterns and noise anew. Found: the mask covers it with an IoU of 0.5 or more in the frame; taken:
a mask overlaps it in any of the 6 frames. Masks elsewhere are not counted.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from rich.table import Table

from drift_ros import features
from drift_ros.environment import machine
from drift_ros.evaluation.methods.ours import GivenMasks
from drift_ros.features import FeatureExtractor
from drift_ros.prompts import Prompt
from drift_ros.settings import TrackerSettings, build
from drift_ros.structures import Frame, TrackingResult
from drift_ros.tracking import Tracker

HEIGHT, WIDTH = 240, 320
RADII = (12, 14, 16, 18, 20, 24)  # px
BEFORE, AWAY, AFTER = 6, 25, 6  # frames
WIDER = 1.3
Image = NDArray[np.uint8]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--features', default='embedded')
    parser.add_argument('--device', default='cpu')
    parser.add_argument('--seeds', type=int, default=10)
    options = parser.parse_args()
    values = {'features.name': options.features, 'features.device': options.device}
    extractor = features.create(build(TrackerSettings, values).features)
    table = Table('radius, px', 'cells', box=None)
    titles = ('found at once', 'within 5 frames', 'another taken', 'wider one taken')
    for title in (*titles, 'ms per frame while it is away'):
        table.add_column(title, justify='right')
    for radius in track(RADII, console=Console(stderr=True)):
        cells = f'{np.pi * radius**2 / 64:.0f}'
        table.add_row(str(radius), cells, *_row(extractor, radius, options.seeds))
    Console(width=140).print(table)
    print(', '.join(f'{key}: {value}' for key, value in machine().items()))


def _row(extractor: FeatureExtractor, radius: int, seeds: int) -> Iterator[str]:
    """What became of a disc in all the videos, in the order of the table's columns."""
    at_once = in_time = 0
    taken = {'another': 0, 'wider': 0}
    seconds = []
    for seed in range(seeds):
        overlaps, spent = _follow(extractor, radius, seed, 'itself')
        at_once += overlaps[0] >= 0.5
        in_time += max(overlaps) >= 0.5
        seconds.append(spent)
        for comes in taken:
            taken[comes] += max(_follow(extractor, radius, seed, comes)[0]) > 0
    for count in (at_once, in_time, *taken.values()):
        yield f'{count} of {seeds}'
    yield f'{1000 * statistics.median(seconds):.0f}'


def _follow(
    extractor: FeatureExtractor, radius: int, seed: int, comes: str
) -> tuple[list[float], float]:
    """IoU with what comes in each frame from then on, and s per frame while nothing is there."""
    values = {'features.name': extractor.name, 'features.resolution': 0, 'window.length': 1}
    tracker = Tracker(extractor, GivenMasks(), build(TrackerSettings, values))
    overlaps, started, spent = [], 0.0, 0.0
    for index, (image, mask) in enumerate(_video(radius, seed, comes)):
        if index == BEFORE:
            started = time.perf_counter()
        if index == BEFORE + AWAY:
            spent = (time.perf_counter() - started) / AWAY
        prompts = [Prompt(id=1, mask=mask)] if index == 0 else []
        (result,) = tracker.step(Frame(image, stamp=(index + 1) * 80_000_000), prompts)
        assert isinstance(result, TrackingResult)
        if index >= BEFORE + AWAY:
            found = result.labels == 1
            overlaps.append(float((found & mask).sum() / (found | mask).sum()))
    return overlaps, spent


def _video(radius: int, seed: int, comes: str) -> Iterator[tuple[Image, NDArray[np.bool_]]]:
    """Images (H, W, 3), and masks of the disc in them."""
    rng = np.random.default_rng(seed)
    behind = _cloth(rng, 6, rng.uniform(60, 190, 3))
    disc, another = (_cloth(rng, 3, rng.uniform(40, 215, 3)) for _ in range(2))
    wider = cv2.resize(disc, None, fx=WIDER, fy=WIDER)[:HEIGHT, :WIDTH]
    there = {
        'itself': (radius, disc),
        'another': (radius, another),
        'wider': (radius * WIDER, wider),
    }[comes]
    before = [(60 + 4 * i, 80 + 2 * i) for i in range(BEFORE)]
    after = [(250 - 3 * i, 170 - 2 * i) for i in range(AFTER)]
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    for index, place in enumerate([*before, *[None] * AWAY, *after]):
        image, mask = behind.astype(np.float32), np.zeros((HEIGHT, WIDTH), bool)
        if place is not None:
            size_now, pattern = (radius, disc) if index < BEFORE else there
            mask = np.hypot(y - place[1], x - place[0]) <= size_now
            image[mask] = np.roll(pattern, (place[1], place[0]), (0, 1))[mask]
        image = cv2.GaussianBlur(image, (0, 0), 0.7) + rng.normal(0, 2, image.shape)
        yield np.clip(image, 0, 255).astype(np.uint8), mask


def _cloth(rng: np.random.Generator, grain: float, colour: NDArray[np.float64]) -> Image:
    """A random pattern about a colour, as large as the image."""
    grey = cv2.GaussianBlur(rng.normal(0, 1, (HEIGHT, WIDTH, 3)).astype(np.float32), (0, 0), grain)
    return np.clip(colour + 35 * grey / grey.std(), 0, 255).astype(np.uint8)


if __name__ == '__main__':
    main()
