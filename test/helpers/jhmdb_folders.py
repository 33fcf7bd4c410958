"""Rendered videos with known points, laid out as JHMDB."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from drift_ros import synthetic
from drift_ros.synthetic import RandomSettings

JOINTS = 15
CALM = RandomSettings(
    width=96, height=72, frames=6, points=128, fewest=1, most=1, smallest=0.3, largest=0.45,
    balls=0, crossing=0, motion=2, camera=1, deformation=0, clutter=0, occluders=0, shadows=0,
    lighting=0, exposure=0, motion_blur=0, defocus=0, noise=1, compression=0, slow_crossings=0,
    returns=0, hands=0, crowds=0, thin=0, figures=0, approaches=0, shake=0, pans=0, layers=0,
    materials=0, gloss=0,
)  # fmt: skip


def render(seed: int) -> tuple[list[NDArray[np.uint8]], NDArray[np.float64]]:
    """Pictures of a moving cutout, and 15 points of it that are always seen: (frames, 15, 2)."""
    frames = list(synthetic.random_scene(seed, CALM))
    points = [frame.points for frame in frames]
    seen = np.all([p.visible for p in points], 0) & (points[0].ids == 1)
    chosen = np.flatnonzero(seen)[:JOINTS]
    assert len(chosen) == JOINTS, f'seed {seed} shows {len(chosen)} points all the time'
    return [f.image for f in frames], np.stack([p.positions[chosen] for p in points]).astype(float)


def write_video(
    root: Path, name: str, images: list[NDArray[np.uint8]], joints: NDArray[np.float64]
) -> None:
    """Write a video: pictures, and joints as Matlab has them, (2, 15, frames) from 1."""
    from scipy.io import savemat

    pictures = root / 'Rename_Images' / name
    positions = root / 'joint_positions' / name
    pictures.mkdir(parents=True)
    positions.mkdir(parents=True)
    for number, image in enumerate(images, 1):
        Image.fromarray(image).save(pictures / f'{number:05d}.png')
    savemat(positions / 'joint_positions.mat', {'pos_img': joints.transpose(2, 1, 0) + 1})


def write_jhmdb(root: Path, **videos: int) -> None:
    """A data set of videos by `class__video` and seed; the test videos of split 1 are all."""
    lists: dict[str, list[str]] = {}
    for joined, seed in videos.items():
        kind, video = joined.split('__')
        write_video(root, f'{kind}/{video}', *render(seed))
        lists.setdefault(kind, []).append(video)
    (root / 'splits').mkdir()
    for kind, names in lists.items():
        lines = [f'{name}.avi 2\n' for name in names] + ['other.avi 1\n']
        (root / 'splits' / f'{kind}_test_split1.txt').write_text(''.join(lines))
