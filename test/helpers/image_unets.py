"""Small image UNets, and windows to show them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from drift_ros.features import Window
from drift_ros.features.image.image_unet import ImageUnetExtractor
from drift_ros.settings import FeatureSettings, build

MODELS = ('adm', 'sd-2.1', 'sd-1.5')
Make = Callable[..., ImageUnetExtractor]


def settings(**changes: Any) -> FeatureSettings:
    """Of the features; names with __ for the dot."""
    own = {name.replace('__', '.'): value for name, value in changes.items()}
    return build(FeatureSettings, {'device': 'cpu', 'name': 'image-unet', 'batch': 3} | own)


def window(count: int = 2, new: int = 0, first: int = 0, size: Sequence[int] = (64, 96)) -> Window:
    frames = [
        torch.randint(
            0, 256, (3, *size), dtype=torch.uint8, generator=torch.Generator().manual_seed(index)
        )
        for index in range(first, first + count)
    ]
    return Window(torch.stack(frames), tuple(range(first, first + count)), new or count)
