"""Writes ROS 2 bags (mcap and sqlite3) without ROS."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

from rosbags.interfaces import Connection
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, WriterError

from drift_ros.errors import OutputError, first_line
from drift_ros.io.bag_checks import CheckedWriter
from drift_ros.io.closing import Closing
from drift_ros.io.messages import typestore

STORAGES = {'mcap': StoragePlugin.MCAP, 'sqlite3': StoragePlugin.SQLITE3}
BAG_VERSION: Literal[8, 9] = 8  # the oldest that the library writes, so that most readers know it


class BagWriter(Closing):
    """A new bag. A context manager; it is open from the start.

    What was written stays readable if the block is left by an error. Where the disk is full, the
    file ends in the middle and metadata.yaml is missing, so that nobody takes it for a whole bag.

    Args:
        path: folder to make; its parents too.
        compress: compress with zstd, as label maps deserve; only with mcap, whose readers all
            know it.

    Attributes:
        types: the types that `write` takes: those of ROS 2 and of this package.

    Raises:
        OutputError: the path exists or cannot be made, or the storage does not compress.
    """

    def __init__(
        self,
        path: str | Path,
        storage: Literal['mcap', 'sqlite3'] = 'mcap',
        compress: bool = False,
    ) -> None:
        self.path = Path(path)
        if storage not in STORAGES:
            raise OutputError(f'unknown storage {storage!r}; expected {" or ".join(STORAGES)}')
        if self.path.exists():
            raise OutputError(f'{self.path} exists; name another place, or remove it first')
        self.types = typestore()
        self._connections: dict[tuple[str, str], Connection] = {}
        plugin = STORAGES[storage]
        self._writer = CheckedWriter(self.path, version=BAG_VERSION, storage_plugin=plugin)
        self._broken = False
        if compress and storage != 'mcap':
            raise OutputError(f'bags of {storage} cannot be compressed here; use mcap')
        if compress:
            self._writer.set_compression(CompressionMode.STORAGE, CompressionFormat.ZSTD)
        try:
            self._writer.open()
        except Exception as error:
            if not isinstance(error, WriterError):  # which says that somebody else just made it
                shutil.rmtree(self.path, ignore_errors=True)
            raise OutputError(f'cannot make the bag {self.path}: {first_line(error)}') from error

    def close(self) -> None:
        """Write index and metadata, and close; of a bag that could not be written, close alone.

        Raises:
            OutputError: they cannot be written.
        """
        if self._writer.storage is None:
            return
        try:
            if not self._broken:
                self._writer.close()
        except Exception as error:
            self._broken = True
            raise self._problem(error) from error
        finally:
            if self._broken:
                with suppress(OSError, sqlite3.Error):  # what is in memory has no place either
                    self._writer.abort()
                with suppress(OSError):
                    self._writer.metapath.with_suffix('.yaml.tmp').unlink(missing_ok=True)

    def write(self, topic: str, typename: str, message: Any, stamp_ns: int) -> None:
        """Write a message object of the library rosbags (drift_ros.io.messages builds them).

        Args:
            typename: such as `sensor_msgs/msg/Image`.
            stamp_ns: time of receipt in ns.

        Raises:
            OutputError: as `write_raw`; or the message does not fit its type.
        """
        try:
            cdr = self.types.serialize_cdr(message, typename)
        except Exception as error:
            raise OutputError(
                f'cannot write a message on {topic} as {typename}: {type(error).__name__}: '
                f'{first_line(error)}'
            ) from error
        self.write_raw(topic, typename, cdr, stamp_ns)

    def write_raw(self, topic: str, typename: str, cdr: bytes | memoryview, stamp_ns: int) -> None:
        """Write a serialised message.

        Args:
            typename: such as `sensor_msgs/msg/Image`.
            cdr: the message with its encapsulation header, as rclpy and BagReader.raw give it.
            stamp_ns: time of receipt in ns.

        Raises:
            OutputError: the type is unknown, or the bag cannot be written (disk full, closed).
        """
        try:
            connection = self._connections.get((topic, typename))
            if connection is None:
                connection = self._add(topic, typename)
            self._writer.write(connection, stamp_ns, cdr)
        except OutputError:
            raise
        except Exception as error:
            self._broken = isinstance(error, OSError | sqlite3.Error)
            raise self._problem(error, topic) from error

    def _problem(self, error: Exception, topic: str = 'its end') -> OutputError:
        left = ''
        if self._broken:
            left = '; the bag is cut off there: make room and write it anew'
            if self._writer.storage_plugin is StoragePlugin.MCAP:
                left += ', or save what is in it with `mcap recover`'
        return OutputError(
            f'cannot write {topic} to the bag {self.path}: {first_line(error)}{left}'
        )

    def _add(self, topic: str, typename: str) -> Connection:
        if typename not in self.types.fielddefs:
            raise OutputError(f'cannot write {topic}: the type {typename} is not known here')
        connection = self._writer.add_connection(topic, typename, typestore=self.types)
        self._connections[topic, typename] = connection
        return connection
