from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drift_ros.errors import SettingsError
from drift_ros.structures import Frame
from drift_ros.tracking.window_buffer import WindowBuffer

IMAGE = np.zeros((2, 2, 3), np.uint8)


def frame(index: int) -> Frame:
    return Frame(IMAGE, stamp=index * 10, index=index)


@given(
    length=st.integers(1, 9),
    stride=st.integers(1, 9),
    history=st.integers(1, 12),
    count=st.integers(0, 60),
)
def test_every_frame_is_new_once_in_order(
    length: int, stride: int, history: int, count: int
) -> None:
    stride = min(stride, length)
    buffer = WindowBuffer(length, stride, history)
    new: list[int] = []
    for index in range(count):
        buffer.push(frame(index))
        assert len(buffer.all()) <= max(history, length) + stride
        while buffer.waiting >= stride:
            cut = buffer.take()
            shown = [h.frame.index for h in cut.frames]
            assert shown == list(range(shown[0], shown[0] + len(shown)))  # consecutive, not padded
            assert len(shown) == min(length, index + 1)  # as long as the stream allows
            new += shown[-cut.new :]
    while buffer.waiting:
        cut = buffer.take()
        new += [h.frame.index for h in cut.frames[-cut.new :]]
    assert new == list(range(count))


def test_rewinding_hands_frames_out_again() -> None:
    buffer = WindowBuffer(4, 2, 8)
    for index in range(8):
        buffer.push(frame(index))
    while buffer.waiting:
        buffer.take()
    held = buffer.find(50)
    assert held is not None
    buffer.rewind(held)
    assert buffer.waiting == 3
    assert [h.frame.index for h in buffer.take().frames] == [3, 4, 5, 6]
    assert [h.frame.index for h in buffer.take().frames] == [4, 5, 6, 7]  # the last one is short


def test_windows_do_not_reach_back_over_a_cut() -> None:
    buffer = WindowBuffer(4, 1, 8)
    for index in range(3):
        buffer.push(frame(index))
        buffer.take()
    buffer.cut_here()
    buffer.push(frame(3))
    assert [h.frame.index for h in buffer.take().frames] == [3]
    buffer.push(frame(4))
    assert [h.frame.index for h in buffer.take().frames] == [3, 4]


def test_gaps_are_counted_from_the_index() -> None:
    buffer = WindowBuffer(2, 1, 4)
    assert [buffer.push(frame(i)).gap for i in (4, 5, 9)] == [0, 0, 3]


@pytest.mark.parametrize(('length', 'stride'), [(4, 5), (4, 0)])
def test_a_stride_that_skips_frames_is_refused(length: int, stride: int) -> None:
    with pytest.raises(SettingsError, match=r'window\.stride'):
        WindowBuffer(length, stride, 8)


@given(length=st.integers(1, 6), stride=st.integers(1, 6), back=st.integers(0, 11))
def test_going_back_over_several_cuts_keeps_the_segments_apart(
    length: int, stride: int, back: int
) -> None:
    stride = min(stride, length)
    buffer = WindowBuffer(length, stride, 12)
    for index in range(12):
        if index in (4, 5, 9):
            buffer.cut_here()
        buffer.push(frame(index))
        while buffer.waiting:
            buffer.take()
    held = buffer.find(back * 10)
    assert held is not None
    buffer.rewind(held)
    new = []
    while buffer.waiting:
        cut = buffer.take()
        assert len({h.segment for h in cut.frames}) == 1
        new += [h.number for h in cut.frames[-cut.new :]]
    assert new == list(range(back, 12))


def test_a_frame_that_is_not_taken_is_not_lost() -> None:
    buffer = WindowBuffer(2, 1, 4)
    buffer.push(frame(0))
    buffer.pass_over(frame(1))
    assert buffer.push(frame(2)).gap == 0
    buffer.pass_over(frame(5))
    assert buffer.push(frame(7)).gap == 3  # 3 and 4 before it, 6 after it
    assert buffer.push(frame(8)).gap == 0


def test_a_window_may_end_early() -> None:
    buffer = WindowBuffer(4, 4, 8)
    for index in range(6):
        buffer.push(frame(index))
    assert [h.number for h in buffer.take(3).frames] == [0, 1, 2]
    assert [h.number for h in buffer.take().frames] == [2, 3, 4, 5]


def test_halved_windows_go_on_where_the_others_stopped() -> None:
    buffer = WindowBuffer(6, 5, 8)
    for index in range(5):
        buffer.push(frame(index))
    cut = buffer.take()
    buffer.rewind(cut.frames[0])
    buffer.shrink()
    assert (buffer.length, buffer.stride) == (3, 3)
    assert [h.number for h in buffer.take().frames] == [0, 1, 2]
    assert [h.number for h in buffer.take().frames] == [2, 3, 4]
