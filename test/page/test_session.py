"""A page without a browser: which picture a click belongs to, and what becomes of clicks."""

from __future__ import annotations

import weakref
from typing import Any

import cv2
import numpy as np
import pytest

from drift_ros.errors import PromptError
from drift_ros.page.draft import LONGEST_NAME, MOST_MARKS, clean_name
from drift_ros.page.pictures import KEPT, KEPT_BYTES, LARGEST_SIDE, Album, Picture
from drift_ros.page.session import PATIENCE, Session
from drift_ros.structures import Frame, Roi, TrackedObject


def picture(stamp: int = 1, size: tuple[int, int] = (480, 640), **known: Any) -> Picture:
    return Picture(Frame(np.full((*size, 3), 90, np.uint8), stamp), **known)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def shown(session: Session, newest: Picture) -> Session:
    assert session.offer(newest)
    assert session.loaded(f'http://127.0.0.1:8080/picture/{newest.name}.jpg?t=1')
    return session


def test_a_click_is_on_the_picture_that_the_browser_shows_and_not_on_the_newest() -> None:
    session, seen = shown(Session(), one := picture(1)), picture(2)
    assert session.offer(seen)  # sent, but not there yet
    session.press((10, 20))
    assert session.release((11, 21))
    assert session.draft is not None and session.draft.picture is one
    assert session.draft.prompt().points.tolist() == [[9.5, 19.5]]
    assert not session.offer(picture(3))  # it stands still while something is marked
    session.cancel()
    session.loaded(f'/picture/{seen.name}.jpg')
    assert session.offer(picture(4))


def test_a_slow_browser_gets_fewer_pictures_and_none_waits_for_it() -> None:
    clock = Clock()
    session = Session(clock)
    first, lost = picture(1), picture(2)
    assert session.offer(first) and not session.offer(lost)
    assert not session.loaded('http://evil/picture/1-999999.jpg')
    assert session.waits
    session.loaded(f'/picture/{first.name}.jpg')
    assert not session.offer(first)  # nothing is sent twice
    assert session.offer(lost)
    clock.now += PATIENCE / 2
    assert not session.offer(picture(3))
    clock.now += PATIENCE  # the picture was lost on its way
    assert session.offer(picture(4))


def test_shift_drag_and_undo() -> None:
    session = shown(Session(), picture())
    session.press((10, 10))
    session.release((10, 10))
    session.press((30, 30), shift=True)
    session.release((30, 30))
    session.press((40, 40))
    assert not session.move((42, 41)) and session.move((20, 20))
    assert '<rect' in session.drawing()
    session.release((20, 20))
    assert session.draft is not None
    prompt = session.draft.prompt()
    assert prompt.point_labels.tolist() == [1, 0]
    assert prompt.boxes.tolist() == [[19.5, 19.5, 20, 20]]
    session.understood(session.revision - 1, np.ones((480, 640), bool))
    assert session.preview is None  # an answer to older marks
    session.understood(session.revision, np.ones((480, 640), bool))
    assert session.preview is not None and session.drawing().count('<path') == 4
    for _ in range(3):
        session.undo()
    assert session.draft is None and session.drawing() == ''


@pytest.mark.parametrize('place', [(float('nan'), 1), (1e300, 1), (-50, -50), ('1', 2), (None, 0)])
def test_places_that_no_browser_sends(place: Any) -> None:
    session = shown(Session(), picture())
    session.press(place)
    session.move(place)
    session.release(place)
    if session.draft is not None:
        x, y = session.draft.prompt().points[0]
        assert 0 <= x <= 639 and 0 <= y <= 479


def test_marks_and_names_are_bounded() -> None:
    session = shown(Session(), picture(size=(640, 640)))
    for k in range(MOST_MARKS):
        session.press((k % 64 * 4, k // 64 * 9))
        session.release((k % 64 * 4, k // 64 * 9))
    session.press((299, 299))
    with pytest.raises(PromptError):
        session.release((299, 299))
    assert clean_name('  a\x00b\n<i>c ') == 'a b <i>c'
    assert len(clean_name('x' * 500)) == LONGEST_NAME and clean_name(None) == ''


def test_nothing_is_marked_where_the_tracker_has_not_been() -> None:
    session = shown(Session(), picture(tracked=False))
    session.press((10, 10))
    assert not session.release((10, 10)) and session.draft is None


def test_an_hour_of_pictures_needs_no_more_memory_than_a_few() -> None:
    album, session = Album(), Session()
    for k in range(36_000):  # ten a second
        album.add(newest := picture(k, (6, 8)))
        shown(session, newest)
    assert len(album) == KEPT
    for k in range(20):
        album.add(Picture(Frame(np.zeros((2000, 3000, 3), np.uint8), k)))
    assert len(album) == max(1, KEPT_BYTES // (2000 * 3000 * 3))


def test_a_page_that_is_gone_holds_no_picture() -> None:
    session = shown(Session(), one := picture())
    session.press((10, 10))
    session.release((10, 10))
    seen = weakref.ref(one)
    del one
    assert seen() is not None
    session.close()
    assert seen() is None and session.draft is None


def test_large_pictures_are_sent_small_small_ones_large_and_clicks_on_them_are_exact() -> None:
    labels = np.zeros((1080, 1920), np.uint8)
    labels[300:600, 600:1200] = 7
    obj = TrackedObject(7, '\u4e2d<script>', 0.5, True, Roi(600, 300, 600, 300), (900, 450), 1)
    large = picture(size=(1080, 1920), labels=labels, objects=(obj,))
    sent = cv2.imdecode(np.frombuffer(large.jpeg(), np.uint8), cv2.IMREAD_COLOR)
    assert sent is not None and sent.shape[:2] == (720, LARGEST_SIDE)
    assert not np.array_equal(sent[300, 500], sent[20, 20])  # the mask is where it belongs
    session = shown(Session(), large)
    session.press((400, 200))
    session.release((400, 200))
    assert session.draft is not None
    assert session.draft.prompt().points.tolist() == [[599.5, 299.5]]
    small = picture(size=(48, 64))
    sent = cv2.imdecode(np.frombuffer(small.jpeg(), np.uint8), cv2.IMREAD_COLOR)
    assert sent is not None and sent.shape[:2] == (480, 640)
    shown(session := Session(), small).press((105, 205))
    session.release((105, 205))
    assert session.draft is not None and session.draft.prompt().points.tolist() == [[10, 20]]
