"""The published models at full size with random weights: they cost what the trained ones cost."""

from __future__ import annotations

from typing import Any

import diffusers
import torch
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

from drift_ros.features import FeatureExtractor
from drift_ros.features.fused import FusedExtractor
from drift_ros.features.image.adm import AdmExtractor
from drift_ros.features.image.stable_diffusion import StableDiffusionExtractor
from drift_ros.features.latents import LatentEncoder
from drift_ros.features.noise import NoiseSchedule
from drift_ros.features.patch import PatchExtractor
from drift_ros.features.truncation import truncate
from drift_ros.features.video import i2vgen_xl, modelscope, svd
from drift_ros.features.video.bypass import bypass_temporal
from drift_ros.features.video.image_encoder import DEVIATION, MEAN, ImageEncoder
from drift_ros.features.video.video_unet import Parts
from drift_ros.settings import FeatureSettings

CHANNELS = (320, 640, 1280, 1280)
TOKENS = 77
KL_F8 = {
    'block_out_channels': (128, 256, 512, 512),
    'down_block_types': ('DownEncoderBlock2D',) * 4,
    'layers_per_block': 2,
    'latent_channels': 4,
}
UNETS: dict[str, tuple[str, dict[str, Any]]] = {
    'i2vgen-xl': ('I2VGenXLUNet', {'block_out_channels': CHANNELS, 'cross_attention_dim': 1024}),
    'svd': ('UNetSpatioTemporalConditionModel', {'num_frames': 14}),
    'svd-xt': ('UNetSpatioTemporalConditionModel', {'num_frames': 25}),
    'modelscope': ('UNet3DConditionModel', {'cross_attention_dim': 1024}),
    'sd-2.1': (
        'UNet2DConditionModel',
        {
            'block_out_channels': CHANNELS,
            'attention_head_dim': (5, 10, 20, 20),
            'cross_attention_dim': 1024,
            'use_linear_projection': True,
        },
    ),
    'sd-1.5': (
        'UNet2DConditionModel',
        {'block_out_channels': CHANNELS, 'attention_head_dim': 8, 'cross_attention_dim': 768},
    ),
    'adm': (
        'UNet2DModel',
        {
            'sample_size': 256,
            'in_channels': 3,
            'out_channels': 6,
            'block_out_channels': (256, 256, 512, 512, 1024, 1024),
            'layers_per_block': 2,
            'down_block_types': ('ResnetDownsampleBlock2D',) * 3 + ('AttnDownBlock2D',) * 3,
            'up_block_types': ('AttnUpBlock2D',) * 3 + ('ResnetUpsampleBlock2D',) * 3,
            'downsample_type': 'resnet',
            'upsample_type': 'resnet',
            'attention_head_dim': 64,
            'norm_num_groups': 32,
            'attn_norm_num_groups': 32,
            'norm_eps': 1e-5,
            'resnet_time_scale_shift': 'scale_shift',
            'flip_sin_to_cos': True,
            'freq_shift': 0,
        },
    ),
}
VIT_H = CLIPVisionConfig(
    hidden_size=1280,
    intermediate_size=5120,
    num_hidden_layers=32,
    num_attention_heads=16,
    patch_size=14,
    image_size=224,
    projection_dim=1024,
    hidden_act='gelu',
)


def extractor(
    settings: FeatureSettings, device: torch.device, dtype: torch.dtype
) -> FeatureExtractor:
    """What the settings name, at full size with random weights, made on the device itself."""
    with torch.device(device):
        if settings.name == 'patch':
            return PatchExtractor(device, dtype)
        if settings.name == 'image-unet' or (settings.name == 'fused' and settings.alpha == 0):
            return _image(settings, device, dtype)
        video = _video(settings, device, dtype)
        if settings.name == 'video-unet' or settings.alpha == 1:
            return video
        return FusedExtractor(video, _image(settings, device, dtype), settings.alpha)


def unet(model: str) -> Any:
    """The UNet of a model, on torch's default device."""
    name, config = UNETS[model]
    return getattr(diffusers, name)(**config)


def _video(settings: FeatureSettings, device: torch.device, dtype: torch.dtype) -> Any:
    chosen = settings.video
    network = unet(chosen.model)
    truncate(network, chosen.block)
    if not chosen.temporal:
        bypass_temporal(network)
    stable = chosen.model.startswith('svd')
    schedule = _schedule(_kind(chosen.model))
    if stable:
        with torch.device('cpu'):
            schedule = svd.schedule()
    level = schedule.choose(chosen.noise_level, chosen.snr)
    frames = {'svd': 14, 'svd-xt': 25}.get(chosen.model, 16)
    encoder = _latent_encoder(settings, stable, device, dtype)
    parts = Parts(network, encoder, level, frames, settings, device, dtype)
    text = torch.zeros(1, TOKENS, 1024)
    if chosen.model == 'modelscope':
        return modelscope.ModelScopeExtractor(parts, text)
    view = svd.antialiased_224 if stable else i2vgen_xl.square_224
    clip = ImageEncoder(CLIPVisionModelWithProjection(VIT_H), view, MEAN, DEVIATION, device, dtype)
    if stable:
        return svd.StableVideoExtractor(parts, clip)
    return i2vgen_xl.I2VGenXLExtractor(parts, text, clip)


def _image(settings: FeatureSettings, device: torch.device, dtype: torch.dtype) -> Any:
    model = settings.image.model
    if model == 'adm':
        return AdmExtractor(unet(model), _schedule('linear'), settings, device, dtype)
    text = torch.zeros(1, TOKENS, 1024 if model == 'sd-2.1' else 768)
    encoder = _latent_encoder(settings, False, device, dtype)
    schedule = _schedule('scaled_linear')
    return StableDiffusionExtractor(unet(model), encoder, schedule, text, settings, device, dtype)


def _latent_encoder(
    settings: FeatureSettings, temporal: bool, device: torch.device, dtype: torch.dtype
) -> LatentEncoder:
    if settings.tiny_vae:
        vae = diffusers.AutoencoderTiny()
    elif temporal:
        vae = diffusers.AutoencoderKLTemporalDecoder(**KL_F8)
    else:
        vae = diffusers.AutoencoderKL(**KL_F8, up_block_types=('UpDecoderBlock2D',) * 4)
    batch = settings.batch
    return LatentEncoder(vae, scaling_factor=0.18215, batch=batch, device=device, dtype=dtype)


def _kind(model: str) -> str:
    return 'scaled_linear' if model == 'modelscope' else 'squaredcos_cap_v2'


def _schedule(kind: str) -> NoiseSchedule:
    betas = {'scaled_linear': (0.00085, 0.012), 'linear': (1e-4, 0.02)}.get(kind, (1e-4, 0.02))
    with torch.device('cpu'):
        scheduler = diffusers.DDIMScheduler(
            beta_schedule=kind,
            beta_start=betas[0],
            beta_end=betas[1],
            rescale_betas_zero_snr=kind == 'squaredcos_cap_v2',
        )
    return NoiseSchedule(scheduler.alphas_cumprod)
