"""Small video transformers with random weights, as folders like the published ones."""

from __future__ import annotations

import string
from pathlib import Path
from typing import Any

import torch

from drift_ros.features.untrained_parts import save

DIM = 32  # of text embeddings
FRONT = ['<pad>', '</s>', '<unk>', '<s>']


def write_untrained(model: str, folder: Path, seed: int = 0) -> None:
    """Write a small model of the class of a published one.

    It has 18 or more layers of 2 heads, so that the layers of DiffTrack exist.

    Args:
        model: a value of `features.dit.model`.
        folder: to write to.
        seed: of the weights.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if model == 'hunyuanvideo':
            _hunyuan(folder)
        else:
            _cogvideo(folder, rotary=model == 'cogvideox-5b')


def _cogvideo(folder: Path, rotary: bool) -> None:
    from diffusers import (
        AutoencoderKLCogVideoX,
        CogVideoXDDIMScheduler,
        CogVideoXTransformer3DModel,
    )
    from transformers import T5Config, T5EncoderModel

    transformer = CogVideoXTransformer3DModel(
        num_attention_heads=2,
        attention_head_dim=16,
        time_embed_dim=8,
        text_embed_dim=DIM,
        num_layers=18,
        sample_width=8,
        sample_height=8,
        max_text_seq_length=16,
        use_rotary_positional_embeddings=rotary,
    )
    transformer.save_pretrained(folder / 'transformer')
    vae = AutoencoderKLCogVideoX(
        down_block_types=('CogVideoXDownBlock3D',) * 4,
        up_block_types=('CogVideoXUpBlock3D',) * 4,
        block_out_channels=(8,) * 4,
        latent_channels=16,
        layers_per_block=1,
        norm_num_groups=2,
        scaling_factor=0.7 if rotary else 1.15258426,
    )
    vae.save_pretrained(folder / 'vae')
    CogVideoXDDIMScheduler(timestep_spacing='trailing').save_pretrained(folder / 'scheduler')
    _tokenizer(folder / 'tokenizer')
    config = T5Config(
        vocab_size=128, d_model=DIM, d_kv=8, d_ff=DIM, num_layers=1, num_heads=2, pad_token_id=0
    )
    save(T5EncoderModel(config), folder / 'text_encoder')


def _hunyuan(folder: Path) -> None:
    from diffusers import (
        AutoencoderKLHunyuanVideo,
        FlowMatchEulerDiscreteScheduler,
        HunyuanVideoTransformer3DModel,
    )
    from transformers import CLIPTextConfig, CLIPTextModel, LlamaConfig, LlamaModel

    transformer = HunyuanVideoTransformer3DModel(
        num_attention_heads=2,
        attention_head_dim=24,
        num_layers=17,
        num_single_layers=2,
        num_refiner_layers=1,
        text_embed_dim=DIM,
        pooled_projection_dim=DIM,
        rope_axes_dim=(4, 10, 10),
    )
    transformer.save_pretrained(folder / 'transformer')
    vae = AutoencoderKLHunyuanVideo(
        block_out_channels=(8,) * 4,
        layers_per_block=1,
        norm_num_groups=2,
        mid_block_add_attention=False,
    )
    vae.save_pretrained(folder / 'vae')
    FlowMatchEulerDiscreteScheduler(shift=7.0).save_pretrained(folder / 'scheduler')
    _tokenizer(folder / 'tokenizer')
    _tokenizer(folder / 'tokenizer_2')
    sizes: dict[str, Any] = {
        'vocab_size': 128,
        'hidden_size': DIM,
        'intermediate_size': DIM,
        'num_attention_heads': 2,
    }
    llama = LlamaConfig(**sizes, num_hidden_layers=3, max_position_embeddings=512, pad_token_id=0)
    save(LlamaModel(llama), folder / 'text_encoder')
    clip = CLIPTextConfig(
        **sizes, num_hidden_layers=1, max_position_embeddings=77, eos_token_id=1, pad_token_id=0
    )
    save(CLIPTextModel(clip), folder / 'text_encoder_2')


def _tokenizer(place: Path) -> None:
    """A tokenizer that reads characters one by one."""
    from tokenizers import Regex, Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Split
    from tokenizers.processors import TemplateProcessing
    from transformers import PreTrainedTokenizerFast

    words = {sign: i for i, sign in enumerate([*FRONT, *string.printable])}
    tokenizer = Tokenizer(WordLevel(words, unk_token='<unk>'))
    tokenizer.pre_tokenizer = Split(Regex('.'), 'isolated')
    tokenizer.post_processor = TemplateProcessing(
        single='$A </s>', special_tokens=[('</s>', words['</s>'])]
    )
    whole = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token='<pad>', eos_token='</s>', unk_token='<unk>'
    )
    whole.save_pretrained(place)
