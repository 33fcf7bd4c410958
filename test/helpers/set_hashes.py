"""Hashes of frames of the benchmark sets, small; run it to write those of the sets as they are."""

from __future__ import annotations

import hashlib
import json
import platform
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from drift_ros import synthetic
from drift_ros.synthetic import SceneSettings
from drift_ros.synthetic.scenes.sets import RECIPES, VideoSet

RECORD = Path(__file__).with_name('set_hashes.json')
SMALL = {'width': 80, 'height': 60, 'noise': 2}
SCENES = ('crossing', 'passing')


def videos(name: str) -> list[Any]:
    """Two videos of each split of a set, one of balls and one of cutouts where it has both."""
    if name in SCENES:
        return [synthetic.create(name, SceneSettings(**SMALL, frames=24, rate=12))]
    frames = {'kubric-similar': 16, 'long': 3000, 'comes-back': 240, 'other-distance': 240}.get(
        name, 24
    )
    settings = SceneSettings(**SMALL, frames=frames, rate=12)
    return [video for split in ('test', 'val') for video in VideoSet(name, settings, split)[:2]]


def hashes(name: str) -> dict[str, list[str]]:
    """By video: a hash of picture and truth at the start and at half time."""
    return {video.name: [_hash(video, i) for i in (0, len(video) // 2)] for video in videos(name)}


def here() -> dict[str, str]:
    """What the last bit of floating-point arithmetic may depend on."""
    return {'machine': platform.machine(), 'numpy': np.__version__, 'opencv': cv2.__version__}


def _hash(video: Any, index: int) -> str:
    frame = video.render(index)
    points = frame.points
    parts = (frame.image, frame.labels, frame.depth, points.positions, points.visible)
    digest = hashlib.sha256()
    for part in parts:
        digest.update(np.ascontiguousarray(part).tobytes())
    return digest.hexdigest()[:16]


if __name__ == '__main__':
    found = {name: hashes(name) for name in (*SCENES, *RECIPES)}
    RECORD.write_text(json.dumps({'on': here(), 'sets': found}, indent=1) + '\n')
