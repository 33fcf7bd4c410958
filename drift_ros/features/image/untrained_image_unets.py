"""Small image UNets with random weights, as folders like the published ones: the code path of the
real models on any machine, without their knowledge.
"""

from __future__ import annotations

from pathlib import Path

import torch

from drift_ros.features.untrained_parts import CONDITION_DIM, GROUPS, write_text_encoder, write_vae

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
        cross_attention_dim=CONDITION_DIM,
        attention_head_dim=(2, 4, 4, 4) if linear else 4,  # heads, in spite of the name
        use_linear_projection=linear,
        upcast_attention=linear,
        norm_num_groups=GROUPS,
    ).save_pretrained(folder / 'unet')
    write_vae(folder, AutoencoderKL, up_block_types=('UpDecoderBlock2D',) * 4)
    DDIMScheduler(**NOISE, prediction_type='v_prediction' if linear else 'epsilon').save_pretrained(
        folder / 'scheduler'
    )
    write_text_encoder(folder)
