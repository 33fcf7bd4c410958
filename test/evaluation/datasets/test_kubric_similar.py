"""Rendered sets as data sets."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from drift_ros import synthetic
from drift_ros.errors import SettingsError
from drift_ros.evaluation.datasets import Selection, open_dataset
from drift_ros.evaluation.scores import Refusal


def test_the_set_of_the_paper():
    found = open_dataset('kubric-similar', 'kubric-similar').sequences
    assert [s.name for s in found] == [f'kubric-similar-{i:02d}' for i in range(14)]
    first = found[0]
    assert len(first.frames) == 16 and list(first.scored) == list(range(1, 15))
    assert list(first.objects) == [1, 2] and first.given == {0: (1, 2)}


def test_pictures_are_those_of_the_renderer_in_any_process():
    (sequence,) = open_dataset(
        'kubric-similar', 'kubric-similar', Selection(('kubric-similar-03',))
    ).sequences
    again = pickle.loads(pickle.dumps(sequence))
    frame = synthetic.create('kubric-similar-03').render(2)
    for place in (sequence, again):
        np.testing.assert_array_equal(place.image(2), frame.image)
        np.testing.assert_array_equal(place.truth(2), frame.labels)
        assert place.stamps[2] == frame.stamp
    assert again.digest == sequence.digest


def test_splits_and_other_sets():
    chosen = Selection(split='val', limit=5)
    found = open_dataset('kubric-similar', 'similar-3', chosen).sequences
    assert found[0].name == 'similar-3-val-00' and len(found[0].frames) == 5
    with pytest.raises(SettingsError):
        open_dataset('kubric-similar', 'nowhere')
    with pytest.raises(SettingsError):
        open_dataset('kubric-similar', 'similar-3', Selection(split='train'))


def test_a_video_that_the_set_has_not_is_refused_by_name():
    (found,) = open_dataset('kubric-similar', 'similar-3', Selection(('similar-3-99',))).sequences
    assert isinstance(found, Refusal) and 'similar-3-00 to similar-3-07' in found.reason
