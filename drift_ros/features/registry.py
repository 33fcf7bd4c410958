"""Names of extractors, and how each is made from the settings. To add one, write its maker and list
it here.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

import torch

from drift_ros.errors import DeviceError, SettingsError
from drift_ros.features.base import FeatureExtractor
from drift_ros.settings import FeatureSettings

log = logging.getLogger(__name__)
Maker = Callable[[FeatureSettings], FeatureExtractor]


@dataclass(frozen=True, slots=True)
class Entry:
    """An extractor of the registry: one line for people, and how to make it."""

    description: str
    make: Maker


def _patch(settings: FeatureSettings) -> FeatureExtractor:
    from drift_ros.features.device import choose_device, choose_dtype
    from drift_ros.features.patch import PatchExtractor

    device = choose_device(settings.device)
    return PatchExtractor(device, choose_dtype(settings.dtype, device))


def _video_unet(settings: FeatureSettings) -> FeatureExtractor:
    from drift_ros.features import video

    return video.create(settings)


def _image_unet(settings: FeatureSettings) -> FeatureExtractor:
    from drift_ros.features import image

    return image.create(settings)


def _image_attention(settings: FeatureSettings) -> FeatureExtractor:
    from drift_ros.features import image

    return image.create(settings, attention=True)


def _video_dit(settings: FeatureSettings) -> FeatureExtractor:
    from drift_ros.features import dit

    return dit.create(settings)


def _fused(settings: FeatureSettings) -> FeatureExtractor:
    from drift_ros.features.fused import FusedExtractor

    if settings.alpha == 1:
        return _video_unet(settings)
    if settings.alpha == 0:
        return _image_unet(settings)
    return FusedExtractor(_video_unet(settings), _image_unet(settings), settings.alpha)


def _embedded(settings: FeatureSettings) -> FeatureExtractor:
    from drift_ros.features.embedded.create import create

    return create(settings)


def _embedded_attention(settings: FeatureSettings) -> FeatureExtractor:
    from drift_ros.features.embedded.create import create_attention

    return create_attention(settings)


def _embedded_image(settings: FeatureSettings) -> FeatureExtractor:
    from drift_ros.features.embedded.create import create_image

    return create_image(settings)


EXTRACTORS: dict[str, Entry] = {
    'patch': Entry('colours and gradients of small patches; a baseline without a network', _patch),
    'video-unet': Entry(
        'a video diffusion UNet (features.video): I2VGen-XL, Stable Video Diffusion, ModelScope',
        _video_unet,
    ),
    'image-unet': Entry(
        'an image diffusion UNet (features.image), as DIFT: ADM, Stable Diffusion 2.1 and 1.5',
        _image_unet,
    ),
    'image-attention': Entry(
        'queries and keys of the self-attention of an image diffusion UNet, as DRIFT',
        _image_attention,
    ),
    'video-dit': Entry(
        'queries and keys of a video diffusion transformer (features.dit), as DiffTrack: '
        'CogVideoX, HunyuanVideo',
        _video_dit,
    ),
    'fused': Entry(
        'both, weighted by features.alpha, as TED: separates identical objects and keeps details',
        _fused,
    ),
    'embedded': Entry(
        'the small causal video diffusion model that comes with the package, as a stream',
        _embedded,
    ),
    'embedded-image': Entry(
        'the same model without temporal layers: every frame by itself', _embedded_image
    ),
    'embedded-attention': Entry(
        'queries and keys of its self-attention within frames', _embedded_attention
    ),
}
RETIRED = {'embedded-fused': 'embedded'}  # names of earlier versions, and what took their place

INVERTIBLE = ('image-unet', 'image-attention', 'fused', 'embedded-attention')  # features.noise


def names() -> list[str]:
    """Names of all extractors."""
    return list(EXTRACTORS)


def create(settings: FeatureSettings) -> FeatureExtractor:
    """Make the extractor that the settings name.

    Raises:
        SettingsError: there is no extractor of that name, or the model has no such block, noise
            level or condition.
        CheckpointError: its weights are missing or unusable.
        DeviceError: its device is not there or has too little memory.
    """
    name = RETIRED.get(settings.name, settings.name)
    if name != settings.name:
        log.warning('features.name %s is retired: %s takes its place', settings.name, name)
    if settings.noise == 'inversion' and name in EXTRACTORS and name not in INVERTIBLE:
        raise SettingsError(
            f'features.noise is inversion, and {name} takes random noise alone: set it to random, '
            f'or features.name to one of {", ".join(INVERTIBLE)}'
        )
    entry = EXTRACTORS.get(name)
    if entry is None:
        raise SettingsError(
            f'features.name is {settings.name!r}; the extractors are: {", ".join(names())}'
        )
    try:
        return entry.make(settings)
    except torch.OutOfMemoryError as error:
        raise DeviceError(
            f'the device ran out of memory while {settings.name!r} was loaded: free some, set '
            f'features.dtype to float16 or bfloat16, or choose a smaller model ({error})'
        ) from error
