"""Cuts a stream of frames into windows, and keeps recent frames so that tracking can go back to one
of them.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from drift_ros.errors import SettingsError
from drift_ros.features.base import FeatureExtractor
from drift_ros.settings import WindowSettings
from drift_ros.structures import Frame


@dataclass(slots=True, eq=False)
class BufferedFrame:
    """A frame in the buffer. Prompts and labels are the tracker's, the rest stays.

    Attributes:
        frame: the frame.
        number: its place in the stream, counted by the buffer without gaps.
        gap: frames lost between the previous one and this one.
        segment: number of the part of the stream that it belongs to; no window spans two.
        prompts: masks given for this frame: id -> (H, W) bool.
        labels: (H, W) uint8 ids, once the frame was labelled in the current generation.
    """

    frame: Frame
    number: int
    gap: int
    segment: int = 0
    prompts: dict[int, NDArray[np.bool_]] = field(default_factory=dict)
    labels: NDArray[np.uint8] | None = None


@dataclass(frozen=True, slots=True)
class FrameWindow:
    """Consecutive frames of one segment, of which the newest `new` are to be labelled."""

    frames: list[BufferedFrame]
    new: int

    @property
    def new_frames(self) -> list[BufferedFrame]:
        """Those that are to be labelled."""
        return self.frames[-self.new :]


def window_size(extractor: FeatureExtractor, settings: WindowSettings) -> tuple[int, int]:
    """Length and stride of windows in frames. A streaming extractor gives each frame at once,
    however many it remembers.
    """
    length = settings.length or extractor.window_length
    return length, settings.stride or (1 if extractor.streaming else length)


class WindowBuffer:
    """A bounded history of frames with a cursor: frames before it are labelled, the others wait.

    Invariants: every frame that enters is handed out as new exactly once between two calls of
    `rewind`, in order. Windows lie within one segment, so they are shorter at the start and at the
    end of one; they are never padded. The buffer holds at most max(history, length) labelled frames
    besides the waiting ones.

    Args:
        length: frames per window.
        stride: new frames per window, at most `length`.
        history: labelled frames to keep for `rewind`.
    """

    def __init__(self, length: int, stride: int, history: int) -> None:
        if not 1 <= stride <= length:
            raise SettingsError(
                f'setting window.stride is {stride}, it must lie between 1 and the window length '
                f'{length} '
                '(frames), or some frames would never be seen by the extractor'
            )
        self.length = length
        self.stride = stride
        self.history = max(history, length)
        self._frames: deque[BufferedFrame] = deque()
        self._pushed = 0
        self._cursor = 0  # number of the first frame that waits
        self._segment = 0  # of the frames to come
        self._index: int | None = None  # of the newest frame, taken or not
        self._lost = 0  # frames between those that were not taken

    @property
    def waiting(self) -> int:
        """Number of frames not yet handed out."""
        return self._pushed - self._cursor

    @property
    def cursor(self) -> int:
        """Number of the first frame that waits, or that will."""
        return self._cursor

    @property
    def next(self) -> BufferedFrame | None:
        """The first frame that waits."""
        return self._frames[self._cursor - self._frames[0].number] if self.waiting else None

    @property
    def newest(self) -> BufferedFrame | None:
        """The newest frame."""
        return self._frames[-1] if self._frames else None

    def push(self, frame: Frame) -> BufferedFrame:
        """Add the next frame of the stream."""
        self.pass_over(frame)
        entry = self.foresee(frame)
        entry.gap, self._lost = self._lost, 0
        self._frames.append(entry)
        self._pushed += 1
        self._trim()
        return entry

    def foresee(self, frame: Frame) -> BufferedFrame:
        """What the next frame will be in the stream, its gap left out, if nothing changes before it
        is pushed.
        """
        return BufferedFrame(frame, self._pushed, 0, self._segment)

    def pass_over(self, frame: Frame) -> None:
        """Note a frame that is not taken: it is not lost, but the ones before it may be."""
        last, self._index = self._index, frame.index
        if last is not None:
            self._lost += max(0, frame.index - last - 1)
            self._index = max(frame.index, last)

    def take(self, end: int | None = None) -> FrameWindow:
        """Hand out the next window: at most `stride` waiting frames of one segment, with the frames
        before them as context. At least one frame must wait.

        Args:
            end: number of the first frame that is not to be handed out yet; greater than that of
                the first waiting one.
        """
        end = min(self._cursor + self.stride, self._pushed if end is None else end)
        first = self._cursor - self._frames[0].number
        segment = self._frames[first].segment
        new = sum(h.segment == segment for h in islice(self._frames, first, None) if h.number < end)
        self._cursor += new
        start = self._cursor - self.length
        frames = [
            h for h in self._frames if start <= h.number < self._cursor and h.segment == segment
        ]
        self._trim()
        return FrameWindow(frames, new)

    def shrink(self) -> None:
        """Halve the windows from now on."""
        self.length = max(1, self.length // 2)
        self.stride = min(self.stride, self.length)

    def find(self, stamp: int | None) -> BufferedFrame | None:
        """The kept frame with this stamp, or the newest one for None."""
        if stamp is None:
            return self.newest
        return next((h for h in reversed(self._frames) if h.frame.stamp == stamp), None)

    def kept(self) -> tuple[int, int] | None:
        """Stamps of the oldest and the newest kept frame in ns."""
        return (self._frames[0].frame.stamp, self._frames[-1].frame.stamp) if self._frames else None

    def rewind(self, entry: BufferedFrame) -> None:
        """Go back: this frame and the ones after it wait again. A frame that waits already changes
        nothing.
        """
        self._cursor = min(self._cursor, entry.number)

    def after(self, number: int) -> list[BufferedFrame]:
        """The kept frames from this number on."""
        return [h for h in self._frames if h.number >= number]

    def all(self) -> list[BufferedFrame]:
        """Every kept frame, oldest first."""
        return list(self._frames)

    @property
    def interrupted(self) -> bool:
        """Whether nothing came since `cut_here`."""
        newest = self.newest
        return newest is None or newest.segment != self._segment

    def cut_here(self) -> None:
        """Begin a segment: no window spans the frames before and after this call."""
        self._segment += 1

    def clear(self) -> None:
        """Forget all frames; another stream begins."""
        self._frames.clear()
        self._cursor = self._pushed
        self._index, self._lost = None, 0

    def _trim(self) -> None:
        while self._frames and self._frames[0].number < self._cursor - self.history:
            self._frames.popleft()
