"""Makes the embedded extractors from the settings."""

from __future__ import annotations

from pathlib import Path

import torch

from drift_ros import resources
from drift_ros.errors import CheckpointError
from drift_ros.features.base import FeatureExtractor
from drift_ros.features.checkpoints import load_part
from drift_ros.features.device import choose_device, choose_dtype
from drift_ros.features.embedded.extractor import EmbeddedExtractor
from drift_ros.features.embedded.model import EmbeddedUNet
from drift_ros.settings import FeatureSettings

TRAINED = 'model'  # folder of the weights inside the folder of a training


def create(settings: FeatureSettings) -> FeatureExtractor:
    """`embedded`: the model as a stream, R_v.

    Raises:
        CheckpointError: its weights are missing, damaged or of another kind.
        DeviceError: the device is not there.
    """
    return _make('embedded', settings, temporal=True)


def create_image(settings: FeatureSettings) -> FeatureExtractor:
    """`embedded-image`: the same weights without temporal layers, R_i. Raises as `create`."""
    return _make('embedded-image', settings, temporal=False)


def create_attention(settings: FeatureSettings) -> FeatureExtractor:
    """`embedded-attention`: queries and keys of the same weights, frame by frame.

    Raises:
        SettingsError: the model does not attend where `settings.attention` says.
        CheckpointError: its weights are missing, damaged or of another kind.
        DeviceError: the device is not there.
    """
    from drift_ros.features.embedded.attention import EmbeddedAttention

    device = choose_device(settings.device)
    dtype = choose_dtype(settings.dtype, device)
    model = load(_folder(settings.embedded.checkpoint), dtype)
    return EmbeddedAttention(model, settings, device, dtype)


def load(folder: Path, dtype: torch.dtype) -> EmbeddedUNet:
    """Load a model from its folder, or from that of a training; no network.

    Raises:
        CheckpointError: the weights are missing, damaged or of another class.
    """
    inner = folder / TRAINED if (folder / TRAINED).is_dir() else folder
    model: EmbeddedUNet = load_part(inner, '.', EmbeddedUNet, dtype)
    return model


def _make(name: str, settings: FeatureSettings, temporal: bool) -> EmbeddedExtractor:
    device = choose_device(settings.device)
    dtype = choose_dtype(settings.dtype, device)
    model = load(_folder(settings.embedded.checkpoint), dtype)
    if temporal and not model.config.temporal:
        raise CheckpointError(
            'features.embedded.checkpoint holds a model without temporal layers, `embedded` needs '
            'one with them: take `embedded-image`, or give the folder of another training'
        )
    return EmbeddedExtractor(
        name,
        model,
        snr=settings.embedded.snr,
        temporal=temporal,
        seed=settings.seed,
        device=device,
        dtype=dtype,
    )


def _folder(chosen: str) -> Path:
    """Where the weights lie."""
    folder = Path(chosen).expanduser() if chosen else resources.folder('resource') / 'embedded'
    if not folder.is_dir():
        raise CheckpointError(
            f'{str(folder)!r} is no folder of weights of the embedded model: give the --out of '
            '`drift train-embedded` as features.embedded.checkpoint, or leave it empty for the '
            'weights that come with the package'
        )
    return folder
