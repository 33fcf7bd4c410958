"""Overlays and contact sheets, pixel by pixel where it counts."""

from __future__ import annotations

import numpy as np
import pytest

from drift_ros.structures import Roi, TrackedObject
from drift_ros.visualization.contact_sheet import contact_sheet, error_view, errors, side_by_side
from drift_ros.visualization.overlay import overlay, text_box
from drift_ros.visualization.palette import PALETTE

RNG = np.random.default_rng(0)
IMAGE = RNG.integers(0, 256, (120, 160, 3), dtype=np.uint8)


def box(id_: int, top: int, left: int, size: int) -> tuple[np.ndarray, TrackedObject]:
    labels = np.zeros((120, 160), np.uint8)
    labels[top : top + size, left : left + size] = id_
    middle = (left + (size - 1) / 2, top + (size - 1) / 2)
    return labels, TrackedObject(
        id_, 'box', 0.9, True, Roi(left, top, size, size), middle, size * size
    )


def test_masks_are_tinted_and_the_rest_stays():
    labels, _ = box(3, 40, 50, 30)
    picture = overlay(IMAGE, labels, alpha=0.25)
    inner = (slice(45, 65), slice(55, 75))  # away from the outline
    expected = 0.75 * IMAGE[inner] + 0.25 * PALETTE[3]
    assert abs(picture[inner] - expected).max() <= 1
    far = np.ones((120, 160), bool)
    far[36:74, 46:84] = False
    np.testing.assert_array_equal(picture[far], IMAGE[far])


def test_outlines_follow_the_border():
    labels, _ = box(3, 40, 50, 30)
    picture = overlay(np.full_like(IMAGE, 128), labels, alpha=0)
    changed = (picture != 128).any(-1)
    assert changed[40, 50:80].all() and changed[69, 50:80].all()
    assert changed[40:70, 50].all() and changed[40:70, 79].all()
    assert not changed[45:65, 55:75].any()


def test_objects_get_a_tag_and_a_mark_on_the_centroid():
    labels, obj = box(3, 40, 50, 31)
    plain = overlay(IMAGE, labels)
    tagged = overlay(IMAGE, labels, [obj])
    changed = (plain != tagged).any(-1)
    assert changed[55, 65] and (tagged[55, 65] == PALETTE[3]).all()
    assert changed[20:40, 50:].sum() > 200  # the tag stands above the box
    assert not changed[75:].any()


def test_hidden_objects_are_listed_at_the_lower_edge():
    nan = float('nan')
    hidden = TrackedObject(2, 'gone', 0.0, False, Roi(), (nan, nan), 0)
    picture = overlay(IMAGE, np.zeros((120, 160), np.uint8), [hidden])
    changed = (picture != IMAGE).any(-1)
    assert changed[105:].any() and not changed[:95].any()


def test_the_inputs_are_not_written_to():
    labels, obj = box(254, 0, 0, 120)  # a tag that does not fit above
    image, labels = IMAGE.copy(), labels.copy()
    image.setflags(write=False)
    labels.setflags(write=False)
    picture = overlay(image, labels, [obj])
    assert picture.shape == image.shape and picture.dtype == np.uint8 and picture.flags.writeable
    np.testing.assert_array_equal(image, IMAGE)
    empty = overlay(image, np.zeros((120, 160), np.uint8))
    np.testing.assert_array_equal(empty, image)
    assert not np.shares_memory(empty, image)


@pytest.mark.parametrize('size', [(1, 1), (2, 300), (300, 2), (17, 13)])
def test_odd_sizes(size):
    labels = np.ones(size, np.uint8)
    whole = TrackedObject(1, 'x' * 50, 1.0, True, Roi(0, 0, size[1], size[0]), (0.0, 0.0), 1)
    assert overlay(np.zeros((*size, 3), np.uint8), labels, [whole]).shape == (*size, 3)


def test_views_of_larger_pictures_are_taken():
    labels, obj = box(3, 40, 50, 31)
    wide = np.concatenate([IMAGE, IMAGE], axis=1)
    np.testing.assert_array_equal(
        overlay(wide[:, :160], labels, [obj]), overlay(IMAGE, labels, [obj])
    )
    flipped = overlay(IMAGE[:, ::-1], np.ascontiguousarray(labels[:, ::-1]))
    assert flipped.shape == IMAGE.shape


def test_another_size_of_labels_is_refused():
    with pytest.raises(ValueError, match=r'\(60, 160\)'):
        overlay(IMAGE, np.zeros((60, 160), np.uint8))


@pytest.mark.parametrize(('fill', 'ink'), [((250, 240, 90), 0), ((60, 0, 90), 255)])
def test_text_contrasts_with_its_box(fill, ink):
    picture = np.full((60, 200, 3), 128, np.uint8)
    text_box(picture, 'text', (5, 40), fill, 0.6)
    values = picture[(picture != 128).all(-1)]
    assert (values == fill).all(-1).any()
    assert abs(values.astype(int) - ink).max(-1).min() < 60


def test_tags_do_not_cover_each_other():
    picture = np.zeros((120, 160, 3), np.uint8)
    taken = []
    for _ in range(3):
        taken.append(text_box(picture, 'name', (20, 110), (90, 90, 90), 0.4, taken))
    assert [box.x for box in taken] == [20, 20, 20]
    assert taken[0].y + taken[0].height == 110
    assert [taken[i].y - taken[i + 1].y for i in range(2)] == [taken[0].height] * 2
    full = [Roi(0, 0, 160, 120)]
    assert text_box(picture, 'name', (20, 110), (90, 90, 90), 0.4, full).y == taken[0].y


def test_letters_that_the_font_lacks_do_no_harm():
    picture = np.zeros((60, 200, 3), np.uint8)
    text_box(picture, 'Tasse \u8336 \U0001f375', (0, 30), (90, 90, 90), 0.5)
    assert picture.any()


def test_kinds_of_errors():
    truth = np.array([[0, 1, 1, 0, 2]], np.uint8)
    result = np.array([[0, 1, 0, 1, 1]], np.uint8)
    np.testing.assert_array_equal(errors(truth, result), [[0, 1, 2, 3, 4]])


def test_the_error_view_colours_only_what_is_labelled():
    labels, _ = box(1, 40, 50, 30)
    moved = np.roll(labels, 10, axis=1)
    view = error_view(IMAGE, labels, moved)
    grey = view[:30]
    assert (grey[..., 0] == grey[..., 1]).all() and (grey[..., 1] == grey[..., 2]).all()
    green, red, blue = view[55, 70].astype(int), view[55, 55].astype(int), view[55, 85].astype(int)
    assert green.argmax() == 1 and red.argmax() == 0 and blue.argmax() == 2


def test_a_contact_sheet_is_a_grid_that_keeps_proportions():
    reds = [np.full((60, 80, 3), (200, i, 0), np.uint8) for i in range(5)]
    sheet = contact_sheet(reds, columns=3, tile_width=40)
    assert sheet.shape == (2 * 36 + 6, 3 * 46 + 6, 3)
    assert sheet[20, 20].tolist() == [200, 0, 0]
    assert sheet[20 + 36, 20 + 46].tolist() == [200, 4, 0]
    assert (sheet[-20, -20] == 255).all()  # no sixth picture
    assert contact_sheet(reds[:2], columns=3, tile_width=40).shape[1] == 2 * 46 + 6
    with pytest.raises(ValueError):
        contact_sheet([])
    with pytest.raises(ValueError):
        contact_sheet(reds, ['one'])


def test_side_by_side_shows_truth_only_where_there_is_one():
    labels, _ = box(1, 40, 50, 30)
    assert side_by_side(IMAGE, labels, labels, 80).shape[1] == 4 * 86 + 6
    assert side_by_side(IMAGE, None, labels, 80).shape[1] == 2 * 86 + 6
