"""Trackers from elsewhere, and what may be wrong with them."""

from __future__ import annotations

import numpy as np
import pytest
import trackers

from drift_ros.errors import SettingsError
from drift_ros.evaluation.methods import PlugIn

IMAGE = np.zeros((4, 6, 3), np.uint8)
MASK = np.arange(24).reshape(4, 6) < 5


def test_labels_come_with_every_frame():
    method = PlugIn('trackers:Still', {'ids': 1}).make()
    method.begin()
    ((index, labels),) = method.step(0, 0, IMAGE, {1: MASK, 2: ~MASK})
    assert index == 0 and labels.dtype == np.uint8
    np.testing.assert_array_equal(labels, MASK)
    assert method.step(1, 1, IMAGE, {})[0][0] == 1
    assert not method.end()


@pytest.mark.parametrize(('name', 'made'), [('Still', 3), ('Resettable', 1)])
def test_every_sequence_gets_a_new_or_a_reset_tracker(monkeypatch, name, made):
    monkeypatch.setattr(getattr(trackers, name), 'made', 0)
    method = PlugIn(f'trackers:{name}').make()
    for _ in range(3):
        method.begin()
        ((_, labels),) = method.step(0, 0, IMAGE, {})
        assert not labels.any()  # nothing of the sequence before
        method.step(1, 1, IMAGE, {3: MASK})
    assert getattr(trackers, name).made == made


@pytest.mark.parametrize(
    ('what', 'message'),
    [
        ('floats', r'\(4, 6\) float64; expected integers of shape \(4, 6\)'),
        ('small', r'\(2, 3\) uint8; expected'),
        ('high', 'ids from 300 to 300'),
        ('negative', 'ids from -1 to -1'),
        ('nothing', 'expected integers'),
    ],
)
def test_labels_of_the_wrong_form_are_refused(what, message):
    method = PlugIn('trackers:Gives', {'what': what}).make()
    with pytest.raises(SettingsError, match=message):
        method.step(0, 0, IMAGE, {})


@pytest.mark.parametrize(
    ('place', 'message'),
    [
        ('trackers', 'expected package.module:Factory'),
        ('nowhere:Tracker', 'cannot be imported: ModuleNotFoundError'),
        ('trackers:Nobody', 'cannot be imported: AttributeError'),
        ('trackers:NoStep', r'without step\(frame, masks\)'),
        ('trackers:broken', 'cannot be made with {}: OSError: no weights'),
    ],
)
def test_a_wrong_factory_is_named(place, message):
    with pytest.raises(SettingsError, match=message):
        PlugIn(place).make()


def test_a_device_goes_to_factories_that_know_one():
    with pytest.raises(SettingsError, match=r"made with {'device': 'cuda:1'}"):
        PlugIn('trackers:Still', {'device': 'cuda'}).make('cuda:1')
    PlugIn('trackers:Still').make('cuda:1')


def test_settings_say_what_it_is():
    spec = PlugIn('trackers:Still', {'ids': 3})
    assert spec.name == 'Still'
    assert spec.settings == {'method': 'trackers:Still', 'method.ids': 3}
