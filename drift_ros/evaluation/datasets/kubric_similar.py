"""Rendered videos of identical objects, made from their seeds: Kubric-Similar and its kin.

After the data set of the TED paper (two identical balls, 14 videos of 16 frames); scored as DAVIS.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import drift_ros
from drift_ros import synthetic
from drift_ros.errors import SourceError
from drift_ros.evaluation.datasets.selection import Selection
from drift_ros.evaluation.protocols import AnnotatedSequence, Labels
from drift_ros.evaluation.scores import Refusal
from drift_ros.synthetic import SyntheticFrame, Video
from drift_ros.synthetic.ground_truth import stamp

SPLIT = 'test'


class RenderedSequence(AnnotatedSequence):
    """One video of a set.

    Args:
        scene: name of the set, or of a scene.
        limit: only this many frames; None: all.
    """

    def __init__(self, scene: str, split: str, number: int, limit: int | None = None) -> None:
        self._arguments = (scene, split, number, limit)
        self.name = _names(scene, split)[number]
        self._rendered: tuple[int, SyntheticFrame] | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        """Another process makes the video anew."""
        return type(self), self._arguments

    @property
    def digest(self) -> str:
        """The renderer's version: the same seeds give the same pictures with it."""
        return '-'.join(str(part) for part in (drift_ros.__version__, *self._arguments))

    @property
    def frames(self) -> Sequence[str]:
        """Numbers of the frames."""
        return [f'{index:05d}' for index in range(self._count)]

    @property
    def stamps(self) -> Sequence[int]:
        """Of all frames in ns."""
        rate = synthetic.defaults(self._arguments[0]).rate
        return [stamp(index, rate) for index in range(self._count)]

    @cached_property
    def objects(self) -> Mapping[int, str]:
        """Id -> name of what the first frame shows.

        Raises:
            SourceError: it shows nothing.
        """
        first = self._render(0)
        seen = {obj.id: obj.name for obj in first.objects if (first.labels == obj.id).any()}
        if not seen:
            raise SourceError(f'the first frame of {self.name} shows no object')
        return seen

    def image(self, index: int) -> NDArray[np.uint8]:
        """Image (H, W, 3) uint8 RGB of a frame."""
        return self._render(index).image

    def truth(self, index: int) -> Labels:
        """Label map (H, W) uint8 of a frame."""
        return self._render(index).labels

    @cached_property
    def _video(self) -> Video:
        scene, split, number, _ = self._arguments
        return synthetic.create_set(scene, split=split)[number]  # type: ignore[arg-type]

    @property
    def _count(self) -> int:
        limit = self._arguments[3]
        return len(self._video) if limit is None else min(limit, len(self._video))

    def _render(self, index: int) -> SyntheticFrame:
        """A frame; the last one is kept, for picture and truth are asked for in turn."""
        if self._rendered is None or self._rendered[0] != index:
            self._rendered = (index, self._video.render(index))
        return self._rendered[1]


def open_kubric_similar(path: Path, selection: Selection) -> list[RenderedSequence | Refusal]:
    """The chosen videos of a set.

    Args:
        path: name of a set or a scene (`drift render --help` names them).
        selection: its split is `test`, for reporting, or `val`, for choosing settings.

    Raises:
        SettingsError: no such set or split.
    """
    scene, split = str(path), selection.split or SPLIT
    names = _names(scene, split)
    return [
        RenderedSequence(scene, split, names.index(name), selection.limit)
        if name in names
        else Refusal(name, f'{scene} has no such video; it has {names[0]} to {names[-1]}')
        for name in selection.names(names)
    ]


def _names(scene: str, split: str) -> list[str]:
    """Names of the videos of a set, or the scene alone."""
    videos = synthetic.create_set(scene, split=split)  # type: ignore[arg-type]
    return list(getattr(videos, 'names', [scene]))
