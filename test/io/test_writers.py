"""Result writers, read back with other libraries than they were written with."""

from __future__ import annotations

import csv
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from drift_ros.errors import OutputError
from drift_ros.io.bags import BagReader
from drift_ros.io.video import VideoWriter
from drift_ros.io.writers import BagResultWriter, CsvWriter, LabelWriter, OverlayWriter
from drift_ros.structures import NOWHERE, Frame, Roi, TargetState, TrackedObject, TrackingResult
from drift_ros.visualization.palette import PALETTE

HIDDEN = TrackedObject(
    9,
    'gone, "far"',
    0.0,
    False,
    Roi(),
    NOWHERE,
    0,
    TargetState.OCCLUDED,
    1.25,
    Roi(1, 2, 3, 4),
    (2, 3.5),
)


def result(index: int = 0, size: tuple[int, int] = (20, 30)) -> TrackingResult:
    labels = np.zeros(size, np.uint8)
    labels[4:10, 6:16] = 254
    seen = TrackedObject(254, 'cup', 0.75, True, Roi(6, 4, 10, 6), (10.5, 6.5), 60)
    image = np.full((*size, 3), 90, np.uint8)
    frame = Frame(image, 10**18 + index, 'lens', index)
    return TrackingResult(frame, labels, (HIDDEN, seen), generation=3)


def test_labels_keep_their_values_and_show_the_palette(tmp_path: Path) -> None:
    made: list[Path] = []
    writer = LabelWriter(tmp_path / 'labels', created=made.append)
    writer.write(result(12))
    writer.close()
    path = tmp_path / 'labels' / '00012.png'
    assert made == [path]
    with Image.open(path) as image:
        assert image.mode == 'P'
        np.testing.assert_array_equal(np.asarray(image), result().labels)
    colours = cv2.imread(str(path))[..., ::-1]
    np.testing.assert_array_equal(colours[5, 7], PALETTE[254])


def test_labels_take_the_names_of_their_frames(tmp_path: Path) -> None:
    LabelWriter(tmp_path, lambda frame: f'left_{frame.index}').write(result(3))
    assert [f.name for f in tmp_path.iterdir()] == ['left_3.png']


def test_csv_says_what_is_not_visible(tmp_path: Path) -> None:
    writer = CsvWriter(tmp_path / 'tracks.csv')
    writer.write(result(2))
    writer.close()
    with (tmp_path / 'tracks.csv').open(newline='') as file:
        hidden, seen = csv.DictReader(file)
    assert hidden['name'] == 'gone, "far"' and hidden['visible'] == '0'
    assert (hidden['state'], hidden['unseen_s']) == ('occluded', '1.250')
    assert (hidden['predicted_x'], hidden['predicted_y']) == ('2.000', '3.500')
    assert (seen['state'], seen['predicted_x']) == ('visible', '')
    assert hidden['centroid_x'] == '' and hidden['roi_width'] == '0'
    assert seen['stamp_ns'] == str(10**18 + 2) and seen['generation'] == '3'
    assert float(seen['centroid_x']) == 10.5 and float(seen['score']) == 0.75


def test_bag_holds_the_nodes_messages(tmp_path: Path) -> None:
    writer = BagResultWriter(tmp_path / 'bag')
    writer.write(result())
    writer.close()
    with BagReader(tmp_path / 'bag') as bag:
        assert bag.topics == {
            '/tracker/labels': 'sensor_msgs/msg/Image',
            '/tracker/tracks': 'drift_ros/msg/TrackedObjectArray',
        }
        (_, stamp, tracks), (_, _, labels) = sorted(bag.messages(), key=lambda m: m[0])[::-1]
    assert stamp == 10**18 and tracks.header.frame_id == 'lens' and tracks.generation == 3
    hidden, seen = tracks.objects
    assert not hidden.visible and (seen.id, seen.area, seen.mask.width) == (254, 60, 10)
    assert set(seen.mask.data) == {255}
    assert labels.encoding == '8UC1' and labels.data.max() == 254


def test_another_size_begins_another_video(tmp_path: Path) -> None:
    writer = OverlayWriter(tmp_path / 'overlay.mp4', 5)
    for index, size in enumerate([(20, 30), (20, 30), (40, 31)]):
        writer.write(result(index, size))
    writer.close()
    counts = {}
    for file in tmp_path.iterdir():
        video = cv2.VideoCapture(str(file))
        shapes = []
        while (read := video.read())[0]:
            shapes.append(read[1].shape)
        counts[file.name] = shapes
    # an odd column is left out: H.264 stores colours of 2x2 px
    assert counts == {'overlay.mp4': [(20, 30, 3)] * 2, 'overlay_2.mp4': [(40, 30, 3)]}


def test_a_video_keeps_colours_order_and_length(tmp_path: Path) -> None:
    colours = [(200, 40, 40), (40, 180, 60), (40, 60, 200)]
    with VideoWriter(tmp_path / 'v.mp4', 29.97, (48, 64)) as video:
        for colour in colours:
            video.write(np.full((48, 64, 3), colour, np.uint8))
    capture = cv2.VideoCapture(str(tmp_path / 'v.mp4'))
    assert capture.get(cv2.CAP_PROP_FPS) == pytest.approx(29.97, abs=0.01)
    for colour in colours:
        read, frame = capture.read()
        assert read
        np.testing.assert_allclose(frame[..., ::-1].mean((0, 1)), colour, atol=12)
    assert not capture.read()[0]
    head = (tmp_path / 'v.mp4').read_bytes()
    assert b'avc1' in head and head.index(b'moov') < head.index(b'mdat')  # plays while it loads


def test_equal_pictures_give_equal_videos(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    pictures = rng.normal(128, 200, (9, 16, 32, 3)).clip(0, 255).astype(np.uint8)
    files = set()
    for i in range(300):  # the encoder finds memory that others filled
        dirt = [bytearray(rng.bytes(int(size))) for size in rng.integers(100, 20000, 20)]
        if i % 3 == 0:
            dirt.clear()
        with VideoWriter(tmp_path / 'v.mp4', 8, (16, 32)) as video:
            for picture in pictures:
                video.write(picture)
        files.add((tmp_path / 'v.mp4').read_bytes())
    assert len(files) == 1


def test_bad_videos_are_refused(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match='nowhere'):
        VideoWriter(tmp_path / 'nowhere' / 'v.mp4', 24, (48, 64))
    with pytest.raises(OutputError, match='0 frames/s'):
        VideoWriter(tmp_path / 'v.mp4', 0, (48, 64))
    with (
        VideoWriter(tmp_path / 'v.mp4', 24, (48, 64)) as video,
        pytest.raises(OutputError, match='64x48'),
    ):
        video.write(np.zeros((64, 48, 3), np.uint8))


def test_unwritable_places_are_named(tmp_path: Path) -> None:
    (tmp_path / 'file').write_text('')
    for make in (LabelWriter, CsvWriter, BagResultWriter):
        with pytest.raises(OutputError, match='file'):
            make(tmp_path / 'file' / 'x')
