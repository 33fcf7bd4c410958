"""A small video UNet with random weights: the code path of the real one on any machine, without its
knowledge.
"""

from __future__ import annotations

import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet3DConditionModel

from drift_ros.features.video_unet import VideoUnet

FRAMES = 8
TOKENS, TEXT_DIM = 4, 32


def untrained_video_unet(seed: int = 0) -> VideoUnet:
    """A `UNet3DConditionModel` and an `AutoencoderKL` of the published layout with few channels.

    Decoder blocks have strides 32, 16, 8, 8 px and 64, 64, 64, 32 channels.

    Args:
        seed: of the weights.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        unet = UNet3DConditionModel(
            block_out_channels=(32, 64, 64, 64),
            layers_per_block=1,
            cross_attention_dim=TEXT_DIM,
            attention_head_dim=16,
            norm_num_groups=8,
        )
        vae = AutoencoderKL(
            block_out_channels=(16, 16, 32, 32),
            down_block_types=('DownEncoderBlock2D',) * 4,
            up_block_types=('UpDecoderBlock2D',) * 4,
            latent_channels=4,
            norm_num_groups=8,
        )
        text = torch.randn(1, TOKENS, TEXT_DIM)
    scheduler = DDIMScheduler(beta_schedule='scaled_linear', beta_start=0.00085, beta_end=0.012)
    return VideoUnet(unet, vae, scheduler.alphas_cumprod, text, FRAMES)
