"""Which prompts are refused, what the message says, and how prompts are taken apart."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drift_ros.errors import PromptError
from drift_ros.prompts import Prompt, validate
from drift_ros.prompts.queries import clip_boxes, is_given, pixels, queries

SIZE = (48, 64)


def points(*xy, labels=None, **other):
    values = np.array(xy, np.float64).reshape(-1, 2)
    marks = np.ones(len(values), np.uint8) if labels is None else np.array(labels, np.uint8)
    return Prompt(points=values, point_labels=marks, **other)


def boxes(*xywh, **other):
    return Prompt(boxes=np.array(xywh, np.float64).reshape(-1, 4), **other)


def mask(size=SIZE, filled=True, **other):
    return Prompt(mask=np.full(size, filled), **other)


@pytest.mark.parametrize(
    ('prompt', 'words'),
    [
        (Prompt(name='cup'), ["'cup'", 'all empty']),
        (points((64, 3), id=7), ['prompt 0 (id 7)', '(64, 3)', 'outside', '64x48', '0 to 63']),
        (points((3, 48)), ['(3, 48)', 'outside', '0 to 47']),
        (points((-0.6, 3)), ['(-0.6, 3)', 'outside']),
        (points((np.nan, 3)), ['nan', 'finite']),
        (points((1, 1), (2, 2), labels=[1]), ['point_labels', '1 values for 2 points']),
        (points((1, 1), labels=[2]), ['point_labels', '2']),
        (points((1, 1), labels=[0]), ['not', 'add a point on it']),
        (points((1, 1), (1.2, 0.8), labels=[1, 0]), ['(1, 1)', 'both']),
        (Prompt(points=np.zeros((1, 3)), point_labels=np.ones(1, np.uint8)), ['(1, 3)', '(x, y)']),
        (boxes((np.inf, 1, 2, 3)), ['boxes', 'inf', 'finite']),
        (boxes((1, 1, 0, 3)), ['width 0', 'positive']),
        (boxes((64, 1, 5, 5)), ['x 64', 'no pixel', '64x48']),
        (boxes((-5, 1, 5, 5)), ['x -5', 'no pixel']),
        (boxes((1, 1, 2, 2), (-9, -9, 3, 3)), ['x -9', 'no pixel']),
        (Prompt(boxes=np.zeros((1, 3))), ['(1, 3)']),
        (mask((64, 48)), ['48x64', '64x48', 'size']),
        (mask(filled=False), ['mask is empty']),
        (Prompt(mask=np.ones(SIZE, np.uint8)), ['uint8', 'bool']),
        (points((1, 1), id=255), ['255', '1 to 254']),
        (points((1, 1), id=-1), ['-1', '1 to 254']),
    ],
)
def test_bad_prompts_are_refused_by_name(prompt, words):
    with pytest.raises(PromptError) as caught:
        validate([prompt], SIZE)
    for word in words:
        assert word in str(caught.value)


def test_the_bad_one_among_good_ones_is_named():
    with pytest.raises(PromptError, match=r"prompt 1 \(id 4, 'cup'\)"):
        validate([points((1, 1)), points((99, 1), id=4, name='cup')], SIZE)


def test_ids_must_differ_except_zero():
    validate([points((1, 1)), points((2, 2))], SIZE)
    with pytest.raises(PromptError, match=r'\[3\]'):
        validate([points((1, 1), id=3), points((2, 2), id=3)], SIZE)


def test_there_are_254_ids():
    validate([points((1, 1))] * 254, SIZE)
    with pytest.raises(PromptError, match='255'):
        validate([points((1, 1))] * 255, SIZE)


def test_a_background_point_with_a_box_or_mask_is_fine():
    far = {'points': np.array([[60.0, 40.0]]), 'point_labels': np.zeros(1, np.uint8)}
    given = [boxes((1, 1, 9, 9), **far), mask(**far)]
    validate(given, SIZE)
    assert [query.labels.tolist() for query in queries(given[0], SIZE)] == [[0]]
    with pytest.raises(PromptError):
        validate([Prompt(**far)], SIZE)


inside = st.tuples(
    st.floats(-0.5, SIZE[1] - 0.5, exclude_max=True),
    st.floats(-0.5, SIZE[0] - 0.5, exclude_max=True),
)


@given(st.lists(inside, min_size=1, max_size=5))
def test_points_inside_never_raise_and_name_a_pixel(spots):
    prompt = points(*spots)
    validate([prompt], SIZE)
    columns, rows = pixels(prompt.points).T
    assert ((columns >= 0) & (columns < SIZE[1]) & (rows >= 0) & (rows < SIZE[0])).all()


@given(
    st.integers(-80, SIZE[1] - 1),
    st.integers(-80, SIZE[0] - 1),
    st.integers(1, 200),
    st.integers(1, 200),
)
def test_a_box_is_valid_exactly_when_it_holds_a_pixel(x, y, width, height):
    held = np.zeros(SIZE, bool)
    held[max(0, y) : max(0, y + height), max(0, x) : max(0, x + width)] = True
    if held.any():
        validate([boxes((x, y, width, height))], SIZE)
        left, top, right, bottom = clip_boxes(boxes((x, y, width, height)).boxes, SIZE)[0]
        rows, columns = np.nonzero(held)
        assert (left, right) == (columns.min(), columns.max() + 1)
        assert (top, bottom) == (rows.min(), rows.max() + 1)
    else:
        with pytest.raises(PromptError):
            validate([boxes((x, y, width, height))], SIZE)


def test_every_box_asks_with_its_own_points():
    prompt = Prompt(
        boxes=np.array([[0.0, 0, 10, 10], [20, 20, 10, 10]]),
        points=np.array([[5.0, 5], [25, 25], [50, 5], [1, 1]]),
        point_labels=np.array([1, 1, 1, 0], np.uint8),
    )
    first, second, free = queries(prompt, SIZE)
    assert first.points.tolist() == [[5, 5], [1, 1]]
    assert second.points.tolist() == [[25, 25], [1, 1]]
    assert free.box is None
    assert free.points.tolist() == [[50, 5], [1, 1]]
    assert not first.ambiguous
    assert queries(points((1, 1)), SIZE)[0].ambiguous


def test_only_a_mask_alone_is_taken_as_given():
    assert is_given(mask())
    assert not is_given(mask(points=np.zeros((1, 2)), point_labels=np.zeros(1, np.uint8)))
    assert not is_given(points((1, 1)))
