"""Prompts files: what they may hold, and what is refused by name."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from drift_ros.errors import PromptError, SourceError
from drift_ros.prompts import read_prompts, validate
from drift_ros.prompts.files import write_prompts

EXAMPLE = Path(__file__).parents[2] / 'config' / 'prompts_example.yaml'


def write(folder, text, name='prompts.yaml'):
    path = folder / name
    path.write_text(text)
    return path


def entry(folder, text):
    """Read a file with one entry, given as the flow mapping of YAML."""
    (timed,) = read_prompts(write(folder, f'prompts: [{{{text}}}]'))
    return timed


def save(folder, values, name='labels.png', palette=False):
    image = Image.fromarray(values)
    if palette:
        image.putpalette([value // 3 for value in range(768)])
    image.save(folder / name)
    return folder / name


def test_the_example_is_valid():
    first, second, third = (timed.prompt for timed in read_prompts(EXAMPLE))
    assert (first.name, first.id, first.points.tolist()) == ('cup', 0, [[320, 240]])
    assert second.point_labels.tolist() == [1, 1, 0]
    assert third.boxes.tolist() == [[100, 150, 80, 60]]
    validate([first, second, third], (480, 640))


def test_arrays_have_their_dtypes_and_shapes(tmp_path):
    prompt = entry(tmp_path, 'points: [[1, 2]]').prompt
    assert (prompt.points.dtype, prompt.points.shape) == (np.float64, (1, 2))
    assert (prompt.point_labels.dtype, prompt.point_labels.tolist()) == (np.uint8, [1])
    assert (prompt.boxes.dtype, prompt.boxes.shape) == (np.float64, (0, 4))
    assert prompt.mask is None


def test_box_and_boxes_add_up(tmp_path):
    prompt = entry(tmp_path, 'box: [1, 2, 3, 4], boxes: [[5, 6, 7, 8]]').prompt
    assert prompt.boxes.tolist() == [[1, 2, 3, 4], [5, 6, 7, 8]]


def test_json_says_the_same(tmp_path):
    content = {'prompts': [{'id': 3, 'points': [[1.5, 2]], 'frame': 4}]}
    (timed,) = read_prompts(write(tmp_path, json.dumps(content), 'prompts.json'))
    assert (timed.prompt.id, timed.prompt.points.tolist()) == (3, [[1.5, 2]])
    assert (timed.frame, timed.stamp) == (4, None)


def test_the_first_frame_is_the_default(tmp_path):
    timed = entry(tmp_path, 'points: [[1, 2]]')
    assert (timed.frame, timed.stamp) == (0, None)


@pytest.mark.parametrize(
    ('text', 'stamp'),
    [
        ("'12.345678901'", 12_345_678_901),
        ("'1730000000.000000001'", 1_730_000_000_000_000_001),
        ('1730000000000000001', 1_730_000_000_000_000_001),
        ("'5'", 5_000_000_000),
    ],
)
def test_stamps_keep_their_nanoseconds(tmp_path, text, stamp):
    timed = entry(tmp_path, f'points: [[1, 2]], stamp: {text}')
    assert (timed.frame, timed.stamp) == (None, stamp)


@given(st.integers(0, 2**63 - 1))
def test_seconds_and_nanoseconds_name_the_same_time(tmp_path_factory, stamp):
    folder = tmp_path_factory.mktemp('stamps')
    seconds = f'{stamp // 10**9}.{stamp % 10**9:09d}'
    assert entry(folder, f"points: [[1, 2]], stamp: '{seconds}'").stamp == stamp


@pytest.mark.parametrize('palette', [False, True])
def test_mask_of_an_entry(tmp_path, palette):
    values = np.zeros((4, 6), np.uint8)
    values[1, 2], values[3, 3] = 7, 9
    save(tmp_path, values, palette=palette)
    np.testing.assert_array_equal(entry(tmp_path, 'mask: labels.png').prompt.mask, values > 0)
    one = entry(tmp_path, 'mask: labels.png, value: 9').prompt.mask
    np.testing.assert_array_equal(one, values == 9)
    with pytest.raises(PromptError, match=r'prompts\.0\.mask.*labels\.png.*is 5.*0, 7, 9'):
        entry(tmp_path, 'mask: labels.png, value: 5')


@pytest.mark.parametrize('dtype', [np.uint8, np.uint16])
def test_an_annotation_is_a_prompts_file(tmp_path, dtype):
    values = np.zeros((4, 6), dtype)
    values[0, :2], values[2, 3:] = 3, 254
    first, second = read_prompts(save(tmp_path, values))
    assert (first.prompt.id, second.prompt.id, first.frame) == (3, 254, 0)
    np.testing.assert_array_equal(first.prompt.mask, values == 3)
    np.testing.assert_array_equal(second.prompt.mask, values == 254)


def test_a_palette_annotation_is_read_by_index(tmp_path):
    values = np.array([[0, 1], [2, 2]], np.uint8)
    prompts = [timed.prompt for timed in read_prompts(save(tmp_path, values, palette=True))]
    assert [prompt.id for prompt in prompts] == [1, 2]
    assert prompts[1].mask.tolist() == [[False, False], [True, True]]


def test_a_black_and_white_annotation_is_one_object(tmp_path):
    (timed,) = read_prompts(save(tmp_path, np.array([[0, 255]], np.uint8)))
    assert timed.prompt.id == 1
    assert timed.prompt.mask.tolist() == [[False, True]]


@pytest.mark.parametrize(
    ('values', 'words'),
    [
        (np.array([[0, 1, 300]], np.uint16), '300.*254'),
        (np.array([[0, 1, 255]], np.uint8), '255.*254'),
        (np.zeros((2, 2), np.uint8), 'no object'),
    ],
)
def test_annotations_that_are_refused(tmp_path, values, words):
    with pytest.raises(PromptError, match=words):
        read_prompts(save(tmp_path, values))


def test_a_coloured_annotation_is_refused(tmp_path):
    with pytest.raises(SourceError, match=r'colours.*palette'):
        read_prompts(save(tmp_path, np.zeros((2, 2, 3), np.uint8)))


def test_a_cut_annotation_is_refused(tmp_path):
    rng = np.random.default_rng(0)
    path = save(tmp_path, rng.integers(0, 9, (50, 50)).astype(np.uint8))
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(SourceError):
        read_prompts(path)


@pytest.mark.parametrize(
    ('text', 'words'),
    [
        ('points: [[1, 2]], nam: cup', r'prompts\.0\.nam'),
        ('id: 255, points: [[1, 2]]', r'prompts\.0\.id is 255'),
        ('points: [[1]]', r'prompts\.0\.points\.0'),
        ('points: [[.nan, 2]]', r'prompts\.0\.points\.0\.0'),
        ('points: [[1, 2]], point_labels: [1, 0]', '2 values for 1 points'),
        ('points: [[1, 2]], point_labels: [2]', r'prompts\.0\.point_labels\.0 is 2'),
        ('box: [1, 2, 3]', r'prompts\.0\.box'),
        ('points: [[1, 2]], frame: -1', r'prompts\.0\.frame is -1'),
        ('points: [[1, 2]], frame: 1, stamp: 5', 'not both'),
        ('points: [[1, 2]], stamp: 1.5', r'prompts\.0\.stamp is 1\.5.*quotes'),
        ("points: [[1, 2]], stamp: 'soon'", r'prompts\.0\.stamp.*decimal seconds'),
        ("points: [[1, 2]], stamp: 'nan'", r'prompts\.0\.stamp'),
        ("points: [[1, 2]], stamp: 'inf'", r'prompts\.0\.stamp'),
        ("points: [[1, 2]], stamp: '1e400'", r'prompts\.0\.stamp'),
        ("points: [[1, 2]], stamp: '1.0000000001'", 'nine decimals'),
        ('points: [[1, 2]], value: 3', 'no mask'),
        ('name: cup', 'at least one'),
    ],
)
def test_entries_that_are_refused(tmp_path, text, words):
    with pytest.raises(PromptError, match=words) as caught:
        entry(tmp_path, text)
    assert str(tmp_path / 'prompts.yaml') in str(caught.value)


@pytest.mark.parametrize(
    ('text', 'error', 'words'),
    [
        ('', PromptError, 'content'),
        ('prompts: []', PromptError, 'prompts'),
        ('[1, 2]', PromptError, 'content'),
        ('prompts: [', SourceError, 'cannot read'),
        ('targets: []', PromptError, 'targets'),
        (
            'prompts: [{id: 2, box: [1, 1, 1, 1]}, {id: 2, points: [[1, 1]]}]',
            PromptError,
            r'\[2\] occur more than once',
        ),
    ],
)
def test_files_that_are_refused(tmp_path, text, error, words):
    with pytest.raises(error, match=words):
        read_prompts(write(tmp_path, text))


def test_a_target_is_corrected_on_later_frames_and_written_again(tmp_path):
    text = """prompts: [
      {id: 2, name: "cup: \u00e9", frame: 0, points: [[1.5, 2], [3, 4]], point_labels: [1, 0]},
      {id: 2, frame: 7, boxes: [[1, 2, 3.5, 4]]}, {id: 2, stamp: 5}]"""
    read = read_prompts(write(tmp_path, text.replace('stamp: 5', 'stamp: 5, box: [1, 1, 1, 1]')))
    assert [(t.frame, t.stamp) for t in read] == [(0, None), (7, None), (None, 5)]
    write_prompts(tmp_path / 'again.yaml', read)
    for one, other in zip(read, read_prompts(tmp_path / 'again.yaml'), strict=True):
        assert (one.frame, one.stamp) == (other.frame, other.stamp)
        assert (one.prompt.id, one.prompt.name) == (other.prompt.id, other.prompt.name)
        for name in ('points', 'point_labels', 'boxes'):
            assert np.array_equal(getattr(one.prompt, name), getattr(other.prompt, name))


def test_files_that_are_not_there(tmp_path):
    for name in ('no.yaml', 'no.png', 'no.json'):
        with pytest.raises(SourceError, match=name):
            read_prompts(tmp_path / name)
    with pytest.raises(SourceError, match=r'prompts\.0\.mask.*no\.png'):
        entry(tmp_path, 'mask: no.png')
    with pytest.raises(SourceError):
        read_prompts(tmp_path)


def test_a_file_that_is_not_text(tmp_path):
    path = tmp_path / 'prompts.yaml'
    path.write_bytes(b'\xff\xfe\x00\x80')
    with pytest.raises(SourceError):
        read_prompts(path)
