"""Trackers from elsewhere: any object with `step(frame, masks) -> labels`.

    class MyTracker:
        def step(self, frame, masks):
            '''frame: (H, W, 3) uint8 RGB. masks: id -> (H, W) bool of objects that are named now,
            mostly empty behind the first frame. Returns (H, W) integers, value = id.'''

`--method my_package.my_module:MyTracker` makes one for every sequence, with what `--set name=value`
gives as keyword arguments. Where there is a method `reset()`, one object is kept and reset instead.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drift_ros.errors import DriftError, SettingsError
from drift_ros.evaluation.protocols import Labels

MAX_ID = 254


@dataclass(frozen=True)
class PlugIn:
    """A tracker by the place of its factory.

    Attributes:
        place: `package.module:Factory`; the working directory is searched too.
        arguments: keyword arguments of the factory, fit for JSON.
    """

    place: str
    arguments: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Name of the factory."""
        return self.place.rpartition(':')[2]

    @property
    def settings(self) -> Mapping[str, Any]:
        """Its place and its arguments."""
        return {'method': self.place} | {f'method.{k}': v for k, v in self.arguments.items()}

    def make(self, device: str | None = None) -> PlugInMethod:
        """Import the factory and make the first tracker.

        Args:
            device: given to the factory if its settings name a device.
        """
        arguments = dict(self.arguments)
        if device is not None and 'device' in arguments:
            arguments['device'] = device
        return PlugInMethod(self, arguments)

    def factory(self) -> Any:
        """What makes trackers.

        Raises:
            SettingsError: there is none at the place.
        """
        module, colon, name = self.place.partition(':')
        if not (module and colon and name):
            raise SettingsError(
                f'--method is {self.place!r}: expected package.module:Factory, such as '
                'my_tracker:MyTracker'
            )
        if os.getcwd() not in sys.path:
            sys.path.insert(0, os.getcwd())
        try:
            found: Any = importlib.import_module(module)
            for part in name.split('.'):
                found = getattr(found, part)
        except DriftError:
            raise
        except Exception as error:
            raise SettingsError(
                f'--method {self.place!r} cannot be imported: {type(error).__name__}: {error}'
            ) from error
        return found


class PlugInMethod:
    """A tracker from elsewhere in the form that runs expect.

    Raises:
        SettingsError: the factory is missing or fails, or what it makes has no `step`.
    """

    def __init__(self, spec: PlugIn, arguments: Mapping[str, Any]) -> None:
        self.name, self.settings = spec.name, spec.settings
        self._spec, self._factory, self._arguments = spec, spec.factory(), dict(arguments)
        self._tracker, self._fresh = self._make(), True

    def begin(self) -> None:
        """Reset the tracker, or make another."""
        if self._fresh:
            return
        if callable(getattr(self._tracker, 'reset', None)):
            self._tracker.reset()
        else:
            self._tracker = None  # before the next one takes its memory
            self._tracker = self._make()
        self._fresh = True

    def step(
        self,
        index: int,
        stamp: int,
        image: NDArray[np.uint8],
        given: Mapping[int, NDArray[np.bool_]],
    ) -> Sequence[tuple[int, Labels]]:
        """Hand the frame on and check what comes back."""
        self._fresh = False
        return [(index, self._checked(self._tracker.step(image, dict(given)), image.shape[:2]))]

    def end(self) -> Sequence[tuple[int, Labels]]:
        """Nothing waits: every call gives the labels of its frame."""
        return []

    def _make(self) -> Any:
        try:
            tracker = self._factory(**self._arguments)
        except DriftError:
            raise
        except Exception as error:
            raise SettingsError(
                f'--method {self._spec.place} cannot be made with {self._arguments}: '
                f'{type(error).__name__}: {error}'
            ) from error
        if not callable(getattr(tracker, 'step', None)):
            raise SettingsError(
                f'{self._spec.place} gives a {type(tracker).__name__} without step(frame, masks): '
                'expected a tracker'
            )
        return tracker

    def _checked(self, labels: Any, size: tuple[int, ...]) -> Labels:
        found = np.asarray(labels)
        if found.shape != size or found.dtype.kind not in 'iub':
            raise SettingsError(
                f'{self._spec.place}: step gave an array of {found.shape} {found.dtype}; expected '
                f'integers of shape {tuple(size)}, value = id'
            )
        if found.size and not (int(found.min()) >= 0 and int(found.max()) <= MAX_ID):
            raise SettingsError(
                f'{self._spec.place}: step gave ids from {found.min()} to {found.max()}; expected '
                f'0 for background and 1 to {MAX_ID}'
            )
        return found.astype(np.uint8)
