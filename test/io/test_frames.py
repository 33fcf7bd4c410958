"""Frames from bags, videos and folders."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drift_ros.errors import SourceError
from drift_ros.io import messages
from drift_ros.io.bag_writer import BagWriter
from drift_ros.io.frames import FIRST_STAMP, natural, open_source, stamp_of

SIZE = (32, 48)


def picture(index: int) -> np.ndarray:
    """A flat colour that survives compression; RGB."""
    return np.full((*SIZE, 3), (10 * index, 200 - 10 * index, 90), np.uint8)


def folder(path: Path, names: list[str]) -> Path:
    path.mkdir()
    for index, name in enumerate(names):
        cv2.imwrite(str(path / name), picture(index)[..., ::-1])
    return path


def video(path: Path, count: int = 8, fps: float = 10.0) -> Path:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*'mp4v'), fps, SIZE[::-1])
    for index in range(count):
        writer.write(np.ascontiguousarray(picture(index)[..., ::-1]))
    writer.release()
    return path


def test_a_folder_is_read_in_natural_order(tmp_path: Path) -> None:
    path = folder(tmp_path / 'clip', ['1.png', 'x2.png', '2.png', '10.png'])
    (path / 'notes.txt').write_text('not a picture')
    with open_source(path) as source:
        assert (source.name, source.kind, source.count, source.fps) == ('clip', 'folder', 4, 24.0)
        frames = list(source.frames())
        again = list(source.frames())
    assert len(again) == 4
    for frame, original in zip(frames, (0, 2, 3, 1), strict=True):
        np.testing.assert_array_equal(frame.image, picture(original))
    assert [frame.index for frame in frames] == [0, 1, 2, 3]
    assert {frame.frame_id for frame in frames} == {'camera'}


def test_stamps_of_a_folder(tmp_path: Path) -> None:
    path = folder(tmp_path / 'clip', [f'{i}.jpg' for i in range(4)])
    with open_source(path, fps=3) as source:
        stamps = [frame.stamp for frame in source.frames()]
    assert stamps == [1_000_000_000, 1_333_333_333, 1_666_666_667, 2_000_000_000]


@given(st.integers(0, 10**6), st.floats(0.1, 1000))
def test_stamps_increase_and_are_not_zero(index: int, fps: float) -> None:
    assert FIRST_STAMP <= stamp_of(index, fps) < stamp_of(index + 1, fps)


@given(st.lists(st.integers(0, 10**6), unique=True))
def test_numbers_sort_by_value(numbers: list[int]) -> None:
    files = [Path(f'frame_{number}.png') for number in numbers]
    assert sorted(files, key=natural) == [Path(f'frame_{n}.png') for n in sorted(numbers)]


@given(st.lists(st.text(st.characters(exclude_characters='/\0'), min_size=1)))
def test_any_names_can_be_sorted(names: list[str]) -> None:
    files = [Path('x') / f'{name}.png' for name in names]
    assert sorted(sorted(files, key=natural)) == sorted(files)


def test_a_broken_picture_is_skipped_by_name(tmp_path: Path) -> None:
    path = folder(tmp_path / 'clip', ['0.png', '1.png', '2.png', '3.png'])
    (path / '1.png').write_bytes(b'no picture')
    (path / '2.png').write_bytes(b'')
    with open_source(path) as source:
        frames = list(source.frames())
        assert [frame.index for frame in frames] == [0, 3]
        assert frames[1].stamp == stamp_of(3, 24)
        assert source.skipped.total == 2
        assert source.skipped[0] == '1.png: no whole picture (10 bytes)'
        assert source.skipped[1].startswith('2.png')


def test_a_video(tmp_path: Path) -> None:
    with open_source(video(tmp_path / 'clip.mp4')) as source:
        assert (source.name, source.kind, source.count, source.fps) == ('clip.mp4', 'video', 8, 10)
        frames = list(source.frames())
        assert not source.skipped
    assert [frame.index for frame in frames] == list(range(8))
    assert [frame.stamp for frame in frames] == [10**9 + i * 10**8 for i in range(8)]
    for index, frame in enumerate(frames):
        assert np.abs(frame.image.astype(int) - picture(index)).max() < 12


def test_another_rate_for_a_video(tmp_path: Path) -> None:
    with open_source(video(tmp_path / 'clip.mp4'), fps=5) as source:
        assert source.fps == 5
        assert [frame.stamp for frame in source.frames()][1] == 1_200_000_000


def test_a_video_that_is_cut_off(tmp_path: Path) -> None:
    path = tmp_path / 'clip.avi'
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*'MJPG'), 10, SIZE[::-1])
    generator = np.random.default_rng(0)
    for _ in range(20):
        writer.write(generator.integers(0, 256, (*SIZE, 3), np.uint8))
    writer.release()
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * 0.7)])
    with open_source(path) as source:
        assert source.count == 20
        frames = list(source.frames())
        assert 5 < len(frames) < 18
        assert source.skipped[-1].endswith('its header promises 20')


def test_a_bag(tmp_path: Path) -> None:
    with BagWriter(tmp_path / 'bag') as bag:
        for index in range(5):
            stamp = 10**18 + index * 50_000_000
            bag.write(
                '/camera/image',
                messages.IMAGE,
                messages.image(picture(index), 'rgb8', stamp, 'optical'),
                stamp,
            )
    with open_source(tmp_path / 'bag') as source:
        assert (source.name, source.kind, source.count) == ('bag /camera/image', 'bag', 5)
        assert source.fps == pytest.approx(20)
        frames = list(source.frames())
    assert frames[4].stamp == 10**18 + 200_000_000
    np.testing.assert_array_equal(frames[4].image, picture(4))
    with pytest.raises(SourceError, match=r'/other is not in .*/camera/image'):
        open_source(tmp_path / 'bag', topic='/other')


def test_the_rate_of_a_bag_is_that_of_its_images(tmp_path: Path) -> None:
    """Images at 20 Hz, with a pause, in a bag whose other topic goes on for a minute."""
    with BagWriter(tmp_path / 'bag') as bag:
        for tick in (0, 1, 2, 3, 100, 101, 102):
            stamp = 10**18 + tick * 50_000_000
            image = messages.image(picture(1), 'rgb8', stamp, 'optical')
            bag.write('/camera/image', messages.IMAGE, image, stamp)
        for second in range(60):
            stamp = 10**18 + second * 10**9
            info = messages.camera_info(1, 1, 1, 1, 48, 32, stamp, 'optical')
            bag.write('/camera/camera_info', messages.CAMERA_INFO, info, stamp)
    with open_source(tmp_path / 'bag') as source:
        assert source.fps == pytest.approx(20)


def test_what_is_no_source(tmp_path: Path) -> None:
    with pytest.raises(
        SourceError, match=r'there is nothing at .*nothing: expected a bag, a video'
    ):
        open_source(tmp_path / 'nothing')
    with pytest.raises(SourceError, match=r'\.png.*metadata\.yaml'):
        open_source(tmp_path)
    (tmp_path / 'clip.mp4').write_bytes(b'no video' * 100)
    with pytest.raises(SourceError, match=r'clip\.mp4'):
        open_source(tmp_path / 'clip.mp4')
    (tmp_path / 'old.bag').write_bytes(b'#ROSBAG V2.0')
    with pytest.raises(SourceError, match='ROS 1 bag'):
        open_source(tmp_path / 'old.bag')


def test_one_picture_is_no_source(tmp_path: Path) -> None:
    path = folder(tmp_path / 'clip', ['0.png'])
    with pytest.raises(SourceError, match='folder'):
        open_source(path / '0.png')


@pytest.mark.parametrize('fps', [0.0, -1.0, float('nan'), float('inf')])
def test_bad_rates(tmp_path: Path, fps: float) -> None:
    with pytest.raises(SourceError, match='fps'):
        open_source(folder(tmp_path / 'clip', ['0.png']), fps=fps)


def test_a_real_clip(davis: Path) -> None:
    path = davis / 'test' / 'JPEGImages' / '480p' / 'libby'
    with open_source(path) as source:
        frame = next(source.frames())
        assert source.count == len(list(path.glob('*.jpg')))
    assert frame.size[0] == 480


def test_a_bag_folder_may_be_called_bag(tmp_path: Path) -> None:
    with BagWriter(tmp_path / 'new.bag') as bag:
        image = messages.image(picture(0), 'rgb8', FIRST_STAMP, 'camera')
        bag.write('/camera/image', messages.IMAGE, image, FIRST_STAMP)
    with open_source(tmp_path / 'new.bag') as source:
        assert source.kind == 'bag'
        assert len(list(source.frames())) == 1
