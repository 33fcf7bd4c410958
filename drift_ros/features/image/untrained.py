"""Small image UNets with random weights, as folders like the published ones: the code path of the
real models on any machine, without their knowledge.
"""

from __future__ import annotations

import json
import string
from pathlib import Path

import torch

TEXT_DIM = 32
GROUPS = 8
NOISE = {'beta_schedule': 'scaled_linear', 'beta_start': 0.00085, 'beta_end': 0.012}


def write_untrained(model: str, folder: Path, seed: int = 0) -> None:
    """Write a small model of the class of a published one.

    Args:
        model: a value of `features.image.model`.
        folder: to write to.
        seed: of the weights.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if model == 'adm':
            _write_adm(folder)
        else:
            _write_stable_diffusion(folder, linear=model == 'sd-2.1')


def _write_adm(folder: Path) -> None:
    """Decoder blocks have the strides of the original, and a sixteenth of its channels."""
    from diffusers import DDPMPipeline, DDPMScheduler, UNet2DModel

    from drift_ros.features.image.adm_conversion import CONFIG, SCHEDULE

    small = {
        'block_out_channels': (16, 16, 32, 32, 64, 64),
        'attention_head_dim': 16,
        'norm_num_groups': GROUPS,
        'attn_norm_num_groups': GROUPS,
    }
    unet = UNet2DModel(**(CONFIG | small))
    DDPMPipeline(unet, DDPMScheduler(**SCHEDULE)).save_pretrained(folder)


def _write_stable_diffusion(folder: Path, linear: bool) -> None:
    """Decoder blocks have strides 32, 16, 8, 8 px and 64, 64, 64, 32 channels."""
    from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel

    UNet2DConditionModel(
        block_out_channels=(32, 64, 64, 64),
        layers_per_block=2,
        cross_attention_dim=TEXT_DIM,
        attention_head_dim=(2, 4, 4, 4) if linear else 4,  # heads, in spite of the name
        use_linear_projection=linear,
        upcast_attention=linear,
        norm_num_groups=GROUPS,
    ).save_pretrained(folder / 'unet')
    AutoencoderKL(
        block_out_channels=(16, 16, 32, 32),
        down_block_types=('DownEncoderBlock2D',) * 4,
        up_block_types=('UpDecoderBlock2D',) * 4,
        latent_channels=4,
        norm_num_groups=GROUPS,
    ).save_pretrained(folder / 'vae')
    DDIMScheduler(**NOISE, prediction_type='v_prediction' if linear else 'epsilon').save_pretrained(
        folder / 'scheduler'
    )
    _write_text_encoder(folder)


def _write_text_encoder(folder: Path) -> None:
    """A CLIP text encoder that reads letters and digits one by one."""
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
        hidden_size=TEXT_DIM,
        intermediate_size=TEXT_DIM,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=77,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=1,
    )
    CLIPTextModel(config).save_pretrained(folder / 'text_encoder')
