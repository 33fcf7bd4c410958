"""Generates a video with a model that is named, found, checked and loaded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import (
    AutoencoderKLCogVideoX,
    CogVideoXDDIMScheduler,
    CogVideoXTransformer3DModel,
)
from numpy.typing import NDArray

from drift_ros import resources
from drift_ros.errors import SettingsError
from drift_ros.features.checkpoints import load_part, locate, read_config, require_memory
from drift_ros.features.device import choose_device, choose_dtype, prepare, require_finite
from drift_ros.features.dit.models import MODELS
from drift_ros.features.dit.text import cogvideo_text
from drift_ros.features.embedded.create import load
from drift_ros.features.embedded.model import EmbeddedUNet
from drift_ros.generation.cogvideo import CAGPipeline
from drift_ros.generation.embedded import sample


@dataclass(frozen=True, slots=True)
class Request:
    """What is generated.

    Attributes:
        prompt: of the video; the embedded model takes none.
        checkpoint: folder of the weights, or an id on the hub; empty takes the published ones.
        size: (H, W) in px.
        frames: number of frames.
        steps: of the sampler.
        cfg_scale: of classifier-free guidance; the embedded model has none.
        cag_scale: of cross-attention guidance; 0 leaves it out.
        cag_layers: numbers of the layers that are cut; None cuts all temporal ones of the embedded
            model.
        seed: of the noise.
        device, dtype: as `features.device` and `features.dtype`.
    """

    prompt: str
    checkpoint: str
    size: tuple[int, int]
    frames: int
    steps: int
    cfg_scale: float
    cag_scale: float
    cag_layers: tuple[int, ...] | None
    seed: int
    device: str
    dtype: str


@dataclass(frozen=True, slots=True)
class Generator:
    """A model that makes videos, and what it takes where nothing else is said.

    Attributes:
        generate: makes (F, H, W, 3) uint8 RGB.
        size: (H, W) in px.
        frames: number of frames.
        steps: of the sampler.
        fps: frames per second that the model was trained with, or thereabouts.
        cag_layers: as in the released scripts; None is all.
    """

    generate: Callable[[Request], NDArray[np.uint8]]
    size: tuple[int, int]
    frames: int
    steps: int
    fps: float
    cag_layers: tuple[int, ...] | None


def _cogvideox(name: str) -> Callable[[Request], NDArray[np.uint8]]:
    def generate(request: Request) -> NDArray[np.uint8]:
        if not request.prompt:
            raise SettingsError(f'{name} makes videos of a prompt: give --prompt')
        _check(request, multiple=16, step=8)
        device = choose_device(request.device)
        dtype = choose_dtype(request.dtype, device)
        parts = ('transformer', 'vae', 'scheduler', 'text_encoder', 'tokenizer')
        folder = locate(request.checkpoint, MODELS[name].hub_id, '--checkpoint', parts, dtype=dtype)
        require_memory(folder, {'transformer': (), 'vae': ()}, device=device, dtype=dtype)
        text = cogvideo_text(folder, ['', request.prompt], dtype)['encoder_hidden_states']
        config = read_config(folder, 'scheduler', 'scheduler_config.json')
        pipeline = CAGPipeline(
            tokenizer=None,
            text_encoder=None,
            transformer=load_part(folder, 'transformer', CogVideoXTransformer3DModel, dtype),
            vae=load_part(folder, 'vae', AutoencoderKLCogVideoX, dtype),
            scheduler=CogVideoXDDIMScheduler.from_config(config, timestep_spacing='trailing'),
        ).to(device)
        pipeline.vae.enable_tiling()  # a whole video at once would not fit beside the transformer
        height, width = request.size
        video = pipeline(
            negative_prompt_embeds=text[:1].to(device),
            prompt_embeds=text[1:].to(device),
            height=height,
            width=width,
            num_frames=request.frames,
            num_inference_steps=request.steps,
            guidance_scale=request.cfg_scale,
            cag_scale=request.cag_scale,
            cag_layers=request.cag_layers,
            generator=torch.Generator('cpu').manual_seed(request.seed),
            output_type='pt',
        ).frames[0]
        return _pixels(video.float(), name)

    return generate


def _embedded(request: Request) -> NDArray[np.uint8]:
    if request.prompt:
        raise SettingsError('the embedded model takes no prompt: leave --prompt out')
    device = choose_device(request.device)
    folder = Path(request.checkpoint or resources.folder('resource') / 'embedded').expanduser()
    model: EmbeddedUNet = prepare(load(folder, torch.float32), device, torch.float32)
    _check(request, multiple=model.multiple, step=1)
    generator = torch.Generator().manual_seed(request.seed)
    noise = torch.randn((1, request.frames, 3, *request.size), generator=generator)
    video = sample(
        model,
        noise.to(device),
        steps=request.steps,
        cag_scale=request.cag_scale,
        cag_layers=request.cag_layers,
    )
    return _pixels(video[0].add(1).div(2), 'the embedded model')


def _check(request: Request, multiple: int, step: int) -> None:
    height, width = request.size
    if height % multiple or width % multiple:
        raise SettingsError(
            f'--size {height}x{width} does not fit: this model takes multiples of {multiple} px'
        )
    if (request.frames - 1) % step:
        raise SettingsError(
            f'--frames {request.frames} does not fit: this model makes one frame and then {step} '
            f'at a time; take {(request.frames - 1) // step * step + 1}'
        )


def _pixels(video: torch.Tensor, name: str) -> NDArray[np.uint8]:
    """(F, 3, H, W) in 0..1 -> (F, H, W, 3) uint8."""
    require_finite(video, name)
    pixels: NDArray[np.uint8] = video.mul(255).round().byte().permute(0, 2, 3, 1).cpu().numpy()
    return pixels


GENERATORS: dict[str, Generator] = {
    'cogvideox-2b': Generator(_cogvideox('cogvideox-2b'), (480, 720), 49, 50, 8.0, (13, 17, 21)),
    'cogvideox-5b': Generator(_cogvideox('cogvideox-5b'), (480, 720), 49, 50, 8.0, (15, 17, 18)),
    'embedded': Generator(_embedded, (128, 128), 24, 40, 12.0, None),
}
