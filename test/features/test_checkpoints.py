"""Model folders: checked, loaded, and refused with a reason."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import AutoencoderKL, AutoencoderTiny, DDIMScheduler, PNDMScheduler
from safetensors.torch import load_file, save_file
from transformers import CLIPTextModel, CLIPVisionModelWithProjection

from drift_ros.errors import CheckpointError, DeviceError
from drift_ros.features.checkpoints import (
    load_alphas_cumprod,
    load_part,
    require_memory,
    weight_files,
)
from drift_ros.features.text import encode_prompt
from drift_ros.features.untrained_parts import write_image_encoder, write_text_encoder

WEIGHTS = 'diffusion_pytorch_model.safetensors'
CPU = torch.device('cpu')


@pytest.fixture(scope='module')
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp('model')
    torch.manual_seed(0)
    AutoencoderKL(block_out_channels=(8,), norm_num_groups=4).save_pretrained(folder / 'vae')
    DDIMScheduler(beta_schedule='squaredcos_cap_v2', rescale_betas_zero_snr=True).save_pretrained(
        folder / 'scheduler'
    )
    write_text_encoder(folder, layers=3)
    write_image_encoder(folder)
    return folder


@pytest.fixture
def folder(original: Path, tmp_path: Path) -> Path:
    """A model folder that may be spoiled."""
    return Path(shutil.copytree(original, tmp_path / 'model'))


def load_vae(folder: Path, dtype: torch.dtype = torch.float32) -> Any:
    return load_part(folder, 'vae', AutoencoderKL, dtype, advice='choose another')


def test_a_part_is_loaded_as_it_was_saved(folder: Path) -> None:
    vae = load_vae(folder)
    saved = load_file(folder / 'vae' / WEIGHTS)
    assert {name: p.tolist() for name, p in vae.state_dict().items()} == {
        name: p.tolist() for name, p in saved.items()
    }
    assert not vae.training and not any(p.requires_grad for p in vae.parameters())
    assert load_vae(folder, torch.float16).dtype == torch.float16
    encoder = load_part(folder, 'image_encoder', CLIPVisionModelWithProjection, torch.float32)
    assert encoder.config.image_size == 224


@pytest.mark.parametrize('text', ['', '{', '[]', '{}', '3', '\0\0'])
def test_a_malformed_configuration_is_named(folder: Path, text: str) -> None:
    (folder / 'vae' / 'config.json').write_text(text)
    with pytest.raises(CheckpointError, match=r'vae/config\.json'):
        load_vae(folder)


def test_a_missing_configuration_is_named(folder: Path) -> None:
    (folder / 'vae' / 'config.json').unlink()
    with pytest.raises(CheckpointError, match=r'config\.json'):
        load_vae(folder)
    with pytest.raises(CheckpointError, match=r'nothing/config\.json'):
        load_part(folder, 'nothing', AutoencoderKL, torch.float32)


def test_another_class_is_named_with_advice(folder: Path) -> None:
    with pytest.raises(CheckpointError, match=r'AutoencoderKL, expected AutoencoderTiny$'):
        load_part(folder, 'vae', AutoencoderTiny, torch.float32)
    (folder / 'vae' / 'config.json').write_text('{"_class_name": "UNet"}')
    with pytest.raises(CheckpointError, match='UNet, expected AutoencoderKL: choose another'):
        load_vae(folder)
    with pytest.raises(CheckpointError, match='CLIPTextModel, expected CLIPVision'):
        load_part(folder, 'text_encoder', CLIPVisionModelWithProjection, torch.float32)
    (folder / 'vae' / 'config.json').write_text('{"sample_size": 3}')
    with pytest.raises(CheckpointError):
        load_vae(folder)


def test_one_of_several_classes_is_chosen(folder: Path) -> None:
    both = (AutoencoderTiny, AutoencoderKL)
    assert isinstance(load_part(folder, 'vae', both, torch.float32), AutoencoderKL)


@pytest.mark.parametrize('length', [0, 4, 200, -1])
def test_a_file_that_was_cut_off_is_named(folder: Path, length: int) -> None:
    weights = folder / 'vae' / WEIGHTS
    weights.write_bytes(weights.read_bytes()[:length])
    with pytest.raises(CheckpointError, match=r'safetensors.*(empty|cut off|promises|not a saf)'):
        load_vae(folder)


def test_weights_that_are_no_safetensors_are_named(folder: Path) -> None:
    (folder / 'vae' / WEIGHTS).write_bytes((5).to_bytes(8, 'little') + b'hello' + bytes(100))
    with pytest.raises(CheckpointError):
        load_vae(folder)


def test_a_pointer_of_git_is_named(folder: Path) -> None:
    (folder / 'vae' / WEIGHTS).write_text('version https://git-lfs.github.com/spec/v1\noid sha256:')
    with pytest.raises(CheckpointError, match='git lfs pull'):
        load_vae(folder)


def test_missing_weights_are_named(folder: Path) -> None:
    (folder / 'vae' / WEIGHTS).unlink()
    with pytest.raises(CheckpointError):
        load_vae(folder)


def test_missing_shards_are_named(folder: Path) -> None:
    vae = folder / 'vae'
    tensors = load_file(vae / WEIGHTS)
    (vae / WEIGHTS).unlink()
    names = sorted(tensors)
    shards = [f'diffusion_pytorch_model-0000{i}-of-00002.safetensors' for i in (1, 2)]
    for shard, own in zip(shards, (names[::2], names[1::2]), strict=True):
        save_file({n: tensors[n] for n in own}, vae / shard, {'format': 'pt'})
    places = {n: shards[i % 2] for i, n in enumerate(names)}
    index = vae / f'{WEIGHTS}.index.json'
    index.write_text(json.dumps({'metadata': {'total_size': 1}, 'weight_map': places}))
    assert len(weight_files(vae).paths) == 2
    assert sum(p.numel() for p in load_vae(folder).parameters()) == sum(
        n for _, n in weight_files(vae).tensors()
    )
    (vae / shards[1]).unlink()
    with pytest.raises(CheckpointError, match=r'lacks 1 of 2 files .*00002-of-00002'):
        load_vae(folder)
    index.write_text('{"weight_map": 3}')
    with pytest.raises(CheckpointError):
        load_vae(folder)


@pytest.mark.parametrize('part', ['vae', 'text_encoder', 'image_encoder'])
def test_missing_and_other_tensors_are_named(folder: Path, part: str) -> None:
    """Libraries fill them with random numbers and go on."""
    cls = {'vae': AutoencoderKL, 'text_encoder': CLIPTextModel}.get(
        part, CLIPVisionModelWithProjection
    )
    file = weight_files(folder / part).paths[0]
    tensors = load_file(file)
    name = next(n for n in sorted(tensors) if n.endswith('.bias'))
    lacking = {n: t for n, t in tensors.items() if n != name}
    save_file(lacking, file, {'format': 'pt'})
    with pytest.raises(CheckpointError, match=r'lack 1 tensors'):
        load_part(folder, part, cls, torch.float32)
    save_file(lacking | {name: torch.zeros(3)}, file, {'format': 'pt'})
    with pytest.raises(CheckpointError, match=str(folder / part)):
        load_part(folder, part, cls, torch.float32)


def test_the_best_of_several_files_is_taken(folder: Path) -> None:
    vae = folder / 'vae'
    half = vae / 'diffusion_pytorch_model.fp16.safetensors'
    save_file({n: t.half() for n, t in load_file(vae / WEIGHTS).items()}, half, {'format': 'pt'})
    torch.save(load_file(vae / WEIGHTS), vae / 'diffusion_pytorch_model.bin')
    assert weight_files(vae).paths == (vae / WEIGHTS,)
    assert weight_files(vae, torch.float16).variant == 'fp16'
    assert load_vae(folder, torch.bfloat16).dtype == torch.bfloat16
    (vae / WEIGHTS).unlink()
    assert not weight_files(vae).safetensors
    assert load_vae(folder).dtype == torch.float32
    pickled = vae / 'diffusion_pytorch_model.bin'
    pickled.write_bytes(pickled.read_bytes()[:-100])
    with pytest.raises(CheckpointError):
        load_vae(folder)
    pickled.unlink()
    assert load_vae(folder).dtype == torch.float32  # from half precision, for want of better


def test_the_schedule_is_that_of_the_scheduler(folder: Path) -> None:
    abar = load_alphas_cumprod(folder)
    assert [round(float(abar[t]), 4) for t in (51, 300, 600, 900, 999)] == [
        0.9914,
        0.7856,
        0.3393,
        0.0236,
        0.0,
    ]
    own = PNDMScheduler(beta_schedule='scaled_linear', beta_start=0.00085, beta_end=0.012)
    own.save_pretrained(folder / 'scheduler')
    torch.testing.assert_close(load_alphas_cumprod(folder), own.alphas_cumprod)


@pytest.mark.parametrize(
    ('text', 'words'),
    [
        ('{"_class_name": "FlowMatch"}', 'FlowMatch without beta_schedule'),
        ('{"beta_schedule": "spiral"}', 'no noise schedule'),
        ('{"beta_schedule": "linear", "beta_end": "x"}', 'no noise schedule'),
        ('[]', 'not a configuration'),
    ],
)
def test_a_scheduler_without_a_schedule_is_named(folder: Path, text: str, words: str) -> None:
    (folder / 'scheduler' / 'scheduler_config.json').write_text(text)
    with pytest.raises(CheckpointError, match=words):
        load_alphas_cumprod(folder)


def test_too_little_memory_is_said_with_numbers(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vae = load_vae(folder)
    total = sum(p.numel() for p in vae.parameters())
    behind = sum(
        p.numel() for n, p in vae.named_parameters() if n.startswith(('decoder.', 'post_quant_'))
    )
    kept = {'vae': ('decoder.', 'post_quant_conv.'), 'text_encoder': ()}
    without = require_memory(folder, {'text_encoder': ()}, device=CPU, dtype=torch.float16)
    found = require_memory(folder, kept, device=CPU, dtype=torch.float16)
    assert found - without == 2 * (total - behind)
    monkeypatch.setattr('drift_ros.features.checkpoints.memory.free_memory', lambda _: 5000)
    with pytest.raises(DeviceError, match=r'GB as float16 \(vae .*cpu has 0\.00 GB free'):
        require_memory(folder, kept, device=CPU, dtype=torch.float16)


def test_the_prompt_is_encoded_as_the_encoder_does(folder: Path) -> None:
    encoder = CLIPTextModel.from_pretrained(folder / 'text_encoder').eval()
    ids = torch.tensor([[0, 2 + 36 + 2, *[1] * 75]])  # start, 'c' as a word, ends
    with torch.no_grad():
        states = encoder(ids, output_hidden_states=True)
        final = getattr(encoder, 'text_model', encoder).final_layer_norm
        last_but_one = final(states.hidden_states[-2])
    torch.testing.assert_close(encode_prompt(folder, 'c'), states.last_hidden_state)
    torch.testing.assert_close(encode_prompt(folder, 'c', skip_last=1), last_but_one)
    assert encode_prompt(folder, '', dtype=torch.float16).dtype == torch.float16


def test_a_long_prompt_is_cut_and_said_so(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert encode_prompt(folder, 'a ' * 200).shape == (1, 77, 32)
    assert 'more than 77 tokens' in caplog.text


def test_an_incomplete_tokenizer_is_named(folder: Path) -> None:
    for file in (folder / 'tokenizer').iterdir():
        if file.name != 'tokenizer_config.json':
            file.unlink()
    with pytest.raises(CheckpointError, match='tokenizer'):
        encode_prompt(folder, '')
    (folder / 'tokenizer' / 'tokenizer.json').write_text('{')
    with pytest.raises(CheckpointError, match='tokenizer'):
        encode_prompt(folder, '')
