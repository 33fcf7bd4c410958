"""Annotations in the formats that are about."""

from __future__ import annotations

import numpy as np
import pytest
from davis_folders import save_annotation
from label_maps import blobs
from PIL import Image

from drift_ros.errors import SourceError
from drift_ros.evaluation.datasets.annotations import read_annotation
from drift_ros.visualization.palette import PALETTE

LABELS = blobs(3, (30, 40), ids=9)


def test_a_palette_holds_ids(tmp_path):
    save_annotation(tmp_path / 'a.png', LABELS)
    np.testing.assert_array_equal(read_annotation(tmp_path / 'a.png'), LABELS)


def test_a_palette_of_few_bits_holds_ids(tmp_path):
    Image.fromarray(LABELS % 4).convert('P').save(tmp_path / 'a.png', bits=2)
    np.testing.assert_array_equal(read_annotation(tmp_path / 'a.png'), LABELS % 4)


@pytest.mark.parametrize('dtype', [np.uint8, np.uint16])
def test_grey_values_are_ids(tmp_path, dtype):
    Image.fromarray(LABELS.astype(dtype)).save(tmp_path / 'a.png')
    np.testing.assert_array_equal(read_annotation(tmp_path / 'a.png'), LABELS)


def test_ids_above_254_are_refused(tmp_path):
    Image.fromarray(LABELS.astype(np.uint16) * 100).save(tmp_path / 'a.png')
    with pytest.raises(SourceError, match=r'a\.png .*800'):
        read_annotation(tmp_path / 'a.png')


def test_one_bit_is_a_binary_mask(tmp_path):
    Image.fromarray(LABELS > 0).save(tmp_path / 'a.png')
    np.testing.assert_array_equal(read_annotation(tmp_path / 'a.png'), (LABELS > 0) * 255)


@pytest.mark.parametrize('mode', ['RGB', 'RGBA'])
def test_colours_of_the_palette_are_ids(tmp_path, mode):
    Image.fromarray(PALETTE[LABELS]).convert(mode).save(tmp_path / 'a.png')
    np.testing.assert_array_equal(read_annotation(tmp_path / 'a.png'), LABELS)


def test_black_and_white_in_colour_is_a_binary_mask(tmp_path):
    mask = np.repeat((LABELS > 0)[..., None], 3, 2).astype(np.uint8) * 255
    Image.fromarray(mask).save(tmp_path / 'a.png')
    np.testing.assert_array_equal(read_annotation(tmp_path / 'a.png'), mask[..., 0])


def test_other_colours_are_refused(tmp_path):
    picture = PALETTE[LABELS].copy()
    picture[3, 4] = (1, 2, 3)
    Image.fromarray(picture).save(tmp_path / 'a.png')
    with pytest.raises(SourceError, match=r'a\.png .*#010203'):
        read_annotation(tmp_path / 'a.png')


def test_grey_with_transparency_is_refused(tmp_path):
    Image.fromarray(LABELS).convert('LA').save(tmp_path / 'a.png')
    with pytest.raises(SourceError, match=r'LA.*indexed PNG'):
        read_annotation(tmp_path / 'a.png')


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(SourceError, match=r'a\.png'):
        read_annotation(tmp_path / 'a.png')
