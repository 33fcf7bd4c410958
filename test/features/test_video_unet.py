"""What all video UNets have in common, on small models of their true classes with random weights,
saved and loaded as folders like the published ones.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import AutoencoderTiny
from diffusers.models.resnet import AlphaBlender
from torch import Tensor
from video_unets import CLASSES, MODELS, Make, call_of, changed, load_unet, window

from drift_ros.features.checkpoints.memory import weight_bytes
from drift_ros.features.video.bypass import TEMPORAL

LENGTHS = {'i2vgen-xl': 16, 'svd': 14, 'svd-xt': 25, 'modelscope': 16}


@pytest.mark.parametrize('model', MODELS)
def test_defaults_are_those_of_the_papers(make_video: Make, model: str) -> None:
    extractor = make_video(model)
    found = extractor.extract(window(3, new=2, size=(96, 160)))
    assert found.stride == 8
    assert found.features.shape == (2, 64, 12, 20)
    assert extractor.window_length == LENGTHS[model]
    assert extractor.size_multiple == 32
    assert extractor.name == 'video-unet'
    assert extractor.settings.video.noise_level == 300
    assert not any(p.requires_grad for p in extractor.unet.parameters())
    assert not extractor.unet.training


@pytest.mark.parametrize('model', CLASSES)
@pytest.mark.parametrize('size', [(64, 96), (96, 160)])
def test_stopping_early_equals_a_hook_on_the_whole_pass(
    make_video: Make, video_folders: dict[str, Path], model: str, size: tuple[int, int]
) -> None:
    """Latents of 12 x 20 halve to 6 x 10, 3 x 5, 2 x 3: back up, sizes are not simply doubled."""
    frames = window(3, size=size)
    whole = load_unet(video_folders[model])
    seen: list[Tensor] = []
    for block in whole.up_blocks:
        block.register_forward_hook(lambda _m, _a, out: seen.append(out))
    for block, (channels, stride) in enumerate([(64, 32), (64, 16), (64, 8), (32, 8)]):
        early = make_video(model, video__block=block)
        found = early.extract(frames)
        if not seen:
            with torch.no_grad():
                whole(**call_of(early.unet, partial(early.extract, frames)))
        torch.testing.assert_close(found.features, seen[block], rtol=1e-4, atol=1e-4)
        assert found.features.shape == (3, channels, size[0] // stride, size[1] // stride)
        assert found.stride == stride
        assert found.features.std() > 0.05


@pytest.mark.parametrize('model', CLASSES)
@pytest.mark.parametrize(('block', 'temporal'), [(1, True), (2, False)])
def test_only_needed_weights_are_kept(
    make_video: Make, video_folders: dict[str, Path], model: str, block: int, temporal: bool
) -> None:
    """And they are what was counted before they were loaded."""
    extractor = make_video(model, video__block=block, video__temporal=temporal)
    kept = {'unet': extractor.unet, 'vae': extractor.encoder.vae}
    skip: tuple[str, ...] = ('up_blocks.3.', 'conv_norm_out.', 'conv_out.')
    skip += ('up_blocks.2.',) if block == 1 else ()
    skip += () if temporal else TEMPORAL
    skips = {'unet': skip, 'vae': ('decoder.', 'post_quant_conv.')}
    for part, network in kept.items():
        count = sum(p.numel() for p in network.parameters())
        assert weight_bytes(video_folders[model] / part, torch.float32, skips[part]) == 4 * count
    assert not hasattr(extractor, 'text_encoder')


@pytest.mark.parametrize('model', CLASSES)
def test_repeats_bit_for_bit_and_keeps_no_state(make_video: Make, model: str) -> None:
    used, fresh = (make_video(model, fresh=True, batch=1) for _ in range(2))
    used.extract(window(3, first=7))
    first = used.extract(window(4, first=9))
    used.extract(window(2, first=2))
    expected = fresh.extract(window(3, new=2)).features
    assert torch.equal(used.extract(window(3, new=2)).features, expected)
    assert torch.equal(used.extract(window(4, first=9)).features, first.features)
    other = make_video(model, batch=1, seed=1)
    assert not torch.equal(other.extract(window(3, new=2)).features, expected)


def test_sessions_encode_a_frame_once_and_never_meet(
    make_video: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two cameras give other images with equal stamps."""
    extractor = make_video('modelscope', batch=1)
    windows = [window(4), window(4, first=2)]
    cameras = [windows, [type(w)(255 - w.images, w.stamps, w.new) for w in windows]]
    expected = [[extractor.extract(w).features for w in camera] for camera in cameras]
    encoder, encoded = extractor.encoder, []

    def counted(images: Tensor) -> Tensor:
        encoded.append(len(images))
        return encoder(images)

    monkeypatch.setattr(extractor, 'encoder', counted)
    sessions = [extractor.session() for _ in cameras]
    for step in range(2):
        for session, camera, descriptors in zip(sessions, cameras, expected, strict=True):
            assert torch.equal(session.extract(camera[step]).features, descriptors[step])
    assert encoded == [4, 4, 2, 2]


@pytest.mark.parametrize('model', CLASSES)
def test_a_frame_is_noised_alike_in_every_window(make_video: Make, model: str) -> None:
    extractor = make_video(model, batch=1)
    noised = []
    for frames in (window(4), window(4, first=2)):
        call = call_of(extractor.unet, partial(extractor.extract, frames))
        latents = call['sample'][0] if model == 'svd' else call['sample'][0].transpose(0, 1)
        noised.append(latents[:, :4])
    assert torch.equal(noised[0][2:], noised[1][:2])
    assert not torch.equal(noised[0][:2], noised[1][2:])


@pytest.mark.parametrize('model', CLASSES)
@pytest.mark.parametrize('count', [1, 17])
def test_any_number_of_frames_works(make_video: Make, model: str, count: int) -> None:
    found = make_video(model, video__block=1).extract(window(count, size=(32, 64)))
    assert found.features.shape == (count, 64, 2, 4)
    assert bool(found.features.isfinite().all())


@pytest.mark.parametrize('model', CLASSES)
@pytest.mark.parametrize('temporal', [True, False])
def test_only_temporal_layers_join_the_frames(make_video: Make, model: str, temporal: bool) -> None:
    """Whatever the last frame shows, the first one's features stay if there are none."""
    extractor = make_video(model, video__temporal=temporal, batch=1)
    frames = window(8)
    before, after = (extractor.extract(w).features for w in (frames, changed(frames, 7)))
    assert float((before[7] - after[7]).abs().max()) > 1e-2
    moved = float((before[0] - after[0]).abs().max())
    assert moved > 1e-2 if temporal else moved == 0


def test_bypass_equals_blending_in_nothing(
    make_video: Make, video_folders: dict[str, Path]
) -> None:
    """Stable Video Diffusion has a switch of its own for that, which computes all the same."""
    spatial = make_video('svd', video__temporal=False)
    call = call_of(spatial.unet, lambda: spatial.extract(window(3)))
    whole = load_unet(video_folders['svd'])
    seen: list[Tensor] = []
    whole.up_blocks[2].register_forward_hook(lambda _m, _a, out: seen.append(out))
    for module in whole.modules():
        if isinstance(module, AlphaBlender):
            module.mix_factor.data.fill_(100.0)  # sigmoid 1: all spatial
    with torch.no_grad():
        whole(**call)
    found = spatial.extract(window(3)).features
    torch.testing.assert_close(found, seen[0], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize('model', CLASSES)
def test_an_ensemble_is_the_mean_over_draws_of_its_own(make_video: Make, model: str) -> None:
    extractor = make_video(model, video__ensemble=3)
    frames = window(2)
    found = extractor.extract(frames).features
    with torch.no_grad():
        posteriors = extractor.encode(frames, {})
        conditions = extractor._conditions(frames, posteriors)
        members = [
            extractor._features(
                torch.stack([extractor._noisy(posteriors[i], i, m) for i in range(2)]), conditions
            )
            for m in range(3)
        ]
    torch.testing.assert_close(found, torch.stack(members).mean(0))
    assert torch.equal(make_video(model).extract(frames).features, members[0])
    assert float((members[0] - members[1]).abs().mean()) > 1e-2


@pytest.mark.parametrize('model', CLASSES)
@pytest.mark.parametrize(('dtype', 'tolerance'), [('bfloat16', 0.05), ('float16', 0.01)])
def test_half_precision_is_close(
    make_video: Make, model: str, dtype: str, tolerance: float
) -> None:
    exact = make_video(model).extract(window()).features
    half = make_video(model, dtype=dtype).extract(window()).features
    assert half.dtype == getattr(torch, dtype)
    assert float((half.float() - exact).norm() / exact.norm()) < tolerance


@pytest.fixture(scope='module')
def tiny_vae(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp('tiny')
    torch.manual_seed(0)
    AutoencoderTiny(
        encoder_block_out_channels=(8, 8, 8, 8),
        decoder_block_out_channels=(8, 8, 8, 8),
        num_encoder_blocks=(1, 1, 1, 1),
        num_decoder_blocks=(1, 1, 1, 1),
    ).save_pretrained(folder)
    return folder


@pytest.mark.parametrize(
    ('model', 'scaling'), [('i2vgen-xl', 0.18125), ('svd', 0.18215), ('modelscope', 0.18215)]
)
def test_a_tiny_vae_gives_latents_of_the_models_scale(
    make_video: Make, tiny_vae: Path, model: str, scaling: float
) -> None:
    """Its latents are scaled by 0.18215 already; the image of Stable Video Diffusion is not."""
    extractor = make_video(model, tiny_vae=str(tiny_vae), video__condition_noise=0.0)
    frames = window(2)
    assert extractor.extract(frames).features.shape == (2, 64, 8, 12)
    vae = AutoencoderTiny.from_pretrained(tiny_vae).eval()
    with torch.no_grad():
        plain = vae.encode(frames.images / 127.5 - 1).latents
        posteriors = torch.stack(extractor.encode(frames, {}))
    torch.testing.assert_close(posteriors[:, 0], plain * scaling / 0.18215)
    assert not posteriors[:, 1].any()
    if model == 'svd':
        call = call_of(extractor.unet, lambda: extractor.extract(frames))
        torch.testing.assert_close(call['sample'][0, 1, 4:], plain[0] / 0.18215)


def test_compiling_falls_back_to_the_plain_network(
    make_video: Make, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def no_compiler(*_args: Any, **_named: Any) -> None:
        raise RuntimeError('no C++ compiler')

    monkeypatch.setattr(torch, 'compile', lambda _module: no_compiler)
    found = make_video('modelscope', compile=True).extract(window(2)).features
    assert 'no C++ compiler' in caplog.text
    assert torch.equal(found, make_video('modelscope').extract(window(2)).features)


def test_weights_lie_with_channels_innermost(make_video: Make) -> None:
    unet = make_video('modelscope').unet
    assert unet.conv_in.weight.is_contiguous(memory_format=torch.channels_last)
    conv = next(m for m in unet.modules() if isinstance(m, torch.nn.Conv3d))
    assert conv.weight.is_contiguous(memory_format=torch.channels_last_3d)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a CUDA device')
@pytest.mark.parametrize('model', CLASSES)
def test_a_gpu_agrees_with_the_cpu_but_for_its_noise(make_video: Make, model: str) -> None:
    extractor = make_video(model, device='cuda', dtype='float16')
    frames = window(3)
    frames = type(frames)(frames.images.cuda(), frames.stamps, frames.new)
    found = extractor.extract(frames).features
    assert torch.equal(extractor.extract(frames).features, found)
    call = call_of(extractor.unet, lambda: extractor.extract(frames))
    exact = extractor.unet.cpu().float()
    plain = {
        name: v.cpu().float() if v.is_floating_point() else v.cpu()
        for name, v in call.items()
        if isinstance(v, Tensor)
    }
    with torch.no_grad():
        expected = exact(**plain, return_dict=False)[0][0]
    expected = expected if model == 'svd' else expected.transpose(0, 1)
    assert float((found.cpu().float() - expected).norm() / expected.norm()) < 0.01
