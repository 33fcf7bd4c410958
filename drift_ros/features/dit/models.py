"""Makes the video transformer that the settings name: finds, checks and loads its weights."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from drift_ros.errors import CheckpointError, SettingsError
from drift_ros.features.base import FeatureExtractor
from drift_ros.features.checkpoints import (
    load_part,
    locate,
    read_config,
    read_numbers,
    require_class,
    require_memory,
)
from drift_ros.features.device import choose_device, choose_dtype
from drift_ros.features.dit.extractor import (
    CogVideoExtractor,
    DitParts,
    HunyuanExtractor,
    VideoDitExtractor,
)
from drift_ros.features.dit.text import cogvideo_text, hunyuan_text
from drift_ros.settings import FeatureSettings

SETTING = 'features.dit.checkpoint'
UNTRAINED = 'untrained'
ADVICE = f'choose features.dit.model to fit, or another {SETTING}'
COG_LAST = 19.0  # of 50 steps, trailing: 999, 979, ..., 19
HUNYUAN_STEPS = 30


@dataclass(frozen=True, slots=True)
class DitModel:
    """A published video transformer.

    Attributes:
        hub_id: where it is published.
        transformer, vae: names of its classes in diffusers.
        texts: parts that encode the prompt.
        layer: that DiffTrack reads.
        scaling: of latents, where the files do not say.
        text: encodes a prompt, from the folder.
        timestep: of the last step, from the folder.
        make: the extractor.
    """

    hub_id: str
    transformer: str
    vae: str
    texts: tuple[str, ...]
    layer: int
    scaling: float
    text: Callable[[Path, str, torch.dtype], dict[str, Tensor]]
    timestep: Callable[[Path], float]
    make: Callable[[DitParts], VideoDitExtractor]


def create(settings: FeatureSettings) -> FeatureExtractor:
    """Make the extractor of `settings.dit`.

    Raises:
        SettingsError: the model has no such layer.
        CheckpointError: its weights, or those of its text encoder, are missing, incomplete or of
            another model.
        DeviceError: the device is not there or has too little memory.
    """
    model = MODELS[settings.dit.model]
    device = choose_device(settings.device)
    dtype = choose_dtype(settings.dtype, device)
    if settings.dit.checkpoint == UNTRAINED:
        from drift_ros.features.dit.untrained import write_untrained

        with tempfile.TemporaryDirectory() as place:
            write_untrained(settings.dit.model, Path(place))
            return _load(Path(place), model, settings, device, dtype)
    parts = ('transformer', 'vae', 'scheduler', *model.texts)
    folder = locate(settings.dit.checkpoint, model.hub_id, SETTING, parts, dtype=dtype)
    return _load(folder, model, settings, device, dtype)


def _load(
    folder: Path,
    model: DitModel,
    settings: FeatureSettings,
    device: torch.device,
    dtype: torch.dtype,
) -> VideoDitExtractor:
    import diffusers

    cls = getattr(diffusers, model.transformer)
    require_class(folder, 'transformer', cls, advice=ADVICE)
    config = read_config(folder, 'transformer')
    if config.get('patch_size_t') not in (None, 1) or config.get('in_channels', 16) != 16:
        raise CheckpointError(
            f'{folder / "transformer"} is of a later kind (CogVideoX 1.5, or one that takes an '
            f'image): {ADVICE}'
        )
    dual, single = config.get('num_layers', 0), config.get('num_single_layers', 0)
    layers = _layers(settings.dit.layers, model.layer, dual + single)
    kept, behind = _kept(layers[-1], dual, single)
    require_memory(
        folder,
        {'transformer': behind, 'vae': ('decoder.', 'post_quant_conv.')},
        device=device,
        dtype=dtype,
    )
    transformer = load_part(folder, 'transformer', cls, dtype, advice=ADVICE, changes=kept)
    vae = load_part(folder, 'vae', getattr(diffusers, model.vae), dtype, advice=ADVICE)
    text = model.text(folder, settings.dit.prompt, dtype)
    (scaling,) = read_numbers(
        read_config(folder, 'vae'), 'scaling_factor', (model.scaling,), folder / 'vae'
    )
    timestep = settings.dit.timestep
    return model.make(
        DitParts(
            transformer=transformer,
            vae=vae,
            text=text,
            layers=layers,
            timestep=model.timestep(folder) if timestep < 0 else timestep,
            scaling=scaling,
            seed=settings.seed,
            batch=settings.batch,
            device=device,
            dtype=dtype,
        )
    )


def _layers(wanted: str, published: int, count: int) -> tuple[int, ...]:
    """Numbers of the layers that are read, rising."""
    layers = sorted({int(number) for number in wanted.split(',')}) if wanted else [published]
    if layers[-1] >= count:
        raise SettingsError(
            f'there is no layer {layers[-1]}: this model has layers 0 to {count - 1} '
            '(features.dit.layers)'
        )
    return tuple(layers)


def _kept(last: int, dual: int, single: int) -> tuple[dict[str, int], tuple[str, ...]]:
    """Entries of the configuration that leave out the blocks behind the last one that is read, and
    how the names of their weights begin.
    """
    kept = {'num_layers': min(dual, last + 1)}
    if single:
        kept['num_single_layers'] = max(0, last + 1 - dual)
    left = [f'transformer_blocks.{i}.' for i in range(kept['num_layers'], dual)]
    left += [f'single_transformer_blocks.{i}.' for i in range(max(0, last + 1 - dual), single)]
    return kept, tuple(left)


def _hunyuan_timestep(folder: Path) -> float:
    """Of the last of 30 steps, by the shift of the scheduler."""
    place = folder / 'scheduler'
    config = read_config(folder, 'scheduler', 'scheduler_config.json')
    (shift,) = read_numbers(config, 'shift', (7.0,), place)
    sigma = 1 / HUNYUAN_STEPS
    return 1000 * shift * sigma / (1 + (shift - 1) * sigma)


def _cogvideo(hub_id: str, scaling: float) -> DitModel:
    return DitModel(
        hub_id,
        'CogVideoXTransformer3DModel',
        'AutoencoderKLCogVideoX',
        ('text_encoder', 'tokenizer'),
        17,
        scaling,
        cogvideo_text,
        lambda folder: COG_LAST,
        CogVideoExtractor,
    )


MODELS: dict[str, DitModel] = {
    'cogvideox-2b': _cogvideo('THUDM/CogVideoX-2b', 1.15258426),
    'cogvideox-5b': _cogvideo('THUDM/CogVideoX-5b', 0.7),
    'hunyuanvideo': DitModel(
        'hunyuanvideo-community/HunyuanVideo',
        'HunyuanVideoTransformer3DModel',
        'AutoencoderKLHunyuanVideo',
        ('text_encoder', 'tokenizer', 'text_encoder_2', 'tokenizer_2'),
        16,
        0.476986,
        hunyuan_text,
        _hunyuan_timestep,
        HunyuanExtractor,
    ),
}
