"""The text condition of latent diffusion models, encoded once."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from drift_ros.errors import CheckpointError
from drift_ros.features.checkpoints import load_part

log = logging.getLogger(__name__)


def encode_prompt(
    folder: Path, prompt: str, *, skip_last: int = 0, dtype: torch.dtype = torch.float32
) -> Tensor:
    """Hidden states of the text encoder of a model folder; the encoder itself is not kept.

    Args:
        folder: has `text_encoder/` and `tokenizer/`.
        prompt: text; what is longer than the encoder takes is cut off.
        skip_last: layers left out before the final normalisation; I2VGen-XL leaves out one.
        dtype: number format of the result; the encoder runs in float32.

    Returns:
        (1, tokens, dim) on the CPU; 77 tokens in the published models.

    Raises:
        CheckpointError: the encoder or the tokenizer is missing, incomplete or of another class.
    """
    from transformers import CLIPTextModel, CLIPTokenizer

    tokenizer = _load_tokenizer(CLIPTokenizer, folder / 'tokenizer')
    encoder = load_part(folder, 'text_encoder', CLIPTextModel, torch.float32)
    _drop_layers(encoder, skip_last)
    length = min(tokenizer.model_max_length, encoder.config.max_position_embeddings)
    if len(tokenizer(prompt).input_ids) > length:
        log.warning('the prompt has more than %d tokens, the rest is cut off: %r', length, prompt)
    tokens = tokenizer(
        prompt, padding='max_length', max_length=length, truncation=True, return_tensors='pt'
    )
    with torch.no_grad():
        hidden: Tensor = encoder(tokens.input_ids).last_hidden_state
    return hidden.to(dtype)


def _load_tokenizer(cls: Any, place: Path) -> Any:
    whole = [place / 'tokenizer.json'], [place / 'vocab.json', place / 'merges.txt']
    if not any(all(file.is_file() for file in files) for files in whole):
        raise CheckpointError(
            f'{place} has neither tokenizer.json nor vocab.json with merges.txt: the download is '
            'incomplete, get this folder again'
        )
    try:
        return cls.from_pretrained(place, local_files_only=True)
    except Exception as error:
        raise CheckpointError(
            f'cannot load the tokenizer from {place} (incomplete download?): {error}'
        ) from error


def _drop_layers(encoder: torch.nn.Module, count: int) -> None:
    """Leave out the last transformer layers, so that the final normalisation follows the others."""
    for module in encoder.modules():
        layers = getattr(module, 'layers', None)
        if count and isinstance(layers, torch.nn.ModuleList):
            module.layers = layers[: len(layers) - count]
