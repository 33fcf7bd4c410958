"""`rendered-points` and `rendered-points-long`: rendered videos with occlusions and exact tracks,
made from their seeds.
"""

from __future__ import annotations

from collections.abc import Container, Iterator

import numpy as np

from drift_ros.evaluation.points.clips import PointClip, normalised
from drift_ros.synthetic import RandomSettings, random_scene
from drift_ros.synthetic.scenes.sets import HeldOut

VIDEOS = 8
FIRST = 900_000  # number of the first video below the random ones of a split
SETTINGS = RandomSettings(
    width=640,
    height=480,
    frames=24,
    rate=12,
    points=200,
    crossing=1,
    occluders=0.6,
    returns=0.2,
    slow_crossings=0.2,
    noise=4,
)
SHORT, LONG = 'rendered-points', 'rendered-points-long'
FRAMES = {SHORT: SETTINGS.frames, LONG: 96}  # of each video


def names(split: HeldOut, name: str = SHORT) -> list[str]:
    """Names of the videos of a set."""
    return [f'{name}-{split}-{number:02d}' for number in range(VIDEOS)]


def clip(split: HeldOut, number: int, limit: int | None = None, name: str = SHORT) -> PointClip:
    """One of the videos.

    Args:
        split: `test` for reporting, `val` for choosing settings.
        number: of the video.
        limit: only this many frames; None: all.
        name: of the set.
    """
    settings = SETTINGS.model_copy(update={'frames': FRAMES[name]})
    rendered = random_scene(FIRST + number, settings, split).clip()
    size = (SETTINGS.height, SETTINGS.width)
    tracks = normalised(np.nan_to_num(rendered.points.positions, nan=-1e4), size)
    return PointClip(
        names(split, name)[number],
        rendered.images[:limit],
        np.ascontiguousarray(tracks.transpose(1, 0, 2)[:, :limit]),
        np.ascontiguousarray(~rendered.points.visible.T[:, :limit]),
    )


def clips(
    split: HeldOut, limit: int | None = None, wanted: Container[str] = (), name: str = SHORT
) -> Iterator[PointClip]:
    """The videos of a set with the wanted names, or all, each made when it is asked for."""
    chosen = [n for n, each in enumerate(names(split, name)) if not wanted or each in wanted]
    return (clip(split, number, limit, name) for number in chosen)
