"""Reads ROS 2 bags (mcap and sqlite3) without ROS, in bounded memory whatever their length."""

from __future__ import annotations

import difflib
import logging
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

from rosbags.interfaces import Connection
from rosbags.rosbag2 import Reader

from drift_ros.errors import FrameError, SourceError, first_line
from drift_ros.io.bag_checks import check_index, limit_metadata
from drift_ros.io.bag_types import BagTypes
from drift_ros.io.closing import Closing
from drift_ros.io.images import ENCODINGS, decode_compressed, to_rgb
from drift_ros.io.messages import COMPRESSED_IMAGE, IMAGE, stamp_of
from drift_ros.io.skipped import Skipped
from drift_ros.pictures import MAX_PIXELS
from drift_ros.structures import Frame

log = logging.getLogger('drift_ros.io')
limit_metadata()

METADATA = 'metadata.yaml'
SUFFIXES = ('.mcap', '.db3')

# What image topics hold that is no picture for people: labels and depth.
NOT_COLOUR = ('8UC1', '16UC1', '32FC1')


def is_bag(path: Path) -> bool:
    """Whether a path looks like a bag: a folder with metadata or storage files, or such a file."""
    if path.is_dir():
        return (path / METADATA).is_file() or bool(_storage_files(path))
    return path.suffix in SUFFIXES


def _storage_files(folder: Path) -> list[Path]:
    return sorted(file for file in folder.iterdir() if file.suffix in SUFFIXES)


class BagReader(Closing):
    """A bag to read from. A context manager; it is open from the start.

    Args:
        path: folder of a bag, or one .mcap or .db3 file. A folder without metadata.yaml (the
            recorder was killed) is read if it holds one such file.

    Attributes:
        topics: topic -> type, such as `sensor_msgs/msg/Image`, sorted by topic.
        skipped: why `frames` left out messages; bounded, with the count of all.

    Raises:
        SourceError: there is no bag, or it cannot be read.
    """

    def __init__(self, path: str | Path, max_pixels: int = MAX_PIXELS) -> None:
        self.path = Path(path)
        self._max_pixels = max_pixels
        self._reader = _open(self.path)
        self._connections = sorted(self._reader.connections, key=lambda c: c.topic)
        self._types = BagTypes(self._connections)
        self.topics = {c.topic: c.msgtype for c in reversed(self._connections)}
        self.topics = dict(sorted(self.topics.items()))
        self.skipped = Skipped()

    def close(self) -> None:
        """Close the bag's files; nothing can be read afterwards."""
        if self._reader.is_open:
            self._reader.close()

    @property
    def duration_ns(self) -> int:
        """Time between the first and the last message in ns."""
        return max(0, self._reader.duration - 1)  # the library counts one past the last message

    def count(self, topic: str) -> int:
        """Number of messages of a topic.

        Raises:
            SourceError: the topic is not in the bag.
        """
        return sum(c.msgcount for c in self._select([topic]))

    def raw(
        self, topics: Sequence[str] | None = None, start: int | None = None, stop: int | None = None
    ) -> Iterator[tuple[str, str, int, bytes]]:
        """Serialised messages in the order of their time.

        Args:
            topics: only these; None: all.
            start, stop: only what was received from `start` on and before `stop`, in ns.

        Yields:
            Topic, type, time of receipt in ns, CDR bytes.

        Raises:
            SourceError: a topic is not in the bag; or the bag turns out to be damaged, which is
                raised after all messages before the damage were handed out.
        """
        chosen = self._select(topics)
        if not chosen:
            return
        messages = self._reader.messages(chosen, start, stop)
        number = 0
        while True:
            try:
                connection, stamp, data = next(messages)
            except StopIteration:
                break
            except Exception as error:  # bytes of a damaged file can make a parser fail anyhow
                raise SourceError(
                    f'{self.path} is damaged or cut off: {number} messages were read, of '
                    f'{sum(c.msgcount for c in chosen)} that its index names '
                    f'({first_line(error)}); `mcap recover` may save more'
                ) from error
            number += 1
            yield connection.topic, connection.msgtype, stamp, data
        expected = sum(c.msgcount for c in chosen)
        if number < expected and start is None and stop is None:
            raise SourceError(
                f'{self.path} is incomplete: {number} messages were read, of {expected} that its '
                'index names; copy the bag again'
            )

    def messages(self, topics: Sequence[str] | None = None) -> Iterator[tuple[str, int, Any]]:
        """Messages in the order of their time.

        Args:
            topics: only these; None: all whose type is known.

        Yields:
            Topic, time of receipt in ns, message (of the library rosbags).

        Raises:
            SourceError: as `raw`; also a type that is neither defined in the bag nor known here,
                or bytes that do not fit their type.
        """
        if topics is None:
            topics = [topic for topic, kind in self.topics.items() if self._types.knows(kind)]
            if len(topics) < len(self.topics):
                left_out = sorted(set(self.topics) - set(topics))
                log.warning('left out for their unknown types: %s', ', '.join(left_out))
        for connection in self._select(topics):
            self._types.store(connection.msgtype)
        for topic, _, stamp, data in self.raw(topics):
            yield topic, stamp, self.message(topic, data)

    def image_topics(self) -> list[str]:
        """Topics of colour or grey images; the first message excludes label maps and depth."""
        return [topic for topic in self.topics if self._is_colour(topic)]

    def image_topic(self, topic: str | None = None, exclude: Collection[str] = ()) -> str:
        """The topic to take frames from: the one given, or the only one there is.

        Args:
            topic: as the user named it, or None.
            exclude: topics that are known to be something else.

        Raises:
            SourceError: it is not in the bag or holds no images; or none was given and there is
                not exactly one.
        """
        if topic is not None:
            self._select([topic])
            if self.topics[topic] not in (IMAGE, COMPRESSED_IMAGE):
                raise SourceError(
                    f'topic {topic} of {self.path} has the type {self.topics[topic]}, not '
                    f'{IMAGE} or {COMPRESSED_IMAGE}; {self.contents()}'
                )
            return topic
        found = [name for name in self.image_topics() if name not in exclude]
        if len(found) == 1:
            return found[0]
        if found:
            raise SourceError(
                f'{self.path} has several image topics: name one of {", ".join(found)}'
            )
        raise SourceError(f'{self.path} has no topic of colour images; {self.contents()}')

    def frames(self, topic: str | None = None) -> Iterator[Frame]:
        """Frames of an image topic. An image that cannot be used is skipped and noted in `skipped`.

        Args:
            topic: of raw or compressed images; None: the only one there is.

        Yields:
            Frames with the stamp and frame_id of their header; `index` is the number of the
            message in its topic, so that it jumps where an image was skipped.

        Raises:
            SourceError: as `raw` and `image_topic`.
        """
        chosen = self.image_topic(topic)
        for index, (_, _, _, data) in enumerate(self.raw([chosen])):
            try:
                frame = self.frame(chosen, data, index)
            except (FrameError, SourceError) as error:
                self.skipped.add(f'message {index} of {chosen}: {error}')
                continue
            yield frame

    def frame(self, topic: str, data: bytes, index: int) -> Frame:
        """Frame of a serialised message of an image topic.

        Raises:
            FrameError: the image cannot be used.
            SourceError: the bytes are no message of the topic's type.
        """
        message = self.message(topic, data)
        raw = self.topics[topic] == IMAGE
        rgb = (to_rgb if raw else decode_compressed)(message, self._max_pixels)
        form = message.encoding if raw else f'compressed {message.format}'
        return Frame(rgb, stamp_of(message), message.header.frame_id, index, form)

    def message(self, topic: str, data: bytes) -> Any:
        """Message (of the library rosbags) of a topic from its bytes.

        Raises:
            SourceError: the bytes are none, or the type is not known.
        """
        kind = self.topics[topic]
        try:
            return self._types.store(kind).deserialize_cdr(data, kind)
        except SourceError:
            raise
        except Exception as error:  # wrong bytes can make the library fail anyhow
            raise SourceError(
                f'a message of {topic} in {self.path} is no {kind}: {first_line(error)}'
            ) from error

    def encoding(self, topic: str) -> str | None:
        """Encoding of the first image of a topic, or its format if it is compressed; None if there
        is no image.
        """
        kind = self.topics[topic]
        if kind not in (IMAGE, COMPRESSED_IMAGE):
            return None
        try:
            _, _, message = next(self.messages([topic]))
        except (StopIteration, SourceError):
            return None
        return str(message.encoding if kind == IMAGE else message.format)

    def contents(self) -> str:
        """What is in the bag, for errors."""
        if not self.topics:
            return 'it has no topics at all'
        listed = ', '.join(
            f'{topic} ({kind}, {self.count(topic)} messages)' for topic, kind in self.topics.items()
        )
        return f'there are: {listed}'

    def _select(self, topics: Sequence[str] | None) -> list[Connection]:
        if topics is None:
            return self._connections
        for topic in topics:
            if topic not in self.topics:
                close = difflib.get_close_matches(topic, self.topics, 1)
                hint = f'did you mean {close[0]}? ' if close else ''
                raise SourceError(f'topic {topic} is not in {self.path}; {hint}{self.contents()}')
        return [c for c in self._connections if c.topic in topics]

    def _is_colour(self, topic: str) -> bool:
        encoding = self.encoding(topic)
        if encoding is None:
            return False
        if self.topics[topic] == COMPRESSED_IMAGE:
            return 'compressedDepth' not in encoding and not encoding.startswith(NOT_COLOUR)
        depth = encoding in NOT_COLOUR or (encoding == 'mono16' and 'depth' in topic)
        return encoding in ENCODINGS and not depth


def _open(path: Path) -> Reader:
    if not path.exists():
        raise SourceError(f'there is no bag at {path}')
    if path.is_file() and path.suffix == '.bag':
        raise SourceError(f'{path} is a ROS 1 bag; convert it with `rosbags-convert`')
    if path.is_dir() and not (path / METADATA).is_file():
        files = _storage_files(path)
        if len(files) != 1:
            raise SourceError(
                f'{path} is no bag: expected {METADATA} or one file {" or ".join(SUFFIXES)} in it, '
                f'found {len(files)} such files; `ros2 bag reindex` writes the metadata'
            )
        path = files[0]
    if path.is_file() and path.suffix not in SUFFIXES:
        raise SourceError(
            f'{path} is no bag: expected a folder with {METADATA}, or a file '
            f'{" or ".join(SUFFIXES)}'
        )
    try:
        for file in _storage_files(path) if path.is_dir() else [path]:
            if file.suffix == '.mcap':
                check_index(file)
        reader = Reader(path)
        reader.open()
    except SourceError:
        raise
    except Exception as error:  # bytes of a damaged file can make a parser fail anyhow
        raise SourceError(
            f'cannot read the bag {path} ({first_line(error)}). If it was cut off (recorder '
            'killed, copy not finished), copy it again, or save what is in it with `mcap recover`'
        ) from error
    return reader
