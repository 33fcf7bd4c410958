"""Bags give back what was put in, and say what is wrong with them."""

from __future__ import annotations

import tracemalloc
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from drift_ros.errors import OutputError, SourceError
from drift_ros.io import messages
from drift_ros.io.bag_writer import BagWriter
from drift_ros.io.bags import BagReader, is_bag
from drift_ros.io.skipped import MAX_REASONS, Skipped
from drift_ros.structures import Frame, Roi, TrackedObject, TrackingResult

COLOUR, LABELS, DEPTH = '/camera/image', '/camera/labels', '/camera/depth'
TRACKS = '/tracker/tracks'
START, PERIOD = 1_795_249_149_562_961_177, 40_000_000
COUNT = 6
SIZE = (300, 400)

storages = pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])


def picture(index: int) -> np.ndarray:
    return np.random.default_rng(index).integers(0, 256, (*SIZE, 3), np.uint8)


def result(index: int) -> TrackingResult:
    labels = np.zeros(SIZE, np.uint8)
    labels[10:20, index : index + 5] = 7
    seen = TrackedObject(7, 'cup', 0.5, True, Roi(index, 10, 5, 10), (index + 2.0, 14.5), 50)
    gone = TrackedObject(9, 'lid', 0.0, False, Roi(), (float('nan'), float('nan')), 0)
    frame = Frame(picture(index), START + index * PERIOD, 'optical', index)
    return TrackingResult(frame, labels, (seen, gone), 3)


def write(path: Path, storage: Any = 'mcap', count: int = COUNT) -> Path:
    with BagWriter(path, storage) as bag:
        for index in range(count):
            stamp, received = START + index * PERIOD, START + index * PERIOD + 5
            image = messages.image(picture(index)[..., ::-1], 'bgr8', stamp, 'optical')
            labels = messages.labels(result(index))
            depth = messages.image(np.ones(SIZE, np.uint16), '16UC1', stamp, 'optical')
            bag.write(COLOUR, messages.IMAGE, image, received)
            bag.write(LABELS, messages.IMAGE, labels, received + 1)
            bag.write(DEPTH, messages.IMAGE, depth, received + 2)
            bag.write(TRACKS, messages.TRACKS, messages.tracks(result(index)), received + 3)
    return path


def storage_file(bag: Path) -> Path:
    return next(file for file in bag.iterdir() if file.suffix in ('.mcap', '.db3'))


def cut(file: Path, share: float) -> None:
    file.write_bytes(file.read_bytes()[: int(file.stat().st_size * share)])


@storages
def test_frames_come_back_exactly(tmp_path: Path, storage: str) -> None:
    with BagReader(write(tmp_path / 'bag', storage)) as bag:
        assert bag.image_topics() == [COLOUR]
        assert bag.count(COLOUR) == COUNT
        assert bag.duration_ns == (COUNT - 1) * PERIOD + 3
        frames = list(bag.frames())
        assert not bag.skipped
    assert [frame.index for frame in frames] == list(range(COUNT))
    for index, frame in enumerate(frames):
        np.testing.assert_array_equal(frame.image, picture(index))
        assert frame.stamp == START + index * PERIOD
        assert (frame.frame_id, frame.encoding) == ('optical', 'bgr8')


@storages
def test_own_messages_come_back(tmp_path: Path, storage: str) -> None:
    with BagReader(write(tmp_path / 'bag', storage)) as bag:
        assert bag.topics[TRACKS] == 'drift_ros/msg/TrackedObjectArray'
        read = list(bag.messages([TRACKS]))
    assert [stamp for _, stamp, _ in read] == [START + 8 + i * PERIOD for i in range(COUNT)]
    for index, (topic, _, message) in enumerate(read):
        assert topic == TRACKS
        assert messages.stamp_of(message) == START + index * PERIOD
        seen, gone = message.objects
        assert (seen.id, seen.name, seen.area, seen.roi.x_offset) == (7, 'cup', 50, index)
        assert (gone.id, gone.visible, gone.mask.width) == (9, False, 0)
        assert (seen.mask.data == 255).sum() == 50


@storages
def test_raw_messages_can_be_copied(tmp_path: Path, storage: Any) -> None:
    with BagReader(write(tmp_path / 'bag')) as bag:
        original = list(bag.raw())
        with BagWriter(tmp_path / 'copy', storage) as copy:
            for topic, kind, stamp, data in original:
                copy.write_raw(topic, kind, data, stamp)
    with BagReader(tmp_path / 'copy') as bag:
        copied = list(bag.raw())
    assert len(copied) == 4 * COUNT
    assert [(t, k, s, bytes(d)) for t, k, s, d in copied] == [
        (t, k, s, bytes(d)) for t, k, s, d in original
    ]


def test_a_compressed_bag_is_small_and_holds_the_same(tmp_path: Path) -> None:
    sizes = []
    for compress in (False, True):
        with BagWriter(tmp_path / f'bag{compress}', compress=compress) as bag:
            for index in range(COUNT):
                labels = messages.labels(result(index))
                bag.write(LABELS, messages.IMAGE, labels, START + index * PERIOD)
        sizes.append(storage_file(bag.path).stat().st_size)
    assert sizes[1] < sizes[0] / 20
    with BagReader(tmp_path / 'bagFalse') as plain, BagReader(tmp_path / 'bagTrue') as small:
        assert list(small.raw()) == list(plain.raw())
        assert len(list(small.raw())) == COUNT


def test_sqlite3_is_not_compressed(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match='sqlite3'):
        BagWriter(tmp_path / 'bag', 'sqlite3', compress=True)
    assert not (tmp_path / 'bag').exists()


@storages
def test_messages_come_in_order_of_time(tmp_path: Path, storage: str) -> None:
    with BagReader(write(tmp_path / 'bag', storage)) as bag:
        everything = list(bag.messages())
        some = list(bag.messages([LABELS, COLOUR]))
    stamps = [stamp for _, stamp, _ in everything]
    assert stamps == sorted(stamps) and len(stamps) == 4 * COUNT
    assert [topic for topic, _, _ in some] == [COLOUR, LABELS] * COUNT


@storages
def test_a_bare_file_is_a_bag(tmp_path: Path, storage: str) -> None:
    folder = write(tmp_path / 'bag', storage)
    assert is_bag(folder) and is_bag(storage_file(folder))
    with BagReader(storage_file(folder)) as bag:
        assert len(list(bag.frames())) == COUNT
        assert bag.duration_ns == (COUNT - 1) * PERIOD + 3


@storages
def test_a_folder_without_metadata_is_read_by_its_file(tmp_path: Path, storage: str) -> None:
    folder = write(tmp_path / 'bag', storage)
    (folder / 'metadata.yaml').unlink()
    assert is_bag(folder)
    with BagReader(folder) as bag:
        assert len(list(bag.frames())) == COUNT


def test_memory_does_not_grow_with_the_bag(tmp_path: Path) -> None:
    """40 images of 0.36 MB are 14 MB; the reader holds a few at a time."""
    path = write(tmp_path / 'bag', count=40)
    with BagReader(path) as bag:
        tracemalloc.start()
        for frame in bag.frames():
            assert frame.image.size
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak < 5e6


def test_an_error_while_writing_leaves_a_readable_bag(tmp_path: Path) -> None:
    def fail() -> None:
        with BagWriter(tmp_path / 'bag') as bag:
            bag.write(LABELS, messages.IMAGE, messages.labels(result(0)), 1)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    with BagReader(tmp_path / 'bag') as read:
        assert read.count(LABELS) == 1


# -- what the bag may hold ------------------------------------------------------------------------


def foreign(path: Path, definition: str | None, cdr: bytes, count: int = 1) -> Path:
    """A bag with images and a topic of a type that is not known here."""
    kind = 'other_msgs/msg/Thing'
    types = get_typestore(Stores.LATEST)
    with Writer(path, version=9, storage_plugin=StoragePlugin.MCAP) as bag:
        images = bag.add_connection(LABELS, messages.IMAGE, typestore=types)
        if definition is None:
            things = bag.add_connection('/thing', kind, msgdef='no definition', rihs01='RIHS01_0')
        else:
            types.register(get_types_from_msg(definition, kind))
            things = bag.add_connection('/thing', kind, typestore=types)
        for stamp in range(count):
            bag.write(things, stamp, cdr)
        image = types.serialize_cdr(messages.labels(result(0)), messages.IMAGE)
        bag.write(images, count, image)
    return path


def test_types_are_read_by_the_definition_in_the_bag(tmp_path: Path) -> None:
    path = foreign(tmp_path / 'bag', 'uint8 a\nuint8 b', bytes([0, 1, 0, 0, 5, 6]))
    with BagReader(path) as bag:
        (_, _, thing), _ = bag.messages()
    assert (thing.a, thing.b) == (5, 6)


def test_an_unknown_type_does_not_spoil_the_others(tmp_path: Path) -> None:
    with BagReader(foreign(tmp_path / 'bag', None, b'\0\1\0\0')) as bag:
        assert [topic for topic, _, _ in bag.messages()] == [LABELS]
        assert len(list(bag.raw())) == 2
        with pytest.raises(SourceError, match='other_msgs/msg/Thing'):
            list(bag.messages(['/thing']))


def test_own_messages_without_a_definition_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Older sqlite3 bags hold none."""
    path = write(tmp_path / 'bag')
    from rosbags.interfaces import MessageDefinition, MessageDefinitionFormat

    from drift_ros.io import bag_types

    nothing = MessageDefinition(MessageDefinitionFormat.NONE, '')
    make = bag_types.BagTypes.__init__
    monkeypatch.setattr(
        bag_types.BagTypes,
        '__init__',
        lambda self, connections: make(self, [c._replace(msgdef=nothing) for c in connections]),
    )
    with BagReader(path) as bag:
        assert [m.objects[0].id for _, _, m in bag.messages([TRACKS])] == [7] * COUNT


def test_bytes_that_do_not_fit_their_type(tmp_path: Path) -> None:
    path = foreign(tmp_path / 'bag', 'float64[4] a', b'\0\1\0\0\5')
    expected = r'a message of /thing .* is no other_msgs/msg/Thing'
    with BagReader(path) as bag, pytest.raises(SourceError, match=expected):
        list(bag.messages(['/thing']))


def test_bad_frames_are_skipped_and_the_index_jumps(tmp_path: Path) -> None:
    good = messages.image(picture(0), 'rgb8', START, 'optical')
    short = messages.image(picture(0), 'rgb8', START, 'optical')
    short.data = short.data[:100]
    odd = messages.image(picture(0), 'rgb8', START, 'optical')
    odd.encoding = 'strange'
    with BagWriter(tmp_path / 'bag') as bag:
        for stamp, message in enumerate([good, short, odd, good]):
            bag.write(COLOUR, messages.IMAGE, message, stamp)
        bag.write_raw(COLOUR, messages.IMAGE, b'\0\1\0\0junk', 4)
        bag.write(COLOUR, messages.IMAGE, good, 5)
    with BagReader(tmp_path / 'bag') as read:
        assert [frame.index for frame in read.frames()] == [0, 3, 5]
        assert read.skipped.total == 3
        first, second, third = read.skipped
    assert first.startswith(f'message 1 of {COLOUR}: too little data: 100 bytes')
    assert second.startswith(f"message 2 of {COLOUR}: unknown encoding: 'strange'")
    assert third.startswith(f'message 4 of {COLOUR}')


def test_reasons_are_bounded_but_all_are_counted() -> None:
    skipped = Skipped()
    for index in range(3 * MAX_REASONS):
        skipped.add(f'message {index}')
    assert len(skipped) == MAX_REASONS and skipped.total == 3 * MAX_REASONS


@pytest.mark.parametrize(
    ('message', 'colour'),
    [
        (messages.compressed_image(b'', 'jpeg', 1, ''), True),
        (messages.compressed_image(b'', 'rgb8; jpeg compressed bgr8', 1, ''), True),
        (messages.compressed_image(b'', '16UC1; compressedDepth png', 1, ''), False),
        (messages.compressed_image(b'', '8UC1; png compressed', 1, ''), False),
        (messages.image(np.zeros((2, 2), np.uint8), 'mono8', 1, ''), True),
        (messages.image(np.zeros((2, 2), np.uint8), 'bayer_rggb8', 1, ''), True),
        (messages.image(np.zeros((2, 2), np.uint16), 'mono16', 1, ''), True),
        (messages.image(np.zeros((2, 2), np.float32), '32FC1', 1, ''), False),
        (messages.image(np.zeros((2, 2), np.uint16), '16UC1', 1, ''), False),
    ],
)
def test_which_topics_hold_pictures(tmp_path: Path, message: Any, colour: bool) -> None:
    kind = messages.COMPRESSED_IMAGE if hasattr(message, 'format') else messages.IMAGE
    with BagWriter(tmp_path / 'bag') as bag:
        bag.write('/x', kind, message, 1)
    with BagReader(tmp_path / 'bag') as read:
        assert read.image_topics() == (['/x'] if colour else [])


# -- errors ---------------------------------------------------------------------------------------


def test_a_missing_topic_is_answered_with_what_there_is(tmp_path: Path) -> None:
    with BagReader(write(tmp_path / 'bag')) as bag:
        for call in (bag.count, bag.image_topic, lambda t: next(bag.raw([t]))):
            with pytest.raises(SourceError) as caught:
                call('/nothing')
            text = str(caught.value)
            assert '/nothing is not in' in text
            for topic, kind in bag.topics.items():
                assert f'{topic} ({kind}, {COUNT} messages)' in text


def test_a_topic_without_images(tmp_path: Path) -> None:
    expected = 'has the type drift_ros/msg/TrackedObjectArray'
    with BagReader(write(tmp_path / 'bag')) as bag, pytest.raises(SourceError, match=expected):
        next(bag.frames(TRACKS))


def test_no_image_topic(tmp_path: Path) -> None:
    with BagWriter(tmp_path / 'bag') as bag:
        bag.write(TRACKS, messages.TRACKS, messages.tracks(result(0)), 1)
    expected = f'no topic of colour images.*{TRACKS}'
    with BagReader(tmp_path / 'bag') as read, pytest.raises(SourceError, match=expected):
        next(read.frames())


def test_several_image_topics(tmp_path: Path) -> None:
    image = messages.image(picture(0), 'rgb8', 1, '')
    with BagWriter(tmp_path / 'bag') as bag:
        for topic in ('/left', '/right'):
            bag.write(topic, messages.IMAGE, image, 1)
    with BagReader(tmp_path / 'bag') as read:
        with pytest.raises(SourceError, match='/left, /right'):
            next(read.frames())
        assert len(list(read.frames('/right'))) == 1


@storages
def test_an_empty_bag(tmp_path: Path, storage: Any) -> None:
    BagWriter(tmp_path / 'bag', storage).close()
    with BagReader(tmp_path / 'bag') as read:
        assert read.topics == {} and read.duration_ns == 0 and list(read.messages()) == []
        with pytest.raises(SourceError):
            next(read.frames())


@storages
@pytest.mark.parametrize('share', [0.0, 0.01, 0.5, 0.99])
@pytest.mark.parametrize('bare', [False, True])
def test_a_bag_that_is_cut_off(tmp_path: Path, storage: str, share: float, bare: bool) -> None:
    """It is refused at once, or gives what is there and then says how much that was."""
    folder = write(tmp_path / 'bag', storage)
    file = storage_file(folder)
    cut(file, share)
    read = []
    with pytest.raises(SourceError) as caught, BagReader(file if bare else folder) as bag:
        read.extend(bag.raw([COLOUR]))
    text = str(caught.value)
    assert 'cannot read the bag' in text or f'{len(read)} messages were read, of {COUNT}' in text
    assert len(read) < COUNT


def test_damage_in_the_middle_is_told_with_the_number_read(tmp_path: Path) -> None:
    folder = write(tmp_path / 'bag', count=20)
    file = storage_file(folder)
    data = bytearray(file.read_bytes())
    with BagReader(folder) as bag:
        chunks = list(bag._reader.storage.storages[0].chunks)  # type: ignore[attr-defined]
    hit = START + 16 * PERIOD + 5
    chunk = next(c for c in chunks if c.message_start_time <= hit <= c.message_end_time)
    data[chunk.chunk_start_offset : chunk.chunk_start_offset + 2000] = b'\xff' * 2000
    file.write_bytes(data)
    with BagReader(folder) as bag:
        iterator = bag.frames(COLOUR)
        assert len(list(islice(iterator, 15))) == 15
        with pytest.raises(SourceError, match=r'1[56] messages.* of 20'):
            list(iterator)


@pytest.mark.parametrize(
    ('name', 'content', 'expected'),
    [
        ('nothing', None, 'there is no bag at'),
        ('old.bag', b'#ROSBAG V2.0', 'ROS 1 bag.*rosbags-convert'),
        ('text.txt', b'hello', 'is no bag: expected a folder'),
        ('a.mcap', b'hello', 'cannot read the bag'),
        ('a.mcap', b'', 'cannot read the bag'),
        ('a.db3', b'hello' * 1000, 'cannot read the bag'),
        ('a.db3', b'', 'cannot read the bag'),
    ],
)
def test_what_is_no_bag(tmp_path: Path, name: str, content: bytes | None, expected: str) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(SourceError, match=expected):
        BagReader(tmp_path / name)


@pytest.mark.parametrize('content', ['', '- 1', 'rosbag2_bagfile_information: {}', '{'])
def test_broken_metadata(tmp_path: Path, content: str) -> None:
    folder = write(tmp_path / 'bag')
    (folder / 'metadata.yaml').write_text(content)
    with pytest.raises(SourceError):
        BagReader(folder)


def test_a_folder_that_is_no_bag(tmp_path: Path) -> None:
    assert not is_bag(tmp_path)
    with pytest.raises(SourceError):
        BagReader(tmp_path)


def test_an_existing_place_is_not_overwritten(tmp_path: Path) -> None:
    folder = write(tmp_path / 'bag')
    before = storage_file(folder).read_bytes()
    with pytest.raises(OutputError):
        BagWriter(folder)
    assert storage_file(folder).read_bytes() == before


def test_a_place_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / 'file').write_text('')
    with pytest.raises(OutputError):
        BagWriter(tmp_path / 'file' / 'bag')


def test_an_unknown_storage(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"'tape'.*mcap"):
        BagWriter(tmp_path / 'bag', 'tape')  # type: ignore[arg-type]


def test_messages_that_cannot_be_written(tmp_path: Path) -> None:
    with BagWriter(tmp_path / 'bag') as bag:
        with pytest.raises(OutputError, match='other/msg/Thing'):
            bag.write_raw('/x', 'other/msg/Thing', b'\0\1\0\0', 1)
        with pytest.raises(OutputError, match='/x'):
            bag.write('/x', messages.TRACKS, messages.labels(result(0)), 1)
    with pytest.raises(OutputError):
        bag.write_raw('/y', messages.IMAGE, b'\0\1\0\0', 1)
