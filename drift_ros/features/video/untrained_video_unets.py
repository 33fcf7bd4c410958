"""Small video UNets with random weights, as folders like the published ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from drift_ros.features.untrained_parts import (
    CONDITION_DIM,
    GROUPS,
    write_image_encoder,
    write_text_encoder,
    write_vae,
)

SMALL = {
    'block_out_channels': (32, 64, 64, 64),
    'layers_per_block': 1,
    'cross_attention_dim': CONDITION_DIM,
}
ZERO_SNR = {'beta_schedule': 'squaredcos_cap_v2', 'rescale_betas_zero_snr': True}
LATENT_DIFFUSION = {'beta_schedule': 'scaled_linear', 'beta_start': 0.00085, 'beta_end': 0.012}


def write_untrained(model: str, folder: Path, seed: int = 0) -> None:
    """Write a small model of the class of a published one.

    Decoder blocks have strides 32, 16, 8, 8 px and 64, 64, 64, 32 channels.

    Args:
        model: a value of `features.video.model`.
        folder: to write to.
        seed: of the weights.
    """
    writers = {'i2vgen-xl': _i2vgen_xl, 'modelscope': _modelscope, 'svd': _svd, 'svd-xt': _svd_xt}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        writers[model](folder)


def _i2vgen_xl(folder: Path) -> None:
    from diffusers import AutoencoderKL, I2VGenXLUNet

    _save_unet(I2VGenXLUNet(**SMALL, attention_head_dim=16, norm_num_groups=GROUPS), folder)
    _save_scheduler(folder, **ZERO_SNR, prediction_type='v_prediction')
    _save_vae(folder, AutoencoderKL, scaling_factor=0.18125)
    write_text_encoder(folder)
    write_image_encoder(folder)


def _modelscope(folder: Path) -> None:
    from diffusers import AutoencoderKL, UNet3DConditionModel

    _save_unet(UNet3DConditionModel(**SMALL, attention_head_dim=16, norm_num_groups=GROUPS), folder)
    _save_scheduler(folder, **LATENT_DIFFUSION)
    _save_vae(folder, AutoencoderKL)
    write_text_encoder(folder)


def _svd_xt(folder: Path) -> None:
    _svd(folder, frames=25)


def _svd(folder: Path, frames: int = 14) -> None:
    from diffusers import (
        AutoencoderKLTemporalDecoder,
        EulerDiscreteScheduler,
        UNetSpatioTemporalConditionModel,
    )

    unet = UNetSpatioTemporalConditionModel(
        **SMALL,
        num_attention_heads=(2, 4, 4, 4),
        addition_time_embed_dim=32,
        projection_class_embeddings_input_dim=96,
        num_frames=frames,
    )
    _save_unet(unet, folder)
    write_vae(folder, AutoencoderKLTemporalDecoder)
    EulerDiscreteScheduler(
        **LATENT_DIFFUSION,
        prediction_type='v_prediction',
        use_karras_sigmas=True,
        sigma_min=0.002,
        sigma_max=700.0,
        timestep_type='continuous',
        timestep_spacing='leading',
    ).save_pretrained(folder / 'scheduler')
    write_image_encoder(folder)


def _save_unet(unet: Any, folder: Path) -> None:
    """Temporal convolutions start as the identity; here they get some weight, as after training."""
    for weight in unet.parameters():
        if weight.dim() > 1 and not weight.any():
            torch.nn.init.normal_(weight, std=0.02)
    unet.save_pretrained(folder / 'unet')


def _save_scheduler(folder: Path, **options: Any) -> None:
    from diffusers import DDIMScheduler

    DDIMScheduler(**options, clip_sample=False, steps_offset=1).save_pretrained(
        folder / 'scheduler'
    )


def _save_vae(folder: Path, cls: Any, **options: Any) -> None:
    write_vae(
        folder, cls, up_block_types=('UpDecoderBlock2D',) * 4, norm_num_groups=GROUPS, **options
    )
