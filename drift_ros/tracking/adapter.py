"""Adapts the attention kernel of a stream to its targets, beside the tracking."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from torch import Tensor

from drift_ros.adaptation import files
from drift_ros.adaptation.fitting import Example, Fitting
from drift_ros.descriptors import Descriptors
from drift_ros.errors import SettingsError
from drift_ros.features.base import FeatureExtractor
from drift_ros.propagation import Affinity, AttentionAffinity
from drift_ros.settings import TrackerSettings

log = logging.getLogger(__name__)

Copy = Callable[[], Descriptors]  # descriptors of the mirrored frame


class Adapter:
    """Fits weights of heads to prompted frames, and lets the affinity use them once they are there.

    A newer prompted frame begins a new fit; until it is done the weights before it hold.

    Args:
        affinity: of the stream.
        extractor: whose heads are weighed.
        settings: of the tracker.
        live: whether fitting has to share its time with tracking; else it is done at once.

    Raises:
        SettingsError: the extractor has no heads, and something is to be adapted.
        CheckpointError: the file of an earlier adaptation is missing, damaged or of another model.

    Attributes:
        since: number of the frame from which on the present weights hold; None if they are those
            of the start.
    """

    def __init__(
        self,
        affinity: Affinity,
        extractor: FeatureExtractor,
        settings: TrackerSettings,
        live: bool = False,
    ) -> None:
        self._settings = settings.adaptation
        self._live = live
        self._device = extractor.device
        self._affinity = affinity if isinstance(affinity, AttentionAffinity) else None
        self._fitting: Fitting | None = None
        self._prompted = -1  # number of the frame that is fitted to
        self.since: int | None = None
        self._start: Tensor | None = None
        wanted = self._settings.heads != 'uniform' or self._settings.file
        if wanted and self._affinity is None:
            raise SettingsError(
                f'adaptation.{"file" if self._settings.file else "heads"} needs an extractor that '
                f'reads attention, and {extractor.name} reads features: set features.name to '
                'image-attention or embedded-attention, or leave the adaptation out'
            )
        if self._settings.file:
            path = Path(self._settings.file).expanduser()
            self._start = files.load(path, identity(settings, extractor), extractor.heads)
        self.reset()

    @property
    def weights(self) -> Tensor | None:
        """(heads,) that hold now; None: all alike."""
        return None if self._affinity is None else self._affinity.weights

    @property
    def mirrors(self) -> bool:
        """Whether a fit needs a mirrored copy of the prompted frame."""
        return self._settings.heads != 'uniform' and self._settings.example == 'copy'

    @property
    def state(self) -> str:
        """For people: how far the adaptation is."""
        if self._fitting is not None:
            return f'{self._fitting.progress:.0%} on frame {self._prompted}'
        return 'none' if self.since is None else f'done, in use from frame {self.since} on'

    def reset(self) -> None:
        """End what is going on, and go back to the weights of the start."""
        self._fitting = None
        self.since = None
        if self._affinity is not None:
            start = self._start
            self._affinity.weights = None if start is None else start.to(self._device)

    def go_back_to(self, number: int) -> None:
        """Frames from this number on come again; a fit to one of them ends."""
        if number <= self._prompted:
            self._fitting = None

    def end(self) -> None:
        """End what is going on; the weights stay."""
        self._fitting = None

    def begin(self, number: int, described: Descriptors, labels: Tensor, copy: Copy) -> None:
        """Fit to a prompted frame.

        Args:
            number: of the frame.
            described: of the frame (n = 1).
            labels: (K, h, w) float32, channel 0 = background.
            copy: describes the mirrored frame.
        """
        if self._settings.heads == 'uniform' or self._affinity is None:
            return
        seen = [slot for slot in range(1, len(labels)) if bool(labels[slot].any())]
        if not seen:
            return
        labels = labels[[0, *seen]].to(self._device)
        if self.mirrors:
            example = Example(copy(), described, labels, labels.flip(2))
        else:
            example = Example(described, described, labels, labels)
        self._fitting, self._prompted = Fitting(example, self._settings), number
        if not self._live:
            self._go_on(None, number)

    def spend(self, number: int) -> None:
        """Go on fitting, for as long as one frame may take, if there is anything to fit.

        Args:
            number: of the next frame.
        """
        if self._fitting is not None:
            self._go_on(self._settings.budget, number)

    def _go_on(self, seconds: float | None, number: int) -> None:
        assert self._fitting is not None
        assert self._affinity is not None
        if not self._fitting.advance(seconds):
            return
        self._affinity.weights = self._fitting.weights
        self._fitting = None
        self.since = number
        log.info('attention heads are weighed from frame %d on', number)


def identity(settings: TrackerSettings, extractor: FeatureExtractor) -> str:
    """Name of what is adapted: the extractor with its model."""
    features = settings.features
    image = features.name.startswith('image')
    model, own = (features.image.model, features.image) if image else ('', features.embedded)
    checkpoint = Path(own.checkpoint).name
    return ' '.join(part for part in (extractor.name, model, checkpoint) if part)
