"""Small video UNets, and windows to show them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import diffusers
import torch
from torch import Tensor

from drift_ros.features import Window
from drift_ros.features.video.video_unet import VideoUnetExtractor
from drift_ros.settings import FeatureSettings, build

MODELS = ('i2vgen-xl', 'svd', 'svd-xt', 'modelscope')
CLASSES = ('i2vgen-xl', 'svd', 'modelscope')  # of which svd-xt has none of its own
Make = Callable[..., VideoUnetExtractor]


def settings(**changes: Any) -> FeatureSettings:
    """Of the features; names with __ for the dot."""
    own = {name.replace('__', '.'): value for name, value in changes.items()}
    return build(FeatureSettings, {'device': 'cpu', 'name': 'video-unet'} | own)


def window(
    count: int = 3, new: int = 0, first: int = 0, size: tuple[int, int] = (64, 96)
) -> Window:
    """Random frames, each by its stamp."""
    frames = [
        torch.randint(
            0, 256, (3, *size), dtype=torch.uint8, generator=torch.Generator().manual_seed(index)
        )
        for index in range(first, first + count)
    ]
    return Window(torch.stack(frames), tuple(range(first, first + count)), new or count)


def changed(frames: Window, index: int) -> Window:
    """The same window with another picture in one place."""
    images = frames.images.clone()
    images[index] = 255 - images[index]
    stamps = list(frames.stamps)
    stamps[index] += 1000
    return Window(images, tuple(stamps), frames.new)


def load_unet(folder: Path) -> Any:
    """The whole UNet of a folder as diffusers loads it."""
    name = json.loads((folder / 'unet' / 'config.json').read_text())['_class_name']
    return getattr(diffusers, name).from_pretrained(folder / 'unet').eval()


class Seen(Exception):  # noqa: N818
    """Ends a pass once a network was called."""

    def __init__(self, args: tuple[Any, ...], named: dict[str, Any]) -> None:
        super().__init__()
        self.args_seen = args
        self.named = named


def call_of(network: Any, run: Callable[[], Any]) -> dict[str, Tensor]:
    """Named inputs of the first call of a network, with its latents as `sample` and its time as
    `timestep`.
    """

    def stop(_module: Any, args: tuple[Any, ...], named: dict[str, Any]) -> None:
        raise Seen(args, named)

    handle = network.register_forward_pre_hook(stop, with_kwargs=True)
    try:
        run()
    except Seen as seen:
        return dict(zip(('sample', 'timestep'), seen.args_seen, strict=False)) | seen.named
    finally:
        handle.remove()
    raise AssertionError('the network was not called')
