"""Makes the embedded extractors from the settings."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal

import torch

from drift_ros import resources
from drift_ros.errors import CheckpointError
from drift_ros.features.base import FeatureExtractor
from drift_ros.features.checkpoints import load_part
from drift_ros.features.device import choose_device, choose_dtype
from drift_ros.features.embedded.extractor import EmbeddedExtractor
from drift_ros.features.embedded.model import EmbeddedUNet
from drift_ros.features.embedded.reading import Reading
from drift_ros.features.fused import FusedExtractor
from drift_ros.settings import FeatureSettings

Kind = Literal['video', 'image']
TRAINED = 'model'  # folder of the weights inside the folder of a training


def create(settings: FeatureSettings) -> FeatureExtractor:
    """`embedded`: descriptors R_v of the video model.

    Raises:
        CheckpointError: its weights are missing, damaged or of another kind.
        DeviceError: the device is not there.
    """
    return _make('video', settings)


def create_image(settings: FeatureSettings) -> FeatureExtractor:
    """`embedded-image`: descriptors R_i of the image model. Raises as `create`."""
    return _make('image', settings)


def create_fused(settings: FeatureSettings) -> FeatureExtractor:
    """`embedded-fused`: both, R_f, weighted by `settings.embedded.alpha`. Raises as `create`."""
    alpha = settings.embedded.alpha
    if alpha == 1:
        return create(settings)
    if alpha == 0:
        return create_image(settings)
    return FusedExtractor(create(settings), create_image(settings), alpha, 'embedded-fused')


def load(folder: Path, dtype: torch.dtype) -> EmbeddedUNet:
    """Load a model from its folder, or from that of a training; no network.

    Raises:
        CheckpointError: the weights are missing, damaged or of another class.
    """
    model: EmbeddedUNet = load_part(inner(folder), '.', EmbeddedUNet, dtype)
    return model


def inner(folder: Path) -> Path:
    """Where the model lies in a folder, which may be that of its training."""
    return folder / TRAINED if (folder / TRAINED).is_dir() else folder


def _make(kind: Kind, settings: FeatureSettings) -> EmbeddedExtractor:
    own = settings.embedded
    chosen = own.checkpoint if kind == 'video' else own.image_checkpoint
    setting = 'checkpoint' if kind == 'video' else 'image_checkpoint'
    device = choose_device(settings.device)
    dtype = choose_dtype(settings.dtype, device)
    folder = _folder(kind, chosen, setting)
    model = load(folder, dtype)
    if model.config.temporal != (kind == 'video'):
        found = 'image' if kind == 'video' else 'video'
        raise CheckpointError(
            f'features.embedded.{setting} holds the {found} model, expected the {kind} model: give '
            'the folder of the other training'
        )
    reading = Reading.load(inner(folder))
    return EmbeddedExtractor(
        'embedded' if kind == 'video' else 'embedded-image',
        model,
        replace(reading, snr=own.snr) if own.snr else reading,
        temporal=own.temporal,
        motion=own.motion,
        ensemble=own.ensemble,
        seed=settings.seed,
        device=device,
        dtype=dtype,
        compile=settings.compile,
    )


def _folder(kind: Kind, chosen: str, setting: str) -> Path:
    """Where the weights lie."""
    if chosen:
        folder = Path(chosen).expanduser()
        if not folder.is_dir():
            raise CheckpointError(
                f'features.embedded.{setting} is {chosen!r}, which is not a folder: give the --out '
                'of `drift train-embedded`'
            )
        return folder
    folder = resources.folder('resource') / 'embedded' / kind
    if not folder.is_dir():
        raise CheckpointError(
            f'this package comes without weights of the embedded {kind} model: train one by `drift '
            f'train-embedded` and give its folder as features.embedded.{setting}'
        )
    return folder
