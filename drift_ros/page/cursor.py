"""Any frame of a source that can only be read from its beginning."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator

from drift_ros.errors import SourceError
from drift_ros.io.frames import Source
from drift_ros.structures import Frame

KEPT_BYTES = 256 << 20


class Cursor:
    """Frames of a source by their numbers. Going on is fast, and so is going back to frames that
    are still in memory; any other step back reads from the beginning.

    Args:
        source: it stays open, and belongs to the cursor.

    Attributes:
        count: number of frames; what the source promises, until its end was seen.

    Raises:
        SourceError: it has no frame.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._lock = threading.Lock()
        self._frames: Iterator[Frame] | None = None
        self._read = -1  # number of the last frame that was read
        self._kept: OrderedDict[int, Frame] = OrderedDict()
        self._bytes = 0
        self.count = source.count or 0
        if not self.count:
            self.count = self._end() + 1
        self.frame(0)

    def frame(self, index: int) -> Frame:
        """The frame of a number, or the next one where that is broken.

        Raises:
            SourceError: there is none, or the source is damaged before it.
        """
        with self._lock:
            if (kept := self._kept.get(index)) is not None:
                return kept
            if self._frames is None or index <= self._read:
                self._frames, self._read = self._source.frames(), -1
            last: Frame | None = None
            for last in self._frames:
                self._keep(last)
                if last.index >= index:
                    return last
            self._frames = None
            self.count = self._read + 1 if last is None else last.index + 1
            if last is None:
                raise SourceError(
                    f'{self._source.name} has no frame {index}: '
                    f'{"; ".join(list(self._source.skipped)[:2]) or f"it has {self.count}"}'
                )
            return last

    def close(self) -> None:
        """Close the source."""
        with self._lock:
            self._frames = None
            self._kept.clear()
            self._source.close()

    def _keep(self, frame: Frame) -> None:
        self._read = frame.index
        if frame.index not in self._kept:
            self._bytes += frame.image.nbytes
        self._kept[frame.index] = frame
        while self._bytes > KEPT_BYTES and len(self._kept) > 1:
            self._bytes -= self._kept.popitem(last=False)[1].image.nbytes

    def _end(self) -> int:
        last = -1
        for frame in self._source.frames():
            last = frame.index
        return last
