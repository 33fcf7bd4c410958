"""Loads diffusion models from local folders as diffusers publishes them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet3DConditionModel
from torch import Tensor

from drift_ros.errors import CheckpointError
from drift_ros.features.video_unet import VideoUnet

MODELSCOPE_FRAMES = 16  # the length that text-to-video-ms was trained on; its files do not say


def load_video_unet(folder: str | Path) -> VideoUnet:
    """Load a text-to-video model (class `UNet3DConditionModel`, such as ModelScope's).

    Args:
        folder: holds `unet/`, `vae/`, `scheduler/`, `text_encoder/` and `tokenizer/`.

    Raises:
        CheckpointError: a part is missing, incomplete, or of another class.
    """
    if not str(folder):
        raise CheckpointError(
            'the extractor video-unet needs weights: set features.checkpoint to the folder of a '
            'diffusers '
            'text-to-video model (with unet/, vae/, scheduler/, text_encoder/ and tokenizer/ in it)'
        )
    folder = Path(folder).expanduser()
    if not folder.is_dir():
        raise CheckpointError(
            f'features.checkpoint {str(folder)!r} is not a folder on this machine: download a '
            'diffusers '
            'text-to-video model (for example damo-vilab/text-to-video-ms-1.7b) and give its path'
        )
    scheduler = load_part(folder, 'scheduler', DDIMScheduler, any_class=True)
    return VideoUnet(
        unet=load_part(folder, 'unet', UNet3DConditionModel),
        vae=load_part(folder, 'vae', AutoencoderKL),
        alphas_cumprod=scheduler.alphas_cumprod,
        text=_encode_empty_prompt(folder),
        frames=MODELSCOPE_FRAMES,
    )


def load_part(folder: Path, part: str, cls: Any, any_class: bool = False) -> Any:
    """Load one part of a model folder, without network.

    Raises:
        CheckpointError: it is missing, incomplete, or (unless `any_class`) of another class.
    """
    place = folder / part
    configs = sorted(place.glob('*config.json'))
    if not configs:
        raise CheckpointError(
            f'{place} has no config.json: the download of {folder} is incomplete, or it is another '
            'kind of model'
        )
    found = json.loads(configs[0].read_text()).get('_class_name')
    if not any_class and found != cls.__name__:
        raise CheckpointError(
            f'{place} holds a {found}, expected a {cls.__name__}: choose the extractor that fits '
            'this model'
        )
    try:
        return cls.from_pretrained(place, local_files_only=True)
    except Exception as error:
        raise CheckpointError(
            f'cannot load {cls.__name__} from {place} (incomplete download?): {error}'
        ) from error


def _encode_empty_prompt(folder: Path) -> Tensor:
    """(1, tokens, dim) last hidden state of the text encoder for ''; the encoder is not kept."""
    from transformers import CLIPTextModel, CLIPTokenizer

    try:
        tokenizer = CLIPTokenizer.from_pretrained(folder / 'tokenizer', local_files_only=True)
        encoder = CLIPTextModel.from_pretrained(folder / 'text_encoder', local_files_only=True)
    except Exception as error:
        raise CheckpointError(
            f'cannot load the text encoder from {folder}/text_encoder and {folder}/tokenizer '
            f'(incomplete download?): {error}'
        ) from error
    tokens = tokenizer(
        '', padding='max_length', max_length=tokenizer.model_max_length, return_tensors='pt'
    )
    with torch.no_grad():
        hidden: Tensor = encoder(tokens.input_ids).last_hidden_state
    return hidden
