"""Pictures of features for the report."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from result_folders import boxes, write_results

from drift_ros.errors import DriftError, SourceError
from drift_ros.evaluation.reporting.features import write_feature_pictures
from drift_ros.settings import TrackerSettings, build

SETTINGS = build(TrackerSettings, {'features.resolution': 0, 'features.device': 'cpu'})


class Broken:
    name, frames, stamps = 'broken', ('0', '1'), (0, 1)

    def image(self, index):
        raise SourceError('cannot be read')


def test_a_picture_per_evaluated_sequence(tmp_path):
    write_results(tmp_path, {'a': [(1, 1)], 'broken': [(1, 1)]})
    write_feature_pictures(tmp_path, [boxes('a', 1), boxes('absent', 1), Broken()], SETTINGS)
    assert [p.parent.name for p in tmp_path.rglob('pca.png')] == ['a']
    picture = np.array(Image.open(tmp_path / 'sequences/a/pca.png'))
    below = picture[picture.shape[0] // 2 :]
    assert len(np.unique(below.reshape(-1, 3), axis=0)) > 10, 'the features have no colours'


def test_a_picture_is_drawn_once(tmp_path):
    write_results(tmp_path, {'a': [(1, 1)]})
    place = tmp_path / 'sequences/a/pca.png'
    place.write_bytes(b'as it was')
    write_feature_pictures(tmp_path, [boxes('a', 1)], SETTINGS)
    assert place.read_bytes() == b'as it was'


def test_an_extractor_that_is_not_there_is_told(tmp_path):
    write_results(tmp_path, {'a': [(1, 1)]})
    missing = build(TrackerSettings, {'features.name': 'none'})
    with pytest.raises(DriftError, match='the extractors are'):
        write_feature_pictures(tmp_path, [boxes('a', 1)], missing)
