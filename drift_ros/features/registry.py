"""Names of extractors, and how each is made from the settings. To add one, write its maker and list
it here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from drift_ros.errors import SettingsError
from drift_ros.features.base import FeatureExtractor
from drift_ros.features.device import choose_device, choose_dtype
from drift_ros.settings import FeatureSettings

if TYPE_CHECKING:
    from drift_ros.features.video_unet import VideoUnet

Maker = Callable[[FeatureSettings], FeatureExtractor]


@dataclass(frozen=True, slots=True)
class Entry:
    """An extractor of the registry: one line for people, and how to make it."""

    description: str
    make: Maker


def _patch(settings: FeatureSettings) -> FeatureExtractor:
    from drift_ros.features.patch import PatchExtractor

    device = choose_device(settings.device)
    return PatchExtractor(device, choose_dtype(settings.dtype, device))


def _video_unet(settings: FeatureSettings) -> FeatureExtractor:
    from drift_ros.features.folders import load_video_unet

    return _over('video-unet', load_video_unet(settings.checkpoint), settings)


def _untrained_video_unet(settings: FeatureSettings) -> FeatureExtractor:
    from drift_ros.features.untrained import untrained_video_unet

    return _over('untrained-video-unet', untrained_video_unet(), settings)


def _over(name: str, model: VideoUnet, settings: FeatureSettings) -> FeatureExtractor:
    from drift_ros.features.video_unet import VideoUnetExtractor

    device = choose_device(settings.device)
    return VideoUnetExtractor(
        name,
        model,
        block=settings.block,
        noise_level=settings.noise_level,
        seed=settings.seed,
        device=device,
        dtype=choose_dtype(settings.dtype, device),
    )


EXTRACTORS: dict[str, Entry] = {
    'patch': Entry('colours and gradients of small patches; a baseline without a network', _patch),
    'video-unet': Entry(
        'a text-to-video diffusion UNet (diffusers UNet3DConditionModel) from features.checkpoint',
        _video_unet,
    ),
    'untrained-video-unet': Entry(
        'a small video UNet with random weights, to try the code path; it has learned nothing',
        _untrained_video_unet,
    ),
}


def names() -> list[str]:
    """Names of all extractors."""
    return list(EXTRACTORS)


def create(settings: FeatureSettings) -> FeatureExtractor:
    """Make the extractor that the settings name.

    Raises:
        SettingsError: there is no extractor of that name.
        CheckpointError: its weights are missing or unusable.
        DeviceError: its device is not there.
    """
    entry = EXTRACTORS.get(settings.name)
    if entry is None:
        raise SettingsError(
            f'features.name is {settings.name!r}; the extractors are: {", ".join(names())}'
        )
    return entry.make(settings)
