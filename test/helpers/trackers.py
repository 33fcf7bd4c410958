"""Trackers from elsewhere, as a user would plug them in."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Masks = Mapping[int, NDArray[np.bool_]]


class Still:
    """What was given stays where it was."""

    made = 0

    def __init__(self, ids: int = 254) -> None:
        self.ids = ids
        self.labels: NDArray[np.int64] | None = None
        type(self).made += 1

    def step(self, frame: NDArray[np.uint8], masks: Masks) -> NDArray[np.int64]:
        if self.labels is None:
            self.labels = np.zeros(frame.shape[:2], np.int64)
        for id_, mask in masks.items():
            if id_ <= self.ids:
                self.labels[mask] = id_
        return self.labels


class Resettable(Still):
    """Is kept and reset."""

    made = 0

    def reset(self) -> None:
        self.labels = None


class Gives:
    """Gives what it is told, whatever it should."""

    def __init__(self, what: str) -> None:
        self.what = what

    def step(self, frame: NDArray[np.uint8], masks: Masks) -> Any:
        size = frame.shape[:2]
        return {
            'floats': np.zeros(size),
            'small': np.zeros((2, 3), np.uint8),
            'high': np.full(size, 300),
            'negative': np.full(size, -1),
            'nothing': None,
        }[self.what]


class Fails:
    """Fails on the frames of some sequences: those whose first pixel is bright."""

    def step(self, frame: NDArray[np.uint8], masks: Masks) -> NDArray[np.uint8]:
        if frame[0, 0, 0] > 128:
            raise RuntimeError('it was\ntoo bright')
        return np.zeros(frame.shape[:2], np.uint8)


class Exits(Fails):
    """Ends the program instead of failing."""

    def step(self, frame: NDArray[np.uint8], masks: Masks) -> NDArray[np.uint8]:
        try:
            return super().step(frame, masks)
        except RuntimeError:
            sys.exit(3)


class Dies(Still):
    """Ends its process on bright frames, as the system does when memory runs out.

    Draws one object on device `one` and two on device `two`.
    """

    def __init__(self, device: str) -> None:
        super().__init__({'one': 1, 'two': 2}[device])

    def step(self, frame: NDArray[np.uint8], masks: Masks) -> NDArray[np.int64]:
        if frame[0, 0, 0] > 128:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().step(frame, masks)


class Slow(Still):
    """Takes its time."""

    def step(self, frame: NDArray[np.uint8], masks: Masks) -> NDArray[np.int64]:
        time.sleep(0.1)
        return super().step(frame, masks)


class NoStep:
    """No tracker."""


def broken() -> None:
    raise OSError('no weights')


class KilledOnce(Still):
    """Its process is killed in the middle of the first sequence that asks for it.

    Args:
        marker: file that is made before, so that it happens once.
    """

    def __init__(self, marker: str) -> None:
        super().__init__()
        self.marker, self.frames = marker, 0

    def step(self, frame: NDArray[np.uint8], masks: Masks) -> NDArray[np.int64]:
        self.frames += 1
        if self.frames == 4 and not os.path.exists(self.marker):
            open(self.marker, 'x').close()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().step(frame, masks)


class OnFirstGpu(Still):
    """Works in a process that was given one GPU or a part of it, whatever its number."""

    def __init__(self, device: str) -> None:
        super().__init__()
        if (device, os.environ.get('CUDA_VISIBLE_DEVICES')) != ('cuda:0', '0'):
            raise RuntimeError(f'{device}, of {os.environ.get("CUDA_VISIBLE_DEVICES")!r}')
