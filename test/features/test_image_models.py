"""Image UNets from settings and folders, up to a real clip."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import AutoencoderTiny, UNet2DConditionModel, UNet2DModel
from image_unets import MODELS, Make, settings, window
from real_clip import track_tennis

from drift_ros.errors import CheckpointError, SettingsError
from drift_ros.features import create as create_by_name
from drift_ros.features.image import create


def test_the_prompt_reaches_stable_diffusion(make_image: Make) -> None:
    empty, said = (make_image('sd-2.1', image__prompt=p).extract(window(1)) for p in ('', 'cat'))
    assert not torch.allclose(empty.features, said.features, atol=1e-4)


def test_a_tiny_vae_may_take_the_place_of_the_own_one(make_image: Make, tmp_path: Path) -> None:
    AutoencoderTiny(
        encoder_block_out_channels=(8, 8, 8, 8),
        decoder_block_out_channels=(8, 8, 8, 8),
        num_encoder_blocks=(1, 1, 1, 1),
        num_decoder_blocks=(1, 1, 1, 1),
    ).save_pretrained(tmp_path)
    found = make_image('sd-1.5', tiny_vae=str(tmp_path)).extract(window())
    assert found.features.shape == (2, 64, 8, 12)
    assert make_image('adm', tiny_vae='no/matter').extract(window(1)).stride == 8


@pytest.mark.parametrize('model', MODELS)
def test_untrained_models_need_no_folder(model: str, image_folders: dict[str, Path]) -> None:
    made = create_by_name(settings(image__model=model, image__checkpoint='untrained'))
    found = made.extract(window(1)).features
    saved = create_by_name(
        settings(image__model=model, image__checkpoint=str(image_folders[model]))
    )
    assert torch.equal(saved.extract(window(1)).features, found)


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'image__block': 4, 'image__model': 'sd-2.1'}, r'block is 4.*0 to 3'),
        ({'image__layer': 0}, r'layer is 0.*block alone'),
        ({'image__prompt': 'cat'}, r'adm takes no text'),
        ({'image__layer': 3, 'image__model': 'sd-1.5'}, r'layer 3 does not exist.*0 to 2'),
        ({'image__snr': 1e-5, 'image__model': 'sd-1.5'}, r'snr'),
    ],
)
def test_settings_that_a_model_cannot_follow_are_refused(
    changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(SettingsError, match=message):
        create(settings(**({'image__checkpoint': 'untrained'} | changes)))


def _inpainting(config: dict[str, Any]) -> None:
    config['in_channels'] = 9


def _other_text(config: dict[str, Any]) -> None:
    config['cross_attention_dim'] = 64


@pytest.mark.parametrize('change', [_inpainting, _other_text])
def test_relatives_of_stable_diffusion_are_refused(
    change: Callable[[dict[str, Any]], None], image_folders: dict[str, Path], tmp_path: Path
) -> None:
    unet = UNet2DConditionModel.from_pretrained(image_folders['sd-1.5'] / 'unet')
    config = dict(unet.config)
    change(config)
    for part in ('vae', 'scheduler', 'text_encoder', 'tokenizer'):
        (tmp_path / part).symlink_to(image_folders['sd-1.5'] / part)
    UNet2DConditionModel.from_config(config).save_pretrained(tmp_path / 'unet')
    with pytest.raises(CheckpointError, match='expected plain Stable Diffusion'):
        create(settings(image__model='sd-1.5', image__checkpoint=str(tmp_path)))


def test_another_kind_of_model_is_refused(image_folders: dict[str, Path], tmp_path: Path) -> None:
    for model, other in (('adm', 'sd-1.5'), ('sd-2.1', 'adm')):
        with pytest.raises(CheckpointError, match=r'unet holds UNet2D\w+, expected .* to fit'):
            create(settings(image__model=model, image__checkpoint=str(image_folders[other])))
    UNet2DModel(
        block_out_channels=(32, 32),
        down_block_types=('DownBlock2D',) * 2,
        up_block_types=('UpBlock2D',) * 2,
        in_channels=1,
    ).save_pretrained(tmp_path / 'unet')
    (tmp_path / 'scheduler').symlink_to(image_folders['adm'] / 'scheduler')
    with pytest.raises(CheckpointError, match='ADM'):
        create(settings(image__checkpoint=str(tmp_path)))


@pytest.mark.parametrize('part', ['unet', 'vae', 'scheduler', 'text_encoder', 'tokenizer'])
def test_missing_parts_are_named(part: str, image_folders: dict[str, Path], tmp_path: Path) -> None:
    for place in image_folders['sd-2.1'].iterdir():
        if place.name != part:
            (tmp_path / place.name).symlink_to(place)
    with pytest.raises(CheckpointError, match=part):
        create(settings(image__model='sd-2.1', image__checkpoint=str(tmp_path)))


def test_a_checkpoint_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r'no file .*weights\.pt; download https://'):
        create(settings(image__checkpoint=str(tmp_path / 'weights.pt')))


@pytest.mark.parametrize('model', MODELS)
def test_tracks_a_real_clip(model: str, davis: Path) -> None:
    chosen = {'features__image__model': model, 'features__image__checkpoint': 'untrained'}
    track_tennis(davis, 4, features__name='image-unet', **chosen)
