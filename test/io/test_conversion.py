"""A folder or a video becomes a bag that reads back as the same frames."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import yaml
from PIL import Image
from typer.testing import CliRunner

from drift_ros.cli.main import make_app
from drift_ros.errors import OutputError, SettingsError, SourceError
from drift_ros.io.bags import BagReader
from drift_ros.io.conversion import convert
from drift_ros.io.frames import open_source

SIZE = (24, 40)
COUNT = 4


def labels_of(index: int) -> np.ndarray:
    labels = np.zeros(SIZE, np.uint8)
    labels[2:8, index : index + 6] = 1
    labels[12:18, 30 - index : 34 - index] = 254
    return labels


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    folder = tmp_path / 'frames'
    folder.mkdir()
    generator = np.random.default_rng(0)
    for index in range(COUNT):
        image = generator.integers(0, 256, (*SIZE, 3), np.uint8)
        cv2.imwrite(str(folder / f'{index:05}.jpg'), image)
    return folder


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    folder = tmp_path / 'labels'
    folder.mkdir()
    for index in (0, 2):
        picture = Image.fromarray(labels_of(index), mode='P')
        picture.putpalette(np.random.default_rng(1).integers(0, 256, 768, np.uint8).tobytes())
        picture.save(folder / f'{index:05}.png')
    return folder


@pytest.fixture
def calibration(tmp_path: Path) -> Path:
    path = tmp_path / 'camera.yaml'
    path.write_text(yaml.safe_dump(camera()))
    return path


def camera() -> dict[str, Any]:
    return {
        'image_width': SIZE[1],
        'image_height': SIZE[0],
        'camera_name': 'left',
        'camera_matrix': {'rows': 3, 'cols': 3, 'data': [50.0, 0, 20.5, 0, 51, 12, 0, 0, 1]},
        'distortion_model': 'plumb_bob',
        'distortion_coefficients': {'rows': 1, 'cols': 5, 'data': [0.1, -0.2, 0.0, 0.01, 0.0]},
        'rectification_matrix': {'rows': 3, 'cols': 3, 'data': [1, 0, 0, 0, 1, 0, 0, 0, 1]},
        'projection_matrix': {
            'rows': 3,
            'cols': 4,
            'data': [49.0, 0, 20, 0, 0, 50, 12, 0, 0, 0, 1, 0],
        },
    }


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
@pytest.mark.parametrize('compressed', [False, True])
def test_a_folder(
    tmp_path: Path, clip: Path, labels: Path, calibration: Path, storage: Any, compressed: bool
) -> None:
    seen: list[tuple[int, int | None]] = []
    written = convert(
        clip,
        tmp_path / 'bag',
        labels=labels,
        camera_info=calibration,
        fps=10,
        storage=storage,
        compressed=compressed,
        progress=lambda done, total: seen.append((done, total)),
    )
    assert (written.frames, written.labels, written.skipped) == (COUNT, 2, 0)
    assert seen == [(i + 1, COUNT) for i in range(COUNT)]
    with BagReader(tmp_path / 'bag') as bag, open_source(clip, fps=10) as source:
        topic = '/camera/image' + '/compressed' * compressed
        assert bag.image_topics() == [topic]
        for frame, original in zip(bag.frames(), source.frames(), strict=True):
            np.testing.assert_array_equal(frame.image, original.image)
            assert (frame.stamp, frame.frame_id) == (original.stamp, original.frame_id)
        maps = [message for _, _, message in bag.messages(['/camera/labels'])]
        infos = [message for _, _, message in bag.messages(['/camera/camera_info'])]
        stamps = [stamp for _, stamp, _ in bag.messages(['/camera/labels'])]
    assert stamps == [10**9, 10**9 + 200_000_000]
    for index, message in zip((0, 2), maps, strict=True):
        assert message.encoding == '8UC1'
        np.testing.assert_array_equal(message.data.reshape(SIZE), labels_of(index))
    assert len(infos) == COUNT
    assert list(infos[0].k) == camera()['camera_matrix']['data']
    assert list(infos[0].d) == camera()['distortion_coefficients']['data']
    assert list(infos[0].p) == camera()['projection_matrix']['data']
    assert (infos[0].width, infos[0].height) == SIZE[::-1]


def test_a_calibration_needs_only_size_and_matrix(
    tmp_path: Path, clip: Path, calibration: Path
) -> None:
    keys = ('image_width', 'image_height', 'camera_matrix')
    calibration.write_text(yaml.safe_dump({key: camera()[key] for key in keys}))
    convert(clip, tmp_path / 'bag', camera_info=calibration)
    with BagReader(tmp_path / 'bag') as bag:
        _, _, info = next(bag.messages(['/camera/camera_info']))
    assert list(info.p) == [50, 0, 20.5, 0, 0, 51, 12, 0, 0, 0, 1, 0]
    assert list(info.r) == [1, 0, 0, 0, 1, 0, 0, 0, 1]


@pytest.mark.parametrize('compressed', [False, True])
def test_a_video(tmp_path: Path, labels: Path, compressed: bool) -> None:
    path = tmp_path / 'clip.mp4'
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*'mp4v'), 10, SIZE[::-1])
    for index in range(COUNT):
        writer.write(np.full((*SIZE, 3), 40 * index, np.uint8))
    writer.release()
    written = convert(path, tmp_path / 'bag', labels=labels, compressed=compressed)
    assert (written.frames, written.labels) == (COUNT, 2)
    with BagReader(tmp_path / 'bag') as bag, open_source(path) as source:
        for frame, original in zip(bag.frames(), source.frames(), strict=True):
            assert np.abs(frame.image.astype(int) - original.image).max() <= 4
            assert frame.stamp == original.stamp


def test_a_broken_frame_is_left_out(tmp_path: Path, clip: Path, labels: Path) -> None:
    (clip / '00002.jpg').write_bytes(b'broken')
    written = convert(clip, tmp_path / 'bag', labels=labels, topic='/left/rgb')
    assert (written.frames, written.labels, written.skipped) == (COUNT - 1, 1, 1)
    with BagReader(tmp_path / 'bag') as bag:
        assert bag.topics.keys() == {'/left/rgb', '/left/labels'}


def test_a_mask_of_0_and_255_is_object_1(tmp_path: Path, clip: Path, labels: Path) -> None:
    Image.fromarray((labels_of(0) == 1) * np.uint8(255)).save(labels / '00000.png')
    convert(clip, tmp_path / 'bag', labels=labels)
    with BagReader(tmp_path / 'bag') as bag:
        _, _, message = next(bag.messages(['/camera/labels']))
    np.testing.assert_array_equal(message.data.reshape(SIZE), labels_of(0) == 1)


@pytest.mark.parametrize(
    ('pixels', 'expected'),
    [
        (np.zeros((*SIZE, 3), np.uint8), 'has the mode RGB: expected a palette'),
        (np.zeros(SIZE, np.uint16), 'has the mode I;16'),
        (np.zeros((5, 6), np.uint8), 'has 6x5 px: expected 40x24'),
        (np.array([[3, 255]], np.uint8).repeat(24, 0).repeat(20, 1), 'has the value 255'),
    ],
)
def test_bad_label_maps(
    tmp_path: Path, clip: Path, labels: Path, pixels: np.ndarray, expected: str
) -> None:
    Image.fromarray(pixels).save(labels / '00002.png')
    with pytest.raises(SourceError, match=rf'00002\.png {expected}'):
        convert(clip, tmp_path / 'bag', labels=labels)
    assert not (tmp_path / 'bag').exists()


def test_an_unreadable_label_map(tmp_path: Path, clip: Path, labels: Path) -> None:
    (labels / '00002.png').write_bytes(b'broken')
    with pytest.raises(SourceError, match=r'00002\.png'):
        convert(clip, tmp_path / 'bag', labels=labels)
    assert not (tmp_path / 'bag').exists()


def test_labels_that_belong_to_nothing(tmp_path: Path, clip: Path, labels: Path) -> None:
    for file in list(labels.iterdir()):
        file.rename(labels / f'x{file.name}')
    with pytest.raises(SourceError):
        convert(clip, tmp_path / 'bag', labels=labels)
    with pytest.raises(SourceError, match='labels'):
        convert(clip, tmp_path / 'bag', labels=tmp_path / 'nothing')


@pytest.mark.parametrize(
    ('change', 'expected'),
    [
        ({'image_width': None}, 'image_width'),
        ({'image_height': -1}, 'image_height'),
        ({'camera_matrix': {'data': [1.0] * 8}}, r'camera_matrix\.data'),
        ({'camera_matrix': {'data': [float('nan')] * 9}}, r'camera_matrix\.data\.0'),
        ({'camera_matrix': {'data': [0.0] * 9}}, 'fx 0.0 and fy 0.0; expected positive'),
        ({'projection_matrix': {'data': [1.0] * 9}}, 'projection_matrix'),
        ({'image_width': 41}, r'is for 41x24 px, frame 0 has 40x24'),
    ],
)
def test_bad_calibrations(
    tmp_path: Path, clip: Path, calibration: Path, change: dict, expected: str
) -> None:
    calibration.write_text(yaml.safe_dump(camera() | change))
    with pytest.raises(SourceError, match=f'camera.yaml.*{expected}'):
        convert(clip, tmp_path / 'bag', camera_info=calibration)
    assert not (tmp_path / 'bag').exists()


@pytest.mark.parametrize('content', ['', '[1', '- a', '\0'])
def test_what_is_no_calibration(
    tmp_path: Path, clip: Path, calibration: Path, content: str
) -> None:
    calibration.write_text(content)
    with pytest.raises(SourceError, match=r'camera\.yaml'):
        convert(clip, tmp_path / 'bag', camera_info=calibration)
    calibration.unlink()
    with pytest.raises(SourceError):
        convert(clip, tmp_path / 'bag', camera_info=calibration)


@pytest.mark.parametrize('topic', ['', 'image', '/', '/a/', '//a'])
def test_bad_topics(tmp_path: Path, clip: Path, topic: str) -> None:
    with pytest.raises(SettingsError):
        convert(clip, tmp_path / 'bag', topic=topic)


def test_nothing_is_overwritten_and_no_bag_is_converted(tmp_path: Path, clip: Path) -> None:
    convert(clip, tmp_path / 'bag')
    before = (tmp_path / 'bag' / 'bag.mcap').read_bytes()
    with pytest.raises(OutputError):
        convert(clip, tmp_path / 'bag')
    assert (tmp_path / 'bag' / 'bag.mcap').read_bytes() == before
    with pytest.raises(SourceError):
        convert(tmp_path / 'bag', tmp_path / 'other')


def test_no_readable_frame(tmp_path: Path, clip: Path) -> None:
    for file in clip.iterdir():
        file.write_bytes(b'broken')
    with pytest.raises(SourceError, match=r'00000\.jpg'):
        convert(clip, tmp_path / 'bag')
    assert not (tmp_path / 'bag').exists()


def test_the_command(tmp_path: Path, clip: Path, labels: Path, calibration: Path) -> None:
    app = make_app()
    out = tmp_path / 'bag'
    arguments = ['convert', str(clip), '--out', str(out), '--labels', str(labels)]
    options = ['--camera-info', str(calibration), '--fps', '12', '--storage', 'sqlite3']
    done = CliRunner().invoke(app, [*arguments, *options, '--compressed', '--topic', '/c/i'])
    assert done.exit_code == 0, done.output
    assert '4 frames and 2 label maps' in done.output
    with BagReader(out / 'bag.db3') as bag:
        assert bag.topics.keys() == {'/c/i/compressed', '/c/labels', '/c/camera_info'}
    again = CliRunner().invoke(app, arguments)
    assert again.exit_code == 2 and 'exists' in again.output
