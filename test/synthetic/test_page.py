"""The page about rendered video says what is true."""

from __future__ import annotations

from pathlib import Path

from drift_ros import synthetic
from drift_ros.reference import markdown_table

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / 'docs/synthetic.md').read_text()


def test_the_table_of_settings_is_up_to_date():
    assert markdown_table(synthetic.RandomSettings()) in PAGE


def test_all_scenes_are_named():
    for name in (
        'crossing',
        'random',
        'kubric-similar',
        'similar-2',
        'similar-6',
        'comes-back',
        'other-distance',
        'long',
    ):
        assert name in synthetic.names() and f'`{name}`' in PAGE


def test_the_picture_is_there_and_small():
    assert 'images/synthetic.jpg' in PAGE
    assert (ROOT / 'docs/images/synthetic.jpg').stat().st_size < 300_000
