"""How well a click becomes a mask: backends that need no weights of their own.

    python benchmarks/prompts.py [--davis ../shared/data/davis/val] [--features embedded ...]

On the first frame of every clip each target gets one click, at the place farthest from its outline.
Rows are `grabcut`, and `spread` with each of the extractors; columns are intersection over union
with the annotation in percent, and seconds for a frame.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from drift_ros import features
from drift_ros.environment import machine
from drift_ros.prompts.grabcut import GrabCutSegmenter
from drift_ros.prompts.prompt import Prompt, Segmenter
from drift_ros.settings import TrackerSettings, build
from drift_ros.tracking.spreading import SpreadSegmenter


def first_frames(davis: Path) -> Iterator[tuple[str, NDArray[np.uint8], NDArray[np.uint8]]]:
    """Name, image and annotation of every clip."""
    for folder in sorted((davis / 'JPEGImages' / '480p').iterdir()):
        image = next(iter(sorted(folder.glob('*.jpg'))))
        labels = davis / 'Annotations' / '480p' / folder.name / f'{image.stem}.png'
        yield (
            folder.name,
            np.asarray(Image.open(image).convert('RGB')),
            np.asarray(Image.open(labels)),
        )


def clicks(labels: NDArray[np.uint8]) -> list[tuple[NDArray[np.bool_], Prompt]]:
    """Mask and click of every target."""
    found = []
    for target in np.unique(labels[labels > 0]):
        mask = labels == target
        inner = np.pad(mask.astype(np.uint8), 1)
        depth = cv2.distanceTransform(inner, cv2.DIST_L2, 5)[1:-1, 1:-1]
        row, column = np.unravel_index(int(depth.argmax()), depth.shape)
        point = np.array([[column, row]], np.float64)
        found.append((mask, Prompt(points=point, point_labels=np.ones(1, np.uint8))))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--davis', type=Path, default=Path('../shared/data/davis/val'))
    parser.add_argument(
        '--features', action='append', help='may be repeated; by default two of the embedded ones'
    )
    options = parser.parse_args()
    frames = list(first_frames(options.davis))
    ways: dict[str, Segmenter] = {'grabcut': GrabCutSegmenter()}
    for name in options.features or ('embedded', 'embedded-attention'):
        settings = build(TrackerSettings, {'features.name': name})
        ways[f'spread, {name}'] = SpreadSegmenter(features.create(settings.features), settings)
    print('| backend | mean | ' + ' | '.join(name for name, *_ in frames) + ' | s per frame |')
    print('|---' * (len(frames) + 3) + '|')
    for name, segmenter in ways.items():
        scores, start = [], time.perf_counter()
        for _, image, labels in frames:
            truths, prompts = zip(*clicks(labels), strict=True)
            pairs = zip(truths, segmenter.segment(image, prompts), strict=True)
            scores.append(np.mean([100 * (t & m).sum() / (t | m).sum() for t, m in pairs]))
        taken = (time.perf_counter() - start) / len(frames)
        cells = ' | '.join(f'{score:.0f}' for score in scores)
        print(f'| {name} | {np.mean(scores):.1f} | {cells} | {taken:.2f} |', flush=True)
    print('\n' + ', '.join(f'{key}: {value}' for key, value in machine().items()))


if __name__ == '__main__':
    main()
