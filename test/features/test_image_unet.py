"""Image UNets as extractors: small models with random weights, saved and loaded as folders."""

from __future__ import annotations

import copy
import logging
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel, UNet2DModel
from image_unets import MODELS, Make, settings, window
from torch import Tensor, nn
from torch.nn import functional

from drift_ros.errors import DeviceError
from drift_ros.features import Window
from drift_ros.features.checkpoints import load_alphas_cumprod
from drift_ros.features.image.adm import AdmExtractor
from drift_ros.features.image.stable_diffusion import StableDiffusionExtractor
from drift_ros.features.latents import LatentEncoder
from drift_ros.features.noise import NoiseSchedule, gaussian
from drift_ros.features.text import encode_prompt

CPU = torch.device('cpu')


def outputs(network: nn.Module, modules: Sequence[nn.Module], *inputs: Any) -> list[Tensor]:
    """What modules put out in one pass of a whole network."""
    seen: dict[int, Tensor] = {}
    for number, module in enumerate(modules):
        module.register_forward_hook(
            lambda _m, _a, out, number=number: seen.update(
                {number: out if isinstance(out, Tensor) else out[0]}
            )
        )
    with torch.no_grad():
        network(*inputs)
    return [seen[number] for number in range(len(modules))]


def adm_block_ends(unet: Any) -> list[nn.Module]:
    """Last part of each of the original's 18 decoder blocks."""
    ends: list[nn.Module] = []
    for block in unet.up_blocks:
        ends += list(getattr(block, 'attentions', block.resnets))
        if block.upsamplers is not None:
            ends[-1] = block.upsamplers[0]
    return ends


def draw(shape: Sequence[int], stamp: int, what: Any, member: int = 0) -> Tensor:
    return gaussian(shape, CPU, seed=0, stamp=stamp, draw=what, member=member)


def mix(clean: Tensor, noise: Tensor, alphas: Tensor, timestep: int) -> Tensor:
    return alphas[timestep].sqrt() * clean + (1 - alphas[timestep]).sqrt() * noise


def test_every_block_of_adm_equals_a_hook_on_the_whole_pass(image_folders: dict[str, Path]) -> None:
    whole = UNet2DModel.from_pretrained(image_folders['adm'] / 'unet').eval()
    cut = copy.deepcopy(whole)
    frames = window(1)
    alphas = load_alphas_cumprod(image_folders['adm'])
    pixels = frames.images / 127.5 - 1
    noisy = mix(pixels, draw(pixels[0].shape, 0, 'diffusion')[None], alphas, 101)
    expected = outputs(whole, adm_block_ends(whole), noisy, 101)
    assert len(expected) == 18
    for block, features in enumerate(expected):
        options = settings(image__block=block, image__noise_level=101)
        unet = copy.deepcopy(cut)
        extractor = AdmExtractor(unet, NoiseSchedule(alphas), options, CPU, torch.float32)
        found = extractor.extract(frames)
        torch.testing.assert_close(found.features, features, rtol=1e-4, atol=1e-4)
        assert found.stride == 64 // features.shape[-2] == 96 // features.shape[-1]
        assert features.std() > 0.05


def test_every_layer_of_stable_diffusion_equals_a_hook_on_the_whole_pass(
    image_folders: dict[str, Path],
) -> None:
    folder = image_folders['sd-2.1']
    whole = UNet2DConditionModel.from_pretrained(folder / 'unet').eval()
    cut = copy.deepcopy(whole)
    vae = AutoencoderKL.from_pretrained(folder / 'vae').eval()
    frames = window(1, size=(64, 128))
    with torch.no_grad():
        posterior = vae.encode(frames.images / 127.5 - 1).latent_dist
    shape = posterior.mean.shape[1:]
    clean = posterior.mean + posterior.std * draw(shape, 0, 'posterior')
    alphas = load_alphas_cumprod(folder)
    noisy = mix(clean * vae.config.scaling_factor, draw(shape, 0, 'diffusion')[None], alphas, 261)
    text = encode_prompt(folder, '')
    places = {(block, -1): whole.up_blocks[block] for block in range(4)}
    for block in range(4):
        parts = getattr(whole.up_blocks[block], 'attentions', whole.up_blocks[block].resnets)
        places |= {(block, layer): parts[layer] for layer in range(3)}
    expected = outputs(whole, list(places.values()), noisy, 261, text)
    scale = vae.config.scaling_factor
    encoder = LatentEncoder(vae, scaling_factor=scale, batch=1, device=CPU, dtype=torch.float32)
    for (block, layer), features in zip(places, expected, strict=True):
        extractor = StableDiffusionExtractor(
            copy.deepcopy(cut),
            encoder,
            NoiseSchedule(alphas),
            text,
            settings(image__block=block, image__layer=layer, image__noise_level=261),
            CPU,
            torch.float32,
        )
        found = extractor.extract(frames)
        torch.testing.assert_close(found.features, features, rtol=1e-4, atol=1e-4)
        assert found.stride * features.shape[-2] == 64
        assert extractor.size_multiple % found.stride == 0


@pytest.mark.parametrize('model', MODELS)
def test_defaults_are_those_of_the_papers(make_image: Make, model: str) -> None:
    extractor = make_image(model)
    found = extractor.extract(window(3, new=2, size=(96, 160)))
    channels = 32 if model == 'adm' else 64
    assert found.stride == 8
    assert found.features.shape == (2, channels, 12, 20)
    assert extractor.level.timestep == 51
    assert extractor.window_length == 1 and extractor.size_multiple == 32
    assert extractor.name == 'image-unet'
    assert not any(p.requires_grad for p in extractor.unet.parameters())


def test_noise_levels_are_the_published_ones(image_folders: dict[str, Path]) -> None:
    """Abar at t = 51: 0.9689 on ADM's linear schedule, 0.9505 on Stable Diffusion's."""
    schedules = [NoiseSchedule(load_alphas_cumprod(image_folders[model])) for model in MODELS]
    found = [schedule.at(51).signal ** 2 for schedule in schedules]
    assert found == pytest.approx([0.9689, 0.9505, 0.9505], abs=5e-5)


def test_an_snr_is_the_same_on_every_model(make_image: Make) -> None:
    levels = [make_image(model, image__snr=4.0).level for model in ('adm', 'sd-2.1')]
    assert all(level.snr == pytest.approx(4.0) for level in levels)
    assert levels[0].timestep != levels[1].timestep


@pytest.mark.parametrize('model', ['adm', 'sd-1.5'])
def test_repeats_bit_for_bit_and_keeps_no_state(make_image: Make, model: str) -> None:
    used = make_image(model, image__ensemble=2)
    used.extract(window(3, first=7))
    expected = make_image(model, image__ensemble=2).extract(window(3, new=2)).features
    assert torch.equal(used.extract(window(3, new=2)).features, expected)
    other = make_image(model, image__ensemble=2, seed=1).extract(window(3, new=2)).features
    assert not torch.allclose(other, expected, atol=1e-3)


@pytest.mark.parametrize('model', ['adm', 'sd-1.5'])
def test_a_frame_has_the_same_features_in_every_window(make_image: Make, model: str) -> None:
    extractor = make_image(model, image__ensemble=2)
    many = extractor.extract(window(3)).features
    for new, batch in ((1, 3), (2, 1), (2, 64)):
        extractor = make_image(model, image__ensemble=2, batch=batch)
        some = extractor.extract(window(3, new=new)).features
        torch.testing.assert_close(some, many[-new:], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize('model', ['adm', 'sd-2.1'])
def test_an_ensemble_is_the_mean_over_draws_of_its_own(
    make_image: Make, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames = window(2)
    mean = make_image(model, image__ensemble=3).extract(frames).features
    single = make_image(model)
    draws: list[tuple[str, int, int]] = []
    singles: list[Tensor] = []

    def shifted(*args: Any, **options: Any) -> Tensor:
        options['member'] = len(singles)
        draws.append((options['draw'], options['stamp'], len(singles)))
        return gaussian(*args, **options)

    monkeypatch.setattr('drift_ros.features.image.image_unet.gaussian', shifted)
    for _ in range(3):
        singles.append(single.extract(frames).features)
    torch.testing.assert_close(mean, torch.stack(singles).mean(0), rtol=1e-4, atol=1e-4)
    assert not torch.allclose(singles[0], singles[1], atol=1e-2)
    kinds = {'diffusion'} if model == 'adm' else {'diffusion', 'posterior'}
    assert set(draws) == {(k, stamp, m) for k in kinds for stamp in (0, 1) for m in range(3)}


@pytest.mark.parametrize('model', ['adm', 'sd-2.1'])
@pytest.mark.parametrize(('dtype', 'tolerance'), [('float16', 0.01), ('bfloat16', 0.08)])
def test_half_precision_is_close(
    make_image: Make, model: str, dtype: str, tolerance: float
) -> None:
    exact = make_image(model).extract(window()).features
    found = make_image(model, dtype=dtype).extract(window()).features
    assert found.dtype == getattr(torch, dtype)
    assert float((found.float() - exact).norm() / exact.norm()) < tolerance


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason='no CUDA GPU')
@pytest.mark.parametrize('model', MODELS)
@pytest.mark.parametrize(('dtype', 'tolerance'), [('float16', 0.02), ('bfloat16', 0.1)])
def test_half_precision_is_close_on_a_gpu(
    make_image: Make, model: str, dtype: str, tolerance: float
) -> None:
    frames = window()
    there = Window(frames.images.cuda(), frames.stamps, frames.new)
    exact = make_image(model, device='cuda', dtype='float32', compile=False).extract(there).features
    found = make_image(model, device='cuda', dtype=dtype).extract(there).features
    assert found.is_cuda
    assert float((found.float() - exact).norm() / exact.norm()) < tolerance


@pytest.mark.parametrize('model', ['adm', 'sd-2.1'])
def test_attention_runs_in_one_fused_operation(
    make_image: Make, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    extractor = make_image(model, dtype='bfloat16')
    fused: list[torch.dtype] = []
    whole = functional.scaled_dot_product_attention

    def count(query: Tensor, *args: Any, **options: Any) -> Tensor:
        fused.append(query.dtype)
        return whole(query, *args, **options)

    monkeypatch.setattr(functional, 'scaled_dot_product_attention', count)
    extractor.extract(window(1))
    networks = [extractor.unet, *([] if model == 'adm' else [extractor.encoder.vae])]
    layers = [m for n in networks for m in n.modules() if type(m).__name__ == 'Attention']
    assert fused == [torch.bfloat16] * len(layers)
    convolutions = [m for m in extractor.unet.modules() if isinstance(m, nn.Conv2d)]
    assert all(m.weight.is_contiguous(memory_format=torch.channels_last) for m in convolutions)


@pytest.mark.parametrize('model', ['adm', 'sd-1.5'])
def test_weights_behind_the_layer_are_not_kept(make_image: Make, model: str) -> None:
    def count(block: int) -> int:
        return sum(p.numel() for p in make_image(model, image__block=block).unet.parameters())

    counts = [count(block) for block in ((0, 1, 2, 3, 17) if model == 'adm' else range(4))]
    assert counts == sorted(set(counts))


def test_a_failing_compiler_is_survived(
    make_image: Make, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def compile_(_module: Any) -> Callable[..., Any]:
        def fail(*_args: Any, **_options: Any) -> Any:
            raise RuntimeError('no C compiler')

        return fail

    monkeypatch.setattr(torch, 'compile', compile_)
    monkeypatch.setattr(logging.getLogger('drift_ros'), 'propagate', True)
    plain = make_image('adm').extract(window()).features
    assert torch.equal(make_image('adm', compile=True).extract(window()).features, plain)
    assert 'no C compiler' in caplog.text


def test_overflow_is_said(make_image: Make) -> None:
    extractor = make_image('adm')
    with torch.no_grad():
        extractor.unet.conv_in.weight *= math.inf
    with pytest.raises(DeviceError, match='overflows'):
        extractor.extract(window(1))


@pytest.mark.parametrize(
    ('changes', 'millions'),
    [
        (
            {
                'cross_attention_dim': 1024,
                'attention_head_dim': (5, 10, 20, 20),
                'use_linear_projection': True,
            },
            866,
        ),
        ({'cross_attention_dim': 768, 'attention_head_dim': 8}, 860),
    ],
)
def test_published_sizes_of_stable_diffusion(changes: dict[str, Any], millions: int) -> None:
    with torch.device('meta'):
        unet = UNet2DConditionModel(**changes)
        text = torch.empty(1, 77, changes['cross_attention_dim'])
        latents = torch.empty(1, 4, 60, 104)
        found = outputs(unet, list(unet.up_blocks), latents, torch.tensor(51), text)
    assert [tuple(f.shape[1:]) for f in found] == [
        (1280, 15, 26),
        (1280, 30, 52),
        (640, 60, 104),
        (320, 60, 104),
    ]
    assert round(sum(p.numel() for p in unet.parameters()) / 1e6) == millions
