"""`rendered-points`: rendered videos with occlusions and exact tracks, made from their seeds."""

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


def names(split: HeldOut) -> list[str]:
    """Names of the videos."""
    return [f'rendered-points-{split}-{number:02d}' for number in range(VIDEOS)]


def clip(split: HeldOut, number: int, limit: int | None = None) -> PointClip:
    """One of the videos.

    Args:
        split: `test` for reporting, `val` for choosing settings.
        number: of the video.
        limit: only this many frames; None: all.
    """
    rendered = random_scene(FIRST + number, SETTINGS, split).clip()
    size = (SETTINGS.height, SETTINGS.width)
    tracks = normalised(np.nan_to_num(rendered.points.positions, nan=-1e4), size)
    return PointClip(
        names(split)[number],
        rendered.images[:limit],
        np.ascontiguousarray(tracks.transpose(1, 0, 2)[:, :limit]),
        np.ascontiguousarray(~rendered.points.visible.T[:, :limit]),
    )


def clips(
    split: HeldOut, limit: int | None = None, wanted: Container[str] = ()
) -> Iterator[PointClip]:
    """The videos of the wanted names, or all, each made when it is asked for."""
    chosen = [n for n, name in enumerate(names(split)) if not wanted or name in wanted]
    return (clip(split, number, limit) for number in chosen)
