"""What the library rosbags does not check of a bag, or not write: limits, and checksums of MCAP."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zlib import crc32

from rosbags.rosbag2 import StoragePlugin, Writer, metadata, reader
from rosbags.rosbag2.storage_mcap import McapWriter
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from drift_ros.documents import DocumentError, check_yaml
from drift_ros.errors import SourceError

MAX_VALUES = 1_000_000  # of a bag that is split into tens of thousands of files
CHUNK_CRC = 9 + 24  # place in the record of a chunk: behind opcode, length, two times and the size
FOOTER, FOOTER_CRC = 37, 12  # bytes from the end of a file to its footer, and to the checksum there


class BoundedYAML(YAML):
    """The YAML parser of rosbags, for texts within our limits alone."""

    def load(self, stream: Any) -> Any:
        """The content of a text.

        Raises:
            YAMLError: it is no YAML, or goes beyond the limits of drift_ros.documents.
        """
        try:
            check_yaml(stream, MAX_VALUES)
        except DocumentError as error:
            raise YAMLError(str(error)) from None
        return super().load(stream)


def limit_metadata() -> None:
    """Have rosbags read the YAML in metadata.yaml and in the channels of a bag within limits."""
    modules: tuple[Any, ...] = (metadata, reader)
    for module in modules:
        module.YAML = BoundedYAML


class CheckedMcapWriter(McapWriter):
    """An MCAP file with the checksums of its chunks, which rosbags checks, and of its index."""

    def close_chunk(self) -> None:
        """Write the pending chunk."""
        start, checksum = self.bio.tell(), crc32(self.chunk.bio.getbuffer())
        super().close_chunk()
        end = self.bio.tell()
        self.bio.seek(start + CHUNK_CRC)
        self.bio.write(checksum.to_bytes(4, 'little'))
        self.bio.seek(end)

    def close(self, version: int, metadata: str) -> None:
        """Write the index, and close."""
        super().close(version, metadata)
        with self.path.open('r+b') as file:
            checksum = _index_checksum(file)[1]
            file.seek(-FOOTER_CRC, 2)
            file.write(checksum.to_bytes(4, 'little'))


class CheckedWriter(Writer):
    """A writer of bags whose MCAP files have checksums."""

    STORAGE_PLUGINS: Mapping[StoragePlugin, Any] = {
        **Writer.STORAGE_PLUGINS,
        StoragePlugin.MCAP: CheckedMcapWriter,
    }


def check_index(path: Path) -> None:
    """Compare the index of an MCAP file with its checksum, where it has one.

    Raises:
        SourceError: they differ.
        OSError: the file cannot be read.
    """
    with path.open('rb') as file:
        file.seek(0, 2)
        if file.tell() < FOOTER:
            return  # the library says what is wrong with it
        written, found = _index_checksum(file)
    if written and written != found:
        raise SourceError(
            f'the index of {path} is damaged (its checksum differs): copy the bag again, or save '
            'what is in it with `mcap recover`'
        )


def _index_checksum(file: Any) -> tuple[int, int]:
    """The checksum that a file has of its index, 0 if none, and what it should be."""
    file.seek(-FOOTER, 2)
    footer_start = file.tell()
    footer = file.read(FOOTER)
    start = int.from_bytes(footer[9:17], 'little')
    written = int.from_bytes(footer[-FOOTER_CRC:-8], 'little')
    if not 0 < start <= footer_start:
        return 0, 0
    file.seek(start)
    return written, crc32(file.read(footer_start + FOOTER - FOOTER_CRC - start))
