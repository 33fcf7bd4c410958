"""The prompts of video transformers, encoded once; the encoders are not kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from drift_ros.errors import CheckpointError
from drift_ros.features.checkpoints import load_part

TOKENS = 226  # that CogVideoX takes, where its files do not say


def cogvideo_text(folder: Path, prompt: str | list[str], dtype: torch.dtype) -> dict[str, Tensor]:
    """What the transformer of CogVideoX takes of one or several prompts: hidden states of a T5
    encoder.

    Raises:
        CheckpointError: the encoder or its tokenizer is missing or incomplete.
    """
    from transformers import T5EncoderModel

    from drift_ros.features.checkpoints import read_config

    tokenizer = _tokenizer(folder / 'tokenizer')
    encoder = load_part(folder, 'text_encoder', T5EncoderModel, _wide(dtype))
    length = read_config(folder, 'transformer').get('max_text_seq_length', TOKENS)
    tokens = tokenizer(
        prompt, padding='max_length', max_length=length, truncation=True, return_tensors='pt'
    )
    with torch.no_grad():
        hidden = encoder(tokens.input_ids).last_hidden_state
    return {'encoder_hidden_states': hidden.to(dtype)}


def hunyuan_text(folder: Path, prompt: str, dtype: torch.dtype) -> dict[str, Tensor]:
    """What the transformer of HunyuanVideo takes of a prompt, as its pipeline makes it: hidden
    states of a language model, which of them count, and the pooled output of a CLIP encoder.

    Raises:
        CheckpointError: an encoder or its tokenizer is missing or incomplete.
    """
    from diffusers import HunyuanVideoPipeline
    from transformers import CLIPTextModel, LlamaModel

    pipeline = HunyuanVideoPipeline(
        text_encoder=load_part(folder, 'text_encoder', LlamaModel, _wide(dtype)),
        tokenizer=_tokenizer(folder / 'tokenizer'),
        text_encoder_2=load_part(folder, 'text_encoder_2', CLIPTextModel, _wide(dtype)),
        tokenizer_2=_tokenizer(folder / 'tokenizer_2'),
        transformer=None,
        vae=None,
        scheduler=None,
    )
    with torch.no_grad():
        hidden, pooled, mask = pipeline.encode_prompt(prompt, device=torch.device('cpu'))
    return {
        'encoder_hidden_states': hidden.to(dtype),
        'pooled_projections': pooled.to(dtype),
        'encoder_attention_mask': mask,
    }


def _wide(dtype: torch.dtype) -> torch.dtype:
    """Number format in which an encoder runs on the CPU: one of float16 would overflow."""
    return torch.bfloat16 if dtype == torch.float16 else dtype


def _tokenizer(place: Path) -> Any:
    from transformers import AutoTokenizer

    if not place.is_dir():
        raise CheckpointError(
            f'{place} is missing: the model needs its text encoders even for an empty prompt; get '
            'this folder, with the rest of the model, again'
        )
    try:
        return AutoTokenizer.from_pretrained(place, local_files_only=True)
    except Exception as error:
        raise CheckpointError(
            f'cannot load the tokenizer from {place} (incomplete download?): {error}'
        ) from error
