"""Compares what an image shows with how a target looked."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from weakref import WeakKeyDictionary

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from drift_ros import resources
from drift_ros.errors import CheckpointError
from drift_ros.recognition.network import Known, RecognitionNetwork
from drift_ros.recognition.views import Image, View, cut, put

WEIGHTS = 'recognition/recognition.safetensors'  # among the package's resources


@dataclass(frozen=True, slots=True, eq=False)
class Sighting:
    """What looks like a target.

    Attributes:
        probability: 0..1 that it does.
        scale: log of how much larger it is than the target was, whichever side it shows: of the
            inverse ratio of distances if it is the target.
        deviation: expected absolute error of that.
        outline: (64, 64) probability that a px of the view shows it.
        middle: (x, y) px of the image, of the view.
        side: px of the image, of the view.
    """

    probability: float
    scale: float
    deviation: float
    outline: Tensor
    middle: tuple[float, float]
    side: float

    def mask(self, size: tuple[int, int]) -> NDArray[np.bool_]:
        """(H, W) where it is in the image, of that size."""
        return put(self.outline, self.middle, self.side, size)


class Recognizer:
    """Compares views by a network, and keeps what is needed of known ones as long as they live.

    Args:
        network: the one that compares.
    """

    def __init__(self, network: RecognitionNetwork) -> None:
        self._network = network
        self._device = network.places.device
        self._known: WeakKeyDictionary[View, Known] = WeakKeyDictionary()

    @classmethod
    def load(cls, device: torch.device, chosen: str = '') -> Recognizer:
        """With weights that were trained before.

        Args:
            device: where the network runs.
            chosen: file of `drift train-recognition`; empty for the weights of the package.

        Raises:
            CheckpointError: they are missing, damaged, or of another network.
        """
        return cls(_network(chosen, device))

    @torch.no_grad()
    def look(self, view: View, image: Image, middle: tuple[float, float]) -> Sighting:
        """Compare what is around a place in an image with how a target looked.

        Args:
            view: of the target.
            image: (H, W, 3) RGB.
            middle: (x, y) px of the place from the image's upper left corner.
        """
        known = self._known.get(view)
        if known is None:
            known = self._network.know(view.pixels[None].to(self._device))
            self._known[view] = known
        verdict = self._network(known, cut(image, middle, view.side)[None].to(self._device))
        return Sighting(
            float(verdict.shown.sigmoid()),
            float(verdict.scale),
            float(verdict.deviation.exp()),
            verdict.mask[0].sigmoid(),
            middle,
            view.side,
        )


@cache
def _network(chosen: str, device: torch.device) -> RecognitionNetwork:
    """One for all trackers of a process on a device; see `Recognizer.load`."""
    path = Path(chosen).expanduser() if chosen else resources.path('resource', WEIGHTS)
    network = RecognitionNetwork()
    try:
        network.load_state_dict(load_file(path))
    except (SafetensorError, RuntimeError, OSError) as error:
        reason = 'of another network' if isinstance(error, RuntimeError) else error
        raise CheckpointError(
            f'{path} does not hold weights for recognition ({reason}): give a '
            'recognition.safetensors of `drift train-recognition` as targets.checkpoint, or leave '
            'it empty for the weights that come with the package'
        ) from None
    return network.to(device).eval().requires_grad_(False)
