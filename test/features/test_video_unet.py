"""A small video UNet with random weights stands for the published ones: same classes, same folder
layout.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet3DConditionModel
from torch import Tensor
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from drift_ros.errors import CheckpointError
from drift_ros.features import FeatureMap, Window, create
from drift_ros.features.folders import load_video_unet
from drift_ros.features.untrained import untrained_video_unet
from drift_ros.features.video_unet import VideoUnetExtractor
from drift_ros.settings import FeatureSettings

CPU = torch.device('cpu')


def extractor(
    block: int = 2, dtype: torch.dtype = torch.float32, **changes: int
) -> VideoUnetExtractor:
    options = {'noise_level': 300, 'seed': 0} | changes
    return VideoUnetExtractor(
        'test', untrained_video_unet(), block=block, device=CPU, dtype=dtype, **options
    )


def window(
    count: int = 3, new: int = 0, first: int = 0, size: tuple[int, int] = (64, 96)
) -> Window:
    frames = [
        torch.randint(
            0, 256, (3, *size), dtype=torch.uint8, generator=torch.Generator().manual_seed(index)
        )
        for index in range(first, first + count)
    ]
    return Window(torch.stack(frames), tuple(range(first, first + count)), new or count)


@pytest.mark.parametrize(
    ('block', 'channels', 'stride'), [(0, 64, 32), (1, 64, 16), (2, 64, 8), (3, 32, 8)]
)
def test_blocks_have_the_strides_of_the_published_models(
    block: int, channels: int, stride: int
) -> None:
    found = extractor(block).extract(window(size=(64, 96)))
    assert found.stride == stride
    assert found.features.shape == (3, channels, 64 // stride, 96 // stride)


def test_sizes_that_halve_to_odd_latents_work() -> None:
    found = extractor().extract(window(size=(96, 160)))
    assert found.features.shape[-2:] == (12, 20)


@pytest.mark.parametrize('block', [0, 2])
def test_stopping_early_equals_a_hook_on_the_whole_pass(block: int) -> None:
    frames = window()
    early = extractor(block)
    latents = early._noisy_latents(frames)
    whole = untrained_video_unet()
    seen: list[Tensor] = []
    whole.unet.up_blocks[block].register_forward_hook(lambda _m, _a, out: seen.append(out))
    with torch.no_grad():
        whole.unet.eval()(latents.transpose(0, 1)[None], 300, whole.text)
    torch.testing.assert_close(early.extract(frames).features, seen[0])
    kept = sum(p.numel() for p in early._unet.parameters())
    assert kept < sum(p.numel() for p in whole.unet.parameters())


def test_noise_follows_the_schedule() -> None:
    """x_tau = sqrt(abar) x_0 + sqrt(1 - abar) eps: the mean of many draws is the scaled latent."""
    model = untrained_video_unet()
    abar = float(model.alphas_cumprod[600])
    frames = window(1)
    with torch.no_grad():
        pixels = frames.images.float() / 127.5 - 1
        clean = model.vae.eval().encode(pixels).latent_dist
    draws = torch.stack(
        [extractor(noise_level=600, seed=s)._noisy_latents(frames)[0] for s in range(60)]
    )
    scale = model.vae.config.scaling_factor
    deviation = abar * clean.var[0] * scale**2 + (1 - abar)
    error = (draws.mean(0) - abar**0.5 * clean.mean[0] * scale) / (deviation / 60).sqrt()
    assert abs(float(error.mean())) < 0.3
    assert 0.8 < float(error.std()) < 1.2


def test_the_same_frame_gets_the_same_noise_in_every_window_and_run() -> None:
    first, again = extractor(), extractor()
    a = first._noisy_latents(window(3, first=0))
    b = first._noisy_latents(window(3, first=1))  # kept latents
    c = again._noisy_latents(window(3, first=1))  # fresh ones
    torch.testing.assert_close(a[1:], b[:2], atol=0, rtol=0)
    torch.testing.assert_close(b, c, atol=0, rtol=0)
    assert not torch.equal(extractor(seed=1)._noisy_latents(window(3, first=1)), c)


def test_repeats_bit_for_bit_and_keeps_no_state() -> None:
    used = extractor()
    used.extract(window(3, first=7))
    used.extract(window(3, first=9))
    fresh = extractor()
    expected: FeatureMap = fresh.extract(window(3, new=2))
    torch.testing.assert_close(
        used.extract(window(3, new=2)).features, expected.features, atol=0, rtol=0
    )
    used.reset()
    assert used._latents == {}


def test_frames_see_each_other() -> None:
    """The temporal layers join the frames: the newest frame's features depend on the oldest."""
    frames = window(3, new=1)
    changed = Window(frames.images.clone(), frames.stamps, 1)
    changed.images[0] = 255 - changed.images[0]
    a, b = extractor().extract(frames), extractor().extract(changed)
    assert float((a.features - b.features).abs().max()) > 1e-3


@pytest.mark.parametrize(('dtype', 'tolerance'), [(torch.bfloat16, 0.1), (torch.float16, 0.02)])
def test_half_precision_is_close(dtype: torch.dtype, tolerance: float) -> None:
    exact = extractor().extract(window()).features
    half = extractor(dtype=dtype).extract(window()).features
    assert half.dtype == dtype
    error = (half.float() - exact).norm() / exact.norm()
    assert float(error) < tolerance


@pytest.fixture(scope='module')
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder laid out as the published ones are."""
    place = tmp_path_factory.mktemp('model')
    model = untrained_video_unet()
    model.unet.save_pretrained(place / 'unet')
    model.vae.save_pretrained(place / 'vae')
    DDIMScheduler(
        beta_schedule='scaled_linear', beta_start=0.00085, beta_end=0.012
    ).save_pretrained(place / 'scheduler')
    vocabulary = {'<|startoftext|>': 0, '<|endoftext|>': 1, 'a</w>': 2, 'a': 3}
    (place / 'tokenizer').mkdir()
    (place / 'tokenizer' / 'vocab.json').write_text(json.dumps(vocabulary))
    (place / 'tokenizer' / 'merges.txt').write_text('#version: 0.2\n')
    CLIPTokenizer(
        str(place / 'tokenizer' / 'vocab.json'),
        str(place / 'tokenizer' / 'merges.txt'),
        model_max_length=8,
    ).save_pretrained(place / 'tokenizer')
    torch.manual_seed(0)
    CLIPTextModel(
        CLIPTextConfig(
            vocab_size=4,
            hidden_size=32,
            intermediate_size=32,
            num_hidden_layers=1,
            num_attention_heads=2,
            max_position_embeddings=8,
            bos_token_id=0,
            eos_token_id=1,
            pad_token_id=1,
        )
    ).save_pretrained(place / 'text_encoder')
    return place


def test_a_folder_gives_the_model_that_was_saved(folder: Path) -> None:
    loaded = load_video_unet(folder)
    assert loaded.text.shape == (1, 8, 32)
    assert loaded.frames == 16
    made = untrained_video_unet()
    for a, b in zip(loaded.unet.parameters(), made.unet.parameters(), strict=True):
        torch.testing.assert_close(a, b, atol=0, rtol=0)
    torch.testing.assert_close(loaded.alphas_cumprod, made.alphas_cumprod)


def test_the_setting_names_the_folder(folder: Path) -> None:
    settings = FeatureSettings(name='video-unet', checkpoint=str(folder), device='cpu', block=1)
    made = create(settings)
    assert made.window_length == 16
    assert made.extract(window()).stride == 16


def test_missing_weights_are_named(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r'features\.checkpoint'):
        create(FeatureSettings(name='video-unet', device='cpu'))
    with pytest.raises(CheckpointError, match='not a folder'):
        load_video_unet(tmp_path / 'nowhere')
    for part in ('unet', 'vae', 'scheduler', 'text_encoder', 'tokenizer'):
        broken = tmp_path / part
        shutil.copytree(folder, broken)
        shutil.rmtree(broken / part)
        with pytest.raises(CheckpointError, match=part):
            load_video_unet(broken)


def test_half_a_download_is_named(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    weights = tmp_path / 'unet' / 'diffusion_pytorch_model.safetensors'
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(CheckpointError, match='incomplete download'):
        load_video_unet(tmp_path)
    weights.unlink()
    with pytest.raises(CheckpointError, match='unet'):
        load_video_unet(tmp_path)


def test_another_kind_of_model_is_named(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    shutil.rmtree(tmp_path / 'unet')
    shutil.copytree(folder / 'vae', tmp_path / 'unet')
    with pytest.raises(CheckpointError, match=r'AutoencoderKL.*UNet3DConditionModel'):
        load_video_unet(tmp_path)


def test_full_size_strides_on_the_meta_device() -> None:
    """ModelScope's architecture: the default configuration of the class."""
    with torch.device('meta'):
        unet = UNet3DConditionModel()
        vae = AutoencoderKL(block_out_channels=(128, 256, 512, 512), **_SD_BLOCKS)
    shapes: list[tuple[int, ...]] = []
    for block in unet.up_blocks:
        block.register_forward_hook(lambda _m, _a, out: shapes.append(tuple(out.shape)))
    latents = torch.empty(1, 4, 2, 60, 104, device='meta')
    with torch.no_grad():
        unet(latents, torch.tensor(300, device='meta'), torch.empty(1, 77, 1024, device='meta'))
        encoded = vae.encoder(torch.empty(1, 3, 480, 832, device='meta'))
    assert encoded.shape == (1, 8, 60, 104)
    assert shapes == [(2, 1280, 15, 26), (2, 1280, 30, 52), (2, 640, 60, 104), (2, 320, 60, 104)]
    assert 1.40e9 < sum(p.numel() for p in unet.parameters()) < 1.42e9


_SD_BLOCKS = {
    'down_block_types': ('DownEncoderBlock2D',) * 4,
    'up_block_types': ('UpDecoderBlock2D',) * 4,
}
