"""Training and evaluation can never meet."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drift_ros import synthetic
from drift_ros.errors import SettingsError
from drift_ros.synthetic.scenes import random_scene, sets
from drift_ros.synthetic.seeds import SPLITS, Seed

SMALL = synthetic.RandomSettings(width=48, height=40, frames=2, points=8)
words = st.lists(st.integers(0, 2**32 - 1), max_size=4).map(tuple)
seeds = st.builds(Seed, st.sampled_from(SPLITS), words)


@given(seeds, seeds)
def test_seeds_share_a_stream_only_if_they_are_the_same(a, b):
    same = (a.generator().integers(2**63, size=4) == b.generator().integers(2**63, size=4)).all()
    assert same == (a == b)


@given(seeds, words, words)
def test_a_child_never_leaves_its_split(seed, more, other):
    child = seed.child(*more).child(*other)
    assert child.key[0] == seed.key[0] == SPLITS.index(seed.split)
    assert child.key[: len(seed.key)] == seed.key


def test_clips_cannot_reach_the_split_of_the_sets():
    with pytest.raises(SettingsError):
        synthetic.Clips(SMALL, 'test')  # type: ignore[arg-type]
    with pytest.raises(SettingsError):
        synthetic.clips(SMALL, 'test')  # type: ignore[arg-type]


def test_sets_cannot_reach_the_split_of_training():
    with pytest.raises(SettingsError):
        synthetic.VideoSet('similar-2', split='train')  # type: ignore[arg-type]


def test_random_videos_and_sets_differ_also_within_a_split():
    assert random_scene.RANDOM != sets.SETS


def test_the_same_number_gives_other_videos_in_other_splits():
    found = [synthetic.random_scene(5, SMALL, split).render(0).image for split in SPLITS]
    for i in range(3):
        assert (found[i] != found[i - 1]).mean() > 0.5


def test_noise_tiles_differ_between_splits():
    from drift_ros.synthetic.textures.noise import bank

    train, test = (bank(split).tiles[0].ravel() for split in ('train', 'test'))
    assert abs(np.corrcoef(train, test)[0, 1]) < 0.05
