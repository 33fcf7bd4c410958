"""Makes the video extractor that the settings name: finds, checks and loads its weights."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from drift_ros.errors import CheckpointError, SettingsError
from drift_ros.features.base import FeatureExtractor
from drift_ros.features.checkpoints import (
    load_alphas_cumprod,
    load_part,
    locate,
    read_config,
    read_numbers,
    require_class,
    require_memory,
)
from drift_ros.features.device import choose_device, choose_dtype
from drift_ros.features.latents import LatentEncoder
from drift_ros.features.noise import NoiseSchedule
from drift_ros.features.text import encode_prompt
from drift_ros.features.truncation import truncate
from drift_ros.features.video import i2vgen_xl, image_encoder, modelscope, svd
from drift_ros.features.video.bypass import TEMPORAL, bypass_temporal
from drift_ros.features.video.image_encoder import ImageEncoder
from drift_ros.features.video.video_unet import Parts, VideoUnetExtractor
from drift_ros.settings import FeatureSettings, VideoUnetSettings

log = logging.getLogger(__name__)

SETTING = 'features.video.checkpoint'
PREPROCESSOR = ('feature_extractor', 'preprocessor_config.json')
UNTRAINED = 'untrained'
BLOCKS = 4
TINY_VAE_SCALING = 0.18215  # of Stable Diffusion, for which the tiny VAEs of this family are made
ADVICE = 'choose features.video.model to fit, or another features.video.checkpoint'


@dataclass(frozen=True, slots=True)
class Model:
    """A published video model.

    Attributes:
        hub_id: where it is published.
        unet: name of its class in diffusers.
        vae: name of the class of its VAE.
        takes: kinds of condition: text, image.
        scaling_factor: of its latents, where its files do not say.
        make: from the common parts, the folder and the settings.
    """

    hub_id: str
    unet: str
    vae: str
    takes: frozenset[str]
    scaling_factor: float
    make: Callable[[Parts, Path], VideoUnetExtractor]

    def parts(self, tiny_vae: bool) -> list[str]:
        """Subfolders that are needed."""
        parts = ['unet', 'scheduler'] + ([] if tiny_vae else ['vae'])
        parts += ['text_encoder', 'tokenizer'] if 'text' in self.takes else []
        return parts + (['image_encoder', 'feature_extractor'] if 'image' in self.takes else [])


def create(settings: FeatureSettings) -> FeatureExtractor:
    """Make the extractor of `settings.video`.

    Raises:
        SettingsError: the model has no such noise level, or does not take that condition.
        CheckpointError: its weights are missing, incomplete or of another model.
        DeviceError: the device is not there or has too little memory.
    """
    video = settings.video
    model = MODELS[video.model]
    _check(video, model)
    device = choose_device(settings.device)
    dtype = choose_dtype(settings.dtype, device)
    if video.checkpoint == UNTRAINED:
        from drift_ros.features.video.untrained_video_unets import write_untrained

        with tempfile.TemporaryDirectory() as place:
            write_untrained(video.model, Path(place))
            return _load(Path(place), model, settings, device, dtype)
    parts = model.parts(bool(settings.tiny_vae))
    folder = locate(video.checkpoint, model.hub_id, SETTING, parts, dtype=dtype)
    return _load(folder, model, settings, device, dtype)


def _check(video: VideoUnetSettings, model: Model) -> None:
    """Refuse conditions that the model does not take, before anything is loaded."""
    if video.prompt and 'text' not in model.takes:
        raise SettingsError(
            f'features.video.prompt is {video.prompt!r}: {video.model} takes no text, leave it '
            'empty or choose i2vgen-xl or modelscope'
        )
    if video.fps and 'rate' not in model.takes:
        raise SettingsError(
            f'features.video.fps is {video.fps}: {video.model} takes no frame rate, set it to 0'
        )


def _load(
    folder: Path, model: Model, settings: FeatureSettings, device: torch.device, dtype: torch.dtype
) -> VideoUnetExtractor:
    import diffusers

    video = settings.video
    require_class(folder, 'unet', getattr(diffusers, model.unet), advice=ADVICE)
    frames = _frames(folder, video.model)
    schedule = _schedule(folder, model)
    level = schedule.choose(video.noise_level, video.snr)
    kept: dict[str, tuple[str, ...]] = {'unet': _unneeded(video)}
    if 'image' in model.takes:
        kept['image_encoder'] = ()
    if not settings.tiny_vae:
        kept['vae'] = ('decoder.', 'post_quant_conv.')
    require_memory(folder, kept, device=device, dtype=dtype)
    unet = load_part(folder, 'unet', getattr(diffusers, model.unet), dtype)
    _check_conditions(folder, model, unet.config)
    truncate(unet, video.block)
    if not video.temporal:
        bypass_temporal(unet)
    encoder = _latent_encoder(folder, model, settings, device, dtype)
    parts = Parts(unet, encoder, level, frames, settings, device, dtype)
    return model.make(parts, folder)


def _frames(folder: Path, name: str) -> int:
    """Window length: of the files, or of the publication where they do not say."""
    if name == 'modelscope':
        return modelscope.FRAMES
    if name == 'i2vgen-xl':
        return i2vgen_xl.FRAMES
    published = {'svd': 14, 'svd-xt': 25}[name]
    found = read_config(folder, 'unet').get('num_frames', published)
    if not isinstance(found, int) or found < 1:
        raise CheckpointError(f'{folder}/unet/config.json has {found!r} as num_frames: expected 14')
    if found != published:
        log.warning('%s is made for %d frames, %s for %d', folder, found, name, published)
    return found


def _schedule(folder: Path, model: Model) -> NoiseSchedule:
    if 'text' not in model.takes:  # Stable Video Diffusion is continuous in time
        return svd.schedule()
    return NoiseSchedule(load_alphas_cumprod(folder))


def _unneeded(video: VideoUnetSettings) -> tuple[str, ...]:
    """How the names of weights begin that are not kept."""
    behind = tuple(f'up_blocks.{index}.' for index in range(video.block + 1, BLOCKS))
    return (*behind, 'conv_norm_out.', 'conv_out.', *(() if video.temporal else TEMPORAL))


def _check_conditions(folder: Path, model: Model, config: Any) -> None:
    """Refuse parts that do not fit together, as from a mixture of folders."""
    wanted = {'unet': ('in_channels', 4 if 'text' in model.takes else 8)}
    if 'text' in model.takes:
        wanted['text_encoder'] = ('hidden_size', config.cross_attention_dim)
    if 'image' in model.takes:
        wanted['image_encoder'] = ('projection_dim', config.cross_attention_dim)
    for part, (name, value) in wanted.items():
        found = config.in_channels if part == 'unet' else read_config(folder, part).get(name, value)
        if found != value:
            raise CheckpointError(
                f'{folder / part} has {name} {found}, {model.unet} needs {value}: the folder holds '
                'parts of different models, get it again'
            )


def _latent_encoder(
    folder: Path, model: Model, settings: FeatureSettings, device: torch.device, dtype: torch.dtype
) -> LatentEncoder:
    import diffusers

    if settings.tiny_vae:
        place = locate(settings.tiny_vae, '', 'features.tiny_vae', ('.',), dtype=dtype)
        vae = load_part(place, '.', diffusers.AutoencoderTiny, dtype)
    else:
        vae = load_part(folder, 'vae', getattr(diffusers, model.vae), dtype, advice=ADVICE)
    scaling = model.scaling_factor
    place = folder / 'vae' / 'config.json'
    if place.is_file():
        config = read_config(folder, 'vae')
        (scaling,) = read_numbers(config, 'scaling_factor', (scaling,), place)
    return LatentEncoder(
        vae,
        scaling_factor=scaling,
        tiny_gain=scaling / TINY_VAE_SCALING,
        batch=settings.batch,
        device=device,
        dtype=dtype,
    )


def _image_encoder(parts: Parts, folder: Path, view: Any) -> ImageEncoder:
    from transformers import CLIPVisionModelWithProjection

    model = load_part(folder, 'image_encoder', CLIPVisionModelWithProjection, parts.dtype)
    config = read_config(folder, *PREPROCESSOR)
    path = folder.joinpath(*PREPROCESSOR)
    mean = read_numbers(config, 'image_mean', image_encoder.MEAN, path)
    deviation = read_numbers(config, 'image_std', image_encoder.DEVIATION, path)
    return ImageEncoder(model, view, mean, deviation, parts.device, parts.dtype)


def _i2vgen_xl(parts: Parts, folder: Path) -> VideoUnetExtractor:
    skip = i2vgen_xl.SKIPPED_TEXT_LAYERS
    text = encode_prompt(folder, parts.settings.video.prompt, skip_last=skip, dtype=parts.dtype)
    images = _image_encoder(parts, folder, i2vgen_xl.square_224)
    return i2vgen_xl.I2VGenXLExtractor(parts, text, images)


def _svd(parts: Parts, folder: Path) -> VideoUnetExtractor:
    return svd.StableVideoExtractor(parts, _image_encoder(parts, folder, svd.antialiased_224))


def _modelscope(parts: Parts, folder: Path) -> VideoUnetExtractor:
    text = encode_prompt(folder, parts.settings.video.prompt, dtype=parts.dtype)
    return modelscope.ModelScopeExtractor(parts, text)


def _stable_video(hub_id: str) -> Model:
    return Model(
        hub_id,
        'UNetSpatioTemporalConditionModel',
        'AutoencoderKLTemporalDecoder',
        frozenset({'image', 'rate'}),
        0.18215,
        _svd,
    )


MODELS = {
    'i2vgen-xl': Model(
        'ali-vilab/i2vgen-xl',
        'I2VGenXLUNet',
        'AutoencoderKL',
        frozenset({'text', 'image', 'rate'}),
        0.18125,
        _i2vgen_xl,
    ),
    'svd': _stable_video('stabilityai/stable-video-diffusion-img2vid'),
    'svd-xt': _stable_video('stabilityai/stable-video-diffusion-img2vid-xt'),
    'modelscope': Model(
        'damo-vilab/text-to-video-ms-1.7b',
        'UNet3DConditionModel',
        'AutoencoderKL',
        frozenset({'text'}),
        0.18215,
        _modelscope,
    ),
}
