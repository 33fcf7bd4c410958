"""Parts of small models with random weights, in folders like the published ones: the code path of
the real models on any machine, without their knowledge.
"""

from __future__ import annotations

import json
import string
from pathlib import Path
from typing import Any

CONDITION_DIM = 32  # of text and image embeddings
GROUPS = 8


def write_vae(folder: Path, cls: Any, **changes: Any) -> None:
    """A VAE of stride 8 with 4 latent channels, as `vae/`.

    Args:
        folder: of the model.
        cls: `AutoencoderKL` or `AutoencoderKLTemporalDecoder`.
        changes: other entries of its configuration.
    """
    options: dict[str, Any] = {
        'block_out_channels': (32, 32, 64, 64),
        'down_block_types': ('DownEncoderBlock2D',) * 4,
        'latent_channels': 4,
    }
    cls(**(options | changes)).save_pretrained(folder / 'vae')


def write_text_encoder(folder: Path, layers: int = 2) -> None:
    """A CLIP text encoder that reads letters and digits one by one, with its tokenizer."""
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

    signs = string.ascii_lowercase + string.digits
    words = ['<|startoftext|>', '<|endoftext|>', *signs, *(f'{sign}</w>' for sign in signs)]
    place = folder / 'tokenizer'
    place.mkdir(parents=True)
    (place / 'vocab.json').write_text(json.dumps({word: i for i, word in enumerate(words)}))
    (place / 'merges.txt').write_text('#version: 0.2\n')
    CLIPTokenizer(
        str(place / 'vocab.json'), str(place / 'merges.txt'), model_max_length=77
    ).save_pretrained(place)
    config = CLIPTextConfig(
        vocab_size=len(words),
        hidden_size=CONDITION_DIM,
        intermediate_size=CONDITION_DIM,
        num_hidden_layers=layers,
        num_attention_heads=2,
        max_position_embeddings=77,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=1,
    )
    save(CLIPTextModel(config), folder / 'text_encoder')


def write_image_encoder(folder: Path) -> None:
    """A CLIP image encoder for 224 px, with the configuration of its preprocessor."""
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    config = CLIPVisionConfig(
        hidden_size=CONDITION_DIM,
        intermediate_size=CONDITION_DIM,
        num_hidden_layers=2,
        num_attention_heads=2,
        image_size=224,
        patch_size=32,
        projection_dim=CONDITION_DIM,
    )
    save(CLIPVisionModelWithProjection(config), folder / 'image_encoder')
    place = folder / 'feature_extractor'
    place.mkdir(parents=True)
    preprocessor = {
        'image_processor_type': 'CLIPImageProcessor',
        'crop_size': {'height': 224, 'width': 224},
        'size': {'shortest_edge': 224},
        'resample': 3,
        'image_mean': [0.48145466, 0.4578275, 0.40821073],
        'image_std': [0.26862954, 0.26130258, 0.27577711],
    }
    (place / 'preprocessor_config.json').write_text(json.dumps(preprocessor))


def save(model: Any, place: Path) -> None:
    """Save a model of transformers without its progress bar."""
    from transformers.utils import logging as reports

    bars = reports.is_progress_bar_enabled()
    reports.disable_progress_bar()
    try:
        model.save_pretrained(place)
    finally:
        if bars:
            reports.enable_progress_bar()
