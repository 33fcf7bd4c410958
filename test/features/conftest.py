"""Image and video UNets that several files test."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from image_unets import MODELS, Make, settings
from video_unets import MODELS as VIDEO_MODELS
from video_unets import Make as MakeVideo
from video_unets import settings as video_settings

from drift_ros.features.image import create
from drift_ros.features.image.image_unet import ImageUnetExtractor
from drift_ros.features.image.untrained_image_unets import write_untrained
from drift_ros.features.video import create as create_video
from drift_ros.features.video.untrained_video_unets import write_untrained as write_untrained_video
from drift_ros.features.video.video_unet import VideoUnetExtractor


@pytest.fixture(scope='session')
def image_folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A small model of each class, saved as a folder."""
    places = {model: tmp_path_factory.mktemp(model) for model in MODELS}
    for model, place in places.items():
        write_untrained(model, place)
    return places


@pytest.fixture(scope='session')
def make_image(image_folders: dict[str, Path]) -> Make:
    """Load one of them: model, and settings with __ for the dot."""

    def make(model: str, **changes: Any) -> ImageUnetExtractor:
        given = {'image__model': model, 'image__checkpoint': str(image_folders[model])} | changes
        made = create(settings(**given))
        assert isinstance(made, ImageUnetExtractor)
        return made

    return make


@pytest.fixture(scope='session')
def video_folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A small video model of each class, saved as a folder."""
    places = {model: tmp_path_factory.mktemp(model) for model in VIDEO_MODELS}
    for model, place in places.items():
        write_untrained_video(model, place)
    return places


@pytest.fixture(scope='session')
def make_video(video_folders: dict[str, Path]) -> MakeVideo:
    """Load one of them: model, and settings with __ for the dot. The same again is the same object,
    unless it is to be `fresh`.
    """
    loaded: dict[str, VideoUnetExtractor] = {}

    def make(model: str, fresh: bool = False, **changes: Any) -> VideoUnetExtractor:
        given = {'video__model': model, 'video__checkpoint': str(video_folders[model])} | changes
        key = repr(sorted(given.items()))
        if fresh or key not in loaded:
            made = create_video(video_settings(**given))
            assert isinstance(made, VideoUnetExtractor)
            loaded[key] = made
        return loaded[key]

    return make
