"""Cuts a stream of frames into windows, and keeps recent frames so that tracking can go back to one
of them.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from drift_ros.errors import SettingsError
from drift_ros.tracking.types import Frame


@dataclass(slots=True, eq=False)
class HeldFrame:
    """A frame in the buffer.

    Attributes:
        frame: the frame.
        number: its place in the stream, counted by the buffer without gaps.
        gap: frames lost between the previous one and this one.
        prompts: masks given for this frame: id -> (H, W) bool.
        image: the network's input, (3, H', W') uint8, made when first needed.
        labels: (H, W) uint8 ids, once the frame was labelled in the current generation.
    """

    frame: Frame
    number: int
    gap: int
    prompts: dict[int, NDArray[np.bool_]] = field(default_factory=dict)
    image: Tensor | None = None
    labels: NDArray[np.uint8] | None = None


@dataclass(frozen=True, slots=True)
class Cut:
    """One window: the frames that the extractor sees together, of which the newest `new` are to be
    labelled.
    """

    frames: list[HeldFrame]
    new: int


class WindowBuffer:
    """A bounded history of frames with a cursor: frames before it are labelled, the others wait.

    Invariants: every frame that enters is handed out as new exactly once between two calls of
    `rewind` or `start_at`, in order.
    Windows are shorter at the start of the stream and at its end, never padded. The buffer holds at
    most max(history, length) labelled frames besides the waiting ones.

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
        self._history = max(history, length)
        self._frames: deque[HeldFrame] = deque()
        self._pushed = 0
        self._cursor = 0  # number of the first frame that waits
        self._first = 0  # windows do not reach back beyond this number

    @property
    def waiting(self) -> int:
        """Number of frames not yet handed out."""
        return self._pushed - self._cursor

    @property
    def newest(self) -> HeldFrame | None:
        """The newest frame."""
        return self._frames[-1] if self._frames else None

    def push(self, frame: Frame) -> HeldFrame:
        """Add the next frame of the stream."""
        last = self.newest
        gap = 0 if last is None else max(0, frame.index - last.frame.index - 1)
        held = HeldFrame(frame, self._pushed, gap)
        self._frames.append(held)
        self._pushed += 1
        self._trim()
        return held

    def take(self) -> Cut:
        """Hand out the next window: at most `stride` waiting frames, with the frames before them as
        context.
        """
        new, first = min(self.stride, self.waiting), self._first
        if self._cursor < first:  # went back over a cut: up to it for now
            new, first = min(new, first - self._cursor), 0
        start = max(self._cursor + new - self.length, first)
        frames = [h for h in self._frames if start <= h.number < self._cursor + new]
        self._cursor += new
        for held in self._frames:
            if held.number > self._cursor - self.length:
                break
            held.image = None  # no later window shows it
        self._trim()
        return Cut(frames, new)

    def find(self, stamp: int | None) -> HeldFrame | None:
        """The kept frame with this stamp, or the newest one for None."""
        if stamp is None:
            return self.newest
        return next((h for h in reversed(self._frames) if h.frame.stamp == stamp), None)

    def kept(self) -> tuple[int, int] | None:
        """Stamps of the oldest and the newest kept frame in ns."""
        return (self._frames[0].frame.stamp, self._frames[-1].frame.stamp) if self._frames else None

    def rewind(self, held: HeldFrame) -> None:
        """Go back: this frame and the ones after it wait again. A frame that waits already changes
        nothing.
        """
        self._cursor = min(self._cursor, held.number)

    def start_at(self, held: HeldFrame) -> None:
        """Let this frame be the first that waits."""
        self._cursor = held.number

    def after(self, number: int) -> list[HeldFrame]:
        """The kept frames from this number on."""
        return [h for h in self._frames if h.number >= number]

    def all(self) -> list[HeldFrame]:
        """Every kept frame, oldest first."""
        return list(self._frames)

    @property
    def interrupted(self) -> bool:
        """Whether nothing came since `cut_here`."""
        return self._first == self._pushed

    def cut_here(self) -> None:
        """Let no later window reach back beyond the frames that were pushed so far."""
        self._first = self._pushed

    def clear(self) -> None:
        """Forget all frames."""
        self._frames.clear()
        self._cursor = self._first = self._pushed

    def _trim(self) -> None:
        while self._frames and self._frames[0].number < self._cursor - self._history:
            self._frames.popleft()
