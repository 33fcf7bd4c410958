"""Video UNets from settings and folders, up to a real clip."""

from __future__ import annotations

import json
import logging
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from real_clip import track_tennis
from video_unets import CLASSES, MODELS, Make, settings, window

from drift_ros.errors import CheckpointError, DeviceError
from drift_ros.features import create as create_by_name
from drift_ros.features.checkpoints import memory
from drift_ros.features.video import create

TEXT = ['scheduler', 'text_encoder', 'tokenizer']
IMAGE = ['image_encoder', 'feature_extractor']
PARTS = {
    'i2vgen-xl': ['unet', 'vae', *TEXT, *IMAGE],
    'svd': ['unet', 'vae', *IMAGE],
    'modelscope': ['unet', 'vae', *TEXT],
}


def without(folder: Path, part: str, place: Path) -> Path:
    """A copy of a model folder that lacks a part."""
    for entry in folder.iterdir():
        if entry.name != part:
            (place / entry.name).symlink_to(entry)
    return place


def from_folder(model: str, folder: Path, **changes: Any) -> Any:
    return create(settings(video__model=model, video__checkpoint=str(folder), **changes))


@pytest.mark.parametrize('model', CLASSES)
def test_untrained_models_need_no_folder(make_video: Make, model: str) -> None:
    made = create_by_name(settings(video__model=model, video__checkpoint='untrained'))
    found = made.extract(window(2)).features
    assert torch.equal(found, make_video(model).extract(window(2)).features)


@pytest.mark.parametrize(('model', 'part'), [(m, p) for m, parts in PARTS.items() for p in parts])
def test_missing_parts_are_named(
    model: str, part: str, video_folders: dict[str, Path], tmp_path: Path
) -> None:
    with pytest.raises(CheckpointError, match=part):
        from_folder(model, without(video_folders[model], part, tmp_path))


@pytest.mark.parametrize(
    ('model', 'other', 'words'),
    [
        ('i2vgen-xl', 'modelscope', r'UNet3DConditionModel, expected I2VGenXLUNet.*video\.model'),
        ('modelscope', 'i2vgen-xl', r'I2VGenXLUNet, expected UNet3DConditionModel.*video\.model'),
        ('svd', 'i2vgen-xl', r'I2VGenXLUNet, expected UNetSpatioTemporal.*video\.model'),
    ],
)
def test_another_kind_of_model_is_named(
    model: str, other: str, words: str, video_folders: dict[str, Path]
) -> None:
    with pytest.raises(CheckpointError, match=words):
        from_folder(model, video_folders[other])


def copied(folder: Path, part: str, place: Path, **changes: Any) -> Path:
    """A copy of a model folder with other entries in the configuration of a part."""
    without(folder, part, place)
    shutil.copytree(folder / part, place / part)
    config = json.loads((place / part / 'config.json').read_text())
    (place / part / 'config.json').write_text(json.dumps(config | changes))
    return place


@pytest.mark.parametrize(
    ('model', 'part', 'changes'),
    [
        ('i2vgen-xl', 'text_encoder', {'hidden_size': 48}),
        ('i2vgen-xl', 'image_encoder', {'projection_dim': 48}),
        ('svd', 'image_encoder', {'projection_dim': 48}),
        ('modelscope', 'text_encoder', {'hidden_size': 48}),
    ],
)
def test_parts_of_different_models_are_named(
    model: str,
    part: str,
    changes: dict[str, int],
    video_folders: dict[str, Path],
    tmp_path: Path,
) -> None:
    folder = copied(video_folders[model], part, tmp_path, **changes)
    with pytest.raises(CheckpointError, match=rf'{part} has \w+ 48, .* needs 32'):
        from_folder(model, folder)


def test_the_folder_says_how_many_frames(
    video_folders: dict[str, Path], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        assert from_folder('svd', video_folders['svd-xt']).window_length == 25
    assert 'is made for 25 frames, svd for 14' in caplog.text


@pytest.mark.parametrize('frames', [0, 'many', None])
def test_a_nonsense_number_of_frames_is_refused(
    frames: Any, video_folders: dict[str, Path], tmp_path: Path
) -> None:
    folder = copied(video_folders['svd'], 'unet', tmp_path, num_frames=frames)
    with pytest.raises(CheckpointError, match='num_frames'):
        from_folder('svd', folder)


@pytest.mark.parametrize('wrong', [None, 'much', 0, -1, True, [0.1, 0.2], float('inf')])
def test_a_nonsense_scaling_factor_is_refused(
    wrong: Any, video_folders: dict[str, Path], tmp_path: Path
) -> None:
    folder = shutil.copytree(video_folders['modelscope'], tmp_path / 'model')
    path = folder / 'vae' / 'config.json'
    path.write_text(json.dumps(json.loads(path.read_text()) | {'scaling_factor': wrong}))
    with pytest.raises(CheckpointError, match='vae'):
        from_folder('modelscope', folder)


@pytest.mark.parametrize('wrong', [0.5, [0.5, 0.5], [0.5, 0.5, 0], 'bright', [[0.5] * 3]])
def test_nonsense_colour_statistics_are_refused(
    wrong: Any, video_folders: dict[str, Path], tmp_path: Path
) -> None:
    folder = shutil.copytree(video_folders['svd'], tmp_path / 'model')
    path = folder / 'feature_extractor' / 'preprocessor_config.json'
    path.write_text(json.dumps({'image_std': wrong}))
    with pytest.raises(CheckpointError, match='image_std'):
        from_folder('svd', folder)


def test_too_little_memory_is_said_before_loading(
    video_folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, 'free_memory', lambda _device: 1_000_000)
    monkeypatch.setattr(sys.modules['drift_ros.features.video.video_models'], 'load_part', None)
    with pytest.raises(DeviceError, match=r'unet 0\.01.*0\.00 GB free'):
        from_folder('i2vgen-xl', video_folders['i2vgen-xl'])


@pytest.mark.parametrize('model', MODELS)
def test_tracks_a_real_clip(model: str, davis: Path) -> None:
    chosen = {'features__video__model': model, 'features__video__checkpoint': 'untrained'}
    window = {'window__length': 4, 'window__stride': 2}
    track_tennis(davis, 6, features__name='video-unet', **chosen, **window)
