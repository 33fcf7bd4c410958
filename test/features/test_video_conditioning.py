"""What each video UNet is told, against what the published pipeline of its class tells it."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from diffusers import (
    AutoencoderKL,
    AutoencoderKLTemporalDecoder,
    DDIMScheduler,
    EulerDiscreteScheduler,
    I2VGenXLPipeline,
    StableVideoDiffusionPipeline,
    TextToVideoSDPipeline,
)
from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution
from diffusers.pipelines.stable_video_diffusion import pipeline_stable_video_diffusion
from PIL import Image
from torch import Tensor
from transformers import CLIPTextModel, CLIPTokenizer, CLIPVisionModelWithProjection
from video_unets import Make, call_of, load_unet, window

from drift_ros.errors import SettingsError
from drift_ros.features.noise import gaussian
from drift_ros.features.video import create
from drift_ros.features.video.i2vgen_xl import image_latents, square_224
from drift_ros.features.video.image_encoder import DEVIATION, MEAN
from drift_ros.features.video.svd import antialiased_224, schedule

SIZE = (64, 96)
CPU = torch.device('cpu')


class Preprocessor:
    """CLIPImageProcessor as the pipelines call it: normalises and does nothing else."""

    crop_size = {'height': 224, 'width': 224}  # noqa: RUF012

    def __call__(self, images: Any, **flags: Any) -> SimpleNamespace:
        assert flags.pop('do_normalize') and not any(flags[f] for f in flags if f.startswith('do'))
        pixels = torch.as_tensor(images)
        mean, deviation = (torch.tensor(s).view(3, 1, 1) for s in (MEAN, DEVIATION))
        self.seen = pixels
        return SimpleNamespace(pixel_values=(pixels - mean) / deviation)


def picture(image: Tensor) -> Image.Image:
    return Image.fromarray(image.permute(1, 2, 0).numpy())


def smooth(height: int, width: int) -> Tensor:
    """A picture with edges and slopes, as cameras give them; (3, H, W) uint8."""
    rows = torch.arange(height).view(-1, 1).expand(height, width)
    columns = torch.arange(width).expand(height, width)
    disc = ((rows - height / 3) ** 2 + (columns - width / 2) ** 2).sqrt() < height / 4
    slope = (rows * 200 // height).to(torch.uint8)
    return torch.stack([slope, (disc * 220).to(torch.uint8), (columns % 256).to(torch.uint8)])


def text_parts(folder: Path) -> dict[str, Any]:
    return {
        'tokenizer': CLIPTokenizer.from_pretrained(folder / 'tokenizer'),
        'text_encoder': CLIPTextModel.from_pretrained(folder / 'text_encoder').eval(),
    }


def image_parts(folder: Path) -> dict[str, Any]:
    encoder = CLIPVisionModelWithProjection.from_pretrained(folder / 'image_encoder').eval()
    return {'image_encoder': encoder, 'feature_extractor': Preprocessor()}


def parts(folder: Path, vae: Any, scheduler: Any) -> dict[str, Any]:
    return {
        'unet': load_unet(folder),
        'vae': vae.from_pretrained(folder / 'vae').eval(),
        'scheduler': scheduler.from_pretrained(folder / 'scheduler'),
    }


def test_i2vgen_xl_is_told_what_its_pipeline_tells(
    make_video: Make, video_folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    frames = window(5, size=SIZE)
    extractor = make_video('i2vgen-xl', video__prompt='a cat', video__fps=12)
    found = call_of(extractor.unet, partial(extractor.extract, frames))

    folder = video_folders['i2vgen-xl']
    if not hasattr(CLIPTextModel, 'text_model'):  # the pipeline is older than this transformers
        monkeypatch.setattr(CLIPTextModel, 'text_model', property(lambda s: s), raising=False)
    noise = gaussian((4, 8, 12), CPU, seed=0, stamp=0, draw='condition')
    monkeypatch.setattr(
        DiagonalGaussianDistribution, 'sample', lambda self, **_: self.mean + self.std * noise
    )
    pipeline = I2VGenXLPipeline(
        **parts(folder, AutoencoderKL, DDIMScheduler), **text_parts(folder), **image_parts(folder)
    )
    told = call_of(
        pipeline.unet,
        lambda: pipeline(
            prompt='a cat',
            image=picture(frames.images[0]),
            height=SIZE[0],
            width=SIZE[1],
            num_frames=5,
            target_fps=12,
            num_inference_steps=1,
            guidance_scale=1.0,
        ),
    )
    assert found['sample'].shape == told['sample'].shape
    for name in ('image_latents', 'encoder_hidden_states', 'fps'):
        torch.testing.assert_close(found[name], told[name], rtol=1e-4, atol=1e-4)
    # pictures of whole numbers: rounded twice there, once here
    torch.testing.assert_close(
        found['image_embeddings'], told['image_embeddings'], rtol=0.02, atol=0.02
    )
    assert float(told['image_embeddings'].std()) > 0.1


def test_a_stable_video_is_told_what_its_pipeline_tells(
    make_video: Make, video_folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    frames = window(5, size=SIZE)
    extractor = make_video('svd', video__fps=9, video__motion_bucket=90, video__condition_noise=0.1)
    found = call_of(extractor.unet, partial(extractor.extract, frames))

    def noise(shape: tuple[int, ...], **_: Any) -> Tensor:
        if len(shape) == 4:
            return gaussian(shape, CPU, seed=0, stamp=0, draw='condition')
        return torch.zeros(shape)

    monkeypatch.setattr(pipeline_stable_video_diffusion, 'randn_tensor', noise)
    folder = video_folders['svd']
    pipeline = StableVideoDiffusionPipeline(
        **parts(folder, AutoencoderKLTemporalDecoder, EulerDiscreteScheduler),
        **image_parts(folder),
    )
    told = call_of(
        pipeline.unet,
        lambda: pipeline(
            picture(frames.images[0]),
            height=SIZE[0],
            width=SIZE[1],
            num_frames=5,
            fps=9,
            motion_bucket_id=90,
            noise_aug_strength=0.1,
            num_inference_steps=1,
            max_guidance_scale=1.0,
        ),
    )
    assert found['sample'].shape == told['sample'].shape == (1, 5, 8, 8, 12)
    torch.testing.assert_close(
        found['sample'][:, :, 4:], told['sample'][:, :, 4:], rtol=1e-4, atol=1e-4
    )
    for name in ('added_time_ids', 'encoder_hidden_states'):
        torch.testing.assert_close(found[name], told[name], rtol=1e-4, atol=1e-4)


def test_modelscope_is_told_what_its_pipeline_tells(
    make_video: Make, video_folders: dict[str, Path]
) -> None:
    frames = window(2, size=SIZE)
    extractor = make_video('modelscope', video__prompt='a cat')
    found = call_of(extractor.unet, partial(extractor.extract, frames))
    folder = video_folders['modelscope']
    pipeline = TextToVideoSDPipeline(
        **parts(folder, AutoencoderKL, DDIMScheduler), **text_parts(folder)
    )
    told = call_of(
        pipeline.unet,
        lambda: pipeline(
            'a cat',
            height=SIZE[0],
            width=SIZE[1],
            num_frames=2,
            num_inference_steps=1,
            guidance_scale=1.0,
        ),
    )
    assert found['sample'].shape == told['sample'].shape
    name = 'encoder_hidden_states'
    torch.testing.assert_close(found[name], told[name], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize('size', [(480, 832), (96, 160), (160, 96)])
def test_clip_sees_of_i2vgen_xl_what_its_pipeline_shows(size: tuple[int, int]) -> None:
    """There by Pillow, in whole numbers between the two steps."""
    from diffusers.pipelines.deprecated.i2vgen_xl import pipeline_i2vgen_xl as pipeline

    image = smooth(*size)
    square = pipeline._center_crop_wide(picture(image), (size[1], size[1]))
    shown = pipeline._resize_bilinear(square, (224, 224))
    expected = torch.frombuffer(bytearray(shown.tobytes()), dtype=torch.uint8)
    expected = expected.view(224, 224, 3).permute(2, 0, 1).float() / 255
    difference = (square_224(image)[0] - expected).abs()
    assert float(difference.mean()) < 0.5 / 255
    assert float(difference[:, 2:-2, 2:-2].quantile(0.99)) < 4 / 255


@pytest.mark.parametrize('size', [(480, 832), (96, 160), (224, 224)])
def test_clip_sees_of_a_stable_video_what_its_pipeline_shows(size: tuple[int, int]) -> None:
    image = smooth(*size)
    pixels = image[None].float() / 127.5 - 1
    resize = pipeline_stable_video_diffusion._resize_with_antialiasing
    expected = (resize(pixels, (224, 224)) + 1) / 2
    torch.testing.assert_close(antialiased_224(image), expected, rtol=1e-5, atol=1e-5)


def test_the_image_latents_count_along_the_clip() -> None:
    first = torch.randn(4, 2, 3)
    found = image_latents(first, 5)
    assert found.shape == (1, 4, 5, 2, 3)
    torch.testing.assert_close(found[0, :, 0], first)
    torch.testing.assert_close(found[0, 1, 1:, 1, 2], torch.tensor([0.25, 0.5, 0.75, 1.0]))
    assert torch.equal(image_latents(first, 1)[0, :, 0], first)


@pytest.mark.parametrize('model', ['i2vgen-xl', 'svd'])
def test_the_first_frame_of_the_window_is_the_condition(make_video: Make, model: str) -> None:
    extractor = make_video(model)
    inputs = [
        call_of(extractor.unet, partial(extractor.extract, frames))
        for frames in (window(3), window(4), window(3, first=1))
    ]
    name = 'image_embeddings' if model == 'i2vgen-xl' else 'encoder_hidden_states'
    assert torch.equal(inputs[0][name], inputs[1][name])
    assert not torch.equal(inputs[0][name], inputs[2][name])


def test_the_input_of_a_stable_video_is_that_of_its_scheduler(
    make_video: Make, video_folders: dict[str, Path]
) -> None:
    """c_in (x_0 + sigma eps) at time ln(sigma) / 4 is the mixture at SNR 1 / sigma^2."""
    scheduler = EulerDiscreteScheduler.from_pretrained(video_folders['svd'] / 'scheduler')
    scheduler.set_timesteps(25)
    levels = list(zip(scheduler.sigmas[8:24], scheduler.timesteps[8:24], strict=True))
    clean, noise = torch.randn(2, 4, 8, 12)
    for sigma, time in levels:
        level = schedule().at_snr(float(1 / sigma**2))
        scheduler._step_index = None
        expected = scheduler.scale_model_input(clean + sigma * noise, time)
        torch.testing.assert_close(level.signal * clean + level.noise * noise, expected)
        assert level.timestep == pytest.approx(float(time), abs=1e-5)


@pytest.mark.parametrize(
    ('tau', 'sigma', 'time'), [(51, 0.093, -0.594), (300, 0.522, -0.162), (600, 1.40, 0.083)]
)
def test_tau_means_one_snr_on_both_image_to_video_models(
    make_video: Make, tau: int, sigma: float, time: float
) -> None:
    ours, theirs = (
        make_video(model, video__noise_level=tau).level for model in ('svd', 'i2vgen-xl')
    )
    assert ours.snr == pytest.approx(theirs.snr)
    assert ours.snr == pytest.approx(sigma**-2, rel=0.01)
    assert ours.timestep == pytest.approx(time, abs=1e-3)
    assert theirs.timestep == tau


@pytest.mark.parametrize('model', ['i2vgen-xl', 'svd', 'modelscope'])
def test_the_same_snr_may_be_asked_of_every_model(make_video: Make, model: str) -> None:
    level = make_video(model, video__snr=2.5).level
    assert level.snr == pytest.approx(2.5)
    assert level.signal**2 + level.noise**2 == pytest.approx(1)


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'video__model': 'svd', 'video__prompt': 'a cat'}, r'svd takes no text'),
        ({'video__model': 'modelscope', 'video__fps': 8}, r'modelscope takes no frame rate'),
        ({'video__model': 'modelscope', 'video__snr': 1e-4}, r'snr 0.0001 is out of range'),
    ],
)
def test_what_a_model_cannot_be_told_is_refused(changes: dict[str, Any], message: str) -> None:
    from video_unets import settings

    with pytest.raises(SettingsError, match=message):
        create(settings(video__checkpoint='untrained', **changes))
