"""What the registry refuses before anything is loaded."""

from __future__ import annotations

import pytest

from drift_ros import features
from drift_ros.errors import SettingsError
from drift_ros.features.registry import EXTRACTORS, INVERTIBLE
from drift_ros.settings import FeatureSettings


@pytest.mark.parametrize('name', sorted(set(EXTRACTORS) - set(INVERTIBLE)))
def test_inversion_is_refused_where_it_would_do_nothing(name: str) -> None:
    with pytest.raises(SettingsError, match=r'features\.noise.*embedded-attention'):
        features.create(FeatureSettings(name=name, noise='inversion'))
