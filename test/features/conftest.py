"""Image UNets that several files test."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from image_unets import MODELS, Make, settings

from drift_ros.features.image import create
from drift_ros.features.image.extractor import ImageUnetExtractor
from drift_ros.features.image.untrained import write_untrained


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
