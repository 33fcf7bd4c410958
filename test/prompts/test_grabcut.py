"""GrabCut on scenes with a known truth, on real clips, and what holds for every prompt."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from drift_ros.prompts import Prompt, validate
from drift_ros.prompts.grabcut import GrabCutSegmenter

SEGMENTER = GrabCutSegmenter()


def iou(a, b):
    return (a & b).sum() / (a | b).sum()


def box_of(mask):
    rows, columns = np.nonzero(mask)
    x, y = columns.min(), rows.min()
    return np.array([[x, y, columns.max() + 1 - x, rows.max() + 1 - y]], np.float64)


def box_prompt(mask):
    return Prompt(boxes=box_of(mask))


def point_prompt(x, y, **other):
    return Prompt(points=np.array([[x, y]], float), point_labels=np.ones(1, np.uint8), **other)


def scene(height=240, width=320, centre=(140, 110), radius=45, seed=0):
    """A lobed, textured thing on a textured ground, and its mask."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width].astype(float)
    angle = np.arctan2(y - centre[1], x - centre[0])
    mask = np.hypot(x - centre[0], y - centre[1]) < radius * (1 + 0.2 * np.sin(3 * angle))
    ground = 110 + 30 * np.sin(x / 9)[..., None] * np.array([0.5, 1, 0.3])
    thing = np.array([180, 90, 60]) + 40 * np.sin((x + y) / 6)[..., None]
    image = np.where(mask[..., None], thing, ground) + rng.normal(0, 12, (height, width, 3))
    return np.clip(image, 0, 255).astype(np.uint8), mask


@pytest.mark.parametrize('seed', range(3))
@pytest.mark.parametrize('radius', [15, 45, 80])
def test_box_on_a_textured_scene(radius, seed):
    image, truth = scene(radius=radius, seed=seed)
    (mask,) = SEGMENTER.segment(image, [box_prompt(truth)])
    assert iou(mask, truth) >= 0.85


@pytest.mark.parametrize('radius', [15, 45, 80])
def test_point_on_a_textured_scene(radius):
    image, truth = scene(radius=radius)
    (mask,) = SEGMENTER.segment(image, [point_prompt(140, 110)])
    assert iou(mask, truth) >= 0.8


def test_point_that_is_not_at_the_centre():
    image, truth = scene()
    (mask,) = SEGMENTER.segment(image, [point_prompt(120, 125)])
    assert iou(mask, truth) >= 0.8


def test_large_image_at_full_size():
    image, truth = scene(1080, 1920, (1200, 500), 300)
    for prompt in (box_prompt(truth), point_prompt(1200, 500)):
        (mask,) = SEGMENTER.segment(image, [prompt])
        assert iou(mask, truth) >= 0.85


def test_rough_mask_with_a_point_gets_a_sharper_outline():
    image, truth = scene()
    rough = np.zeros_like(truth)
    rough[62:158, 92:188] = True  # a square about the lobes
    (mask,) = SEGMENTER.segment(image, [point_prompt(140, 110, mask=rough)])
    assert iou(mask, truth) > iou(rough, truth) + 0.1


def test_mask_alone_is_taken_as_it_is():
    image, truth = scene()
    given_mask = np.roll(truth, 40, axis=1)
    (mask,) = SEGMENTER.segment(image, [Prompt(mask=given_mask)])
    np.testing.assert_array_equal(mask, given_mask)
    assert mask is not given_mask


def test_background_point_takes_a_neighbour_off():
    image, left = scene(centre=(100, 110), radius=35)
    other, right = scene(centre=(190, 110), radius=35)
    image[right] = other[right]
    both = box_of(left | right)
    (mask,) = SEGMENTER.segment(image, [Prompt(boxes=both)])
    assert (mask & right).sum() > 0.8 * right.sum()
    wide = np.array([[190.0, 110], [170, 110], [210, 110], [190, 90], [190, 130]])
    off = Prompt(boxes=both, points=wide, point_labels=np.zeros(5, np.uint8))
    (less,) = SEGMENTER.segment(image, [off])
    assert (less & right).sum() < (mask & right).sum()
    assert not less[wide[:, 1].astype(int), wide[:, 0].astype(int)].any()


def test_several_boxes_are_one_object():
    image, left = scene(centre=(80, 110), radius=30)
    other, right = scene(centre=(240, 110), radius=30)
    image[right] = other[right]
    prompt = Prompt(boxes=np.concatenate([box_of(left), box_of(right)]))
    (mask,) = SEGMENTER.segment(image, [prompt])
    assert iou(mask, left | right) >= 0.85


def test_prompts_do_not_disturb_each_other_and_repeat_exactly():
    image, truth = scene()
    prompts = [box_prompt(truth), point_prompt(140, 110), point_prompt(20, 20)]
    together = SEGMENTER.segment(image, prompts)
    again = SEGMENTER.segment(image, prompts[::-1])[::-1]
    for prompt, first, second in zip(prompts, together, again, strict=True):
        np.testing.assert_array_equal(first, second)
        np.testing.assert_array_equal(first, SEGMENTER.segment(image, [prompt])[0])


@st.composite
def images_and_prompts(draw):
    height, width = draw(st.integers(1, 40)), draw(st.integers(1, 40))
    rng = np.random.default_rng(draw(st.integers(0, 9)))
    kind = draw(st.sampled_from(['noise', 'flat', 'halves']))
    image = rng.integers(0, 256, (height, width, 3), np.uint8)
    if kind != 'noise':
        image[:] = 90
    if kind == 'halves':
        image[:, : width // 2] = 160
    pixel = st.tuples(st.integers(0, width - 1), st.integers(0, height - 1))
    spots = draw(st.lists(pixel, min_size=1, max_size=4, unique=True))
    labels = [1] + [draw(st.integers(0, 1)) for _ in spots[1:]]
    values = {
        'points': np.array(spots, float),
        'point_labels': np.array(labels, np.uint8),
    }
    if draw(st.booleans()):
        x, y = draw(pixel)
        size = draw(st.tuples(st.integers(1, 60), st.integers(1, 60)))
        values['boxes'] = np.array([[x, y, *size]], float)
    if draw(st.booleans()):
        values['mask'] = rng.random((height, width)) < 0.5
        values['mask'][0, 0] = True
    return image, Prompt(**values)


@settings(max_examples=60, deadline=None)
@given(images_and_prompts())
def test_any_valid_prompt_gets_a_mask_of_the_image_that_honours_its_points(case):
    image, prompt = case
    validate([prompt], image.shape[:2])
    (mask,) = SEGMENTER.segment(image, [prompt])
    assert mask.shape == image.shape[:2]
    assert mask.dtype == bool
    columns, rows = prompt.points.astype(int).T
    np.testing.assert_array_equal(mask[rows, columns], prompt.point_labels == 1)
    np.testing.assert_array_equal(mask, SEGMENTER.segment(image, [prompt])[0])


def test_image_is_not_written_to_and_may_be_read_only():
    image, truth = scene()
    image.setflags(write=False)
    SEGMENTER.segment(image, [box_prompt(truth), point_prompt(140, 110)])


# Intersection over union reached from the box of the first annotation, less a margin of 0.05.
@pytest.mark.parametrize(('clip', 'floor'), [('hockey', 0.42), ('swing', 0.65), ('tennis', 0.64)])
def test_box_on_real_clips(davis, clip, floor):
    folder = davis / 'val'
    image = np.array(Image.open(folder / 'JPEGImages/480p' / clip / '00000.jpg').convert('RGB'))
    truth = np.array(Image.open(folder / 'Annotations/480p' / clip / '00000.png')) == 1
    (mask,) = SEGMENTER.segment(image, [box_prompt(truth)])
    assert iou(mask, truth) >= floor
