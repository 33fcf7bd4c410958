"""Clips by number, for training: any process can make any of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Literal

from drift_ros.errors import SettingsError
from drift_ros.synthetic.ground_truth import Clip
from drift_ros.synthetic.scenes.random_scene import random_scene
from drift_ros.synthetic.settings import RandomSettings

LearningSplit = Literal['train', 'val']


@dataclass(frozen=True)
class Clips:
    """An endless map from numbers to random clips; the same number gives the same clip anywhere.

    It can be pickled, and holds no state: workers share it and take numbers of their own. What the
    benchmark sets show is in a third split, which it cannot reach.

    Attributes:
        split: `train`, or `val` for losses and choices on clips that are not trained on.

    Raises:
        SettingsError: another split.
    """

    settings: RandomSettings = field(default_factory=RandomSettings)
    split: LearningSplit = 'train'

    def __post_init__(self) -> None:
        if self.split not in ('train', 'val'):
            raise SettingsError(f'clips are for the splits train and val, not {self.split!r}')

    def __getitem__(self, index: int) -> Clip:
        if index < 0:
            raise IndexError(f'clips are numbered from 0, there is no {index}')
        return random_scene(index, self.settings, self.split).clip()


def clips(
    settings: RandomSettings | None = None,
    split: LearningSplit = 'train',
    start: int = 0,
    step: int = 1,
) -> Iterator[Clip]:
    """Clips number start, start + step, ... without end.

    Args:
        split: `train` or `val`.
        start: first number; after an interruption, the one to go on with.
        step: worker i of n takes start i and step n.

    Raises:
        SettingsError: another split.
    """
    source = Clips(settings or RandomSettings(), split)
    return (source[index] for index in count(start, step))
