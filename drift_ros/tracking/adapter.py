"""Adapts the attention kernel of a stream to its targets, beside the tracking."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from drift_ros.adaptation import files
from drift_ros.adaptation.fitting import Adaptation, Fitting
from drift_ros.adaptation.text import insert
from drift_ros.descriptors import Descriptors
from drift_ros.errors import DriftError, SettingsError
from drift_ros.features.base import FeatureExtractor
from drift_ros.features.cross_attention import TextConditioned, View
from drift_ros.interruption import GivenUpError
from drift_ros.propagation import Affinity, AttentionAffinity
from drift_ros.propagation.memory import Memory
from drift_ros.settings import TrackerSettings
from drift_ros.structures import Frame
from drift_ros.tracking.feature_pipeline import FeaturePipeline

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class PromptedFrame:
    """A frame with the labels that were given for it (see `adaptation.fitting.PromptedFrame`)."""

    frame: Frame
    labels: Tensor
    described: Descriptors
    features: FeaturePipeline

    def describe(self, text: Tensor | None, mirrored: bool = False) -> Descriptors:
        """As the stream reads frames, or mirrored, or with another text."""
        if text is None and not mirrored:
            return self.described
        image = self.frame.image[:, ::-1] if mirrored else self.frame.image
        return self.features.describe_alone(image, self.frame.stamp, text)

    def view(self, layers: str) -> tuple[View, Tensor]:
        """What the network reads in it for any text, and the prompt."""
        extractor = self.features.extractor
        assert isinstance(extractor, TextConditioned)
        image = self.features.input_of(self.frame.image)
        return extractor.view(image, self.frame.stamp, layers), extractor.prompt


class Adapter:
    """Fits an embedding per target and weights of heads to prompted frames, and lets the stream use
    them once they are there.

    A newer prompted frame begins a new fit; until it is done, what was fitted before holds. With
    new embeddings the prompted frames that are remembered are described anew; recent ones stay as
    they are until they are forgotten.

    Args:
        affinity: of the stream.
        features: of the stream.
        memory: of the stream.
        settings: of the tracker.
        live: whether fitting has to share its time with tracking; else it is done at once.

    Raises:
        SettingsError: the extractor has no heads or takes no text, and these are to be adapted.
        CheckpointError: the file of an earlier adaptation is missing, damaged or of another model.

    Attributes:
        since: number of the frame from which on the present adaptation holds; None if it is that of
            the start.
    """

    def __init__(
        self,
        affinity: Affinity,
        features: FeaturePipeline,
        memory: Memory,
        settings: TrackerSettings,
        live: bool = False,
    ) -> None:
        extractor = features.extractor
        self._settings = settings.adaptation
        self.budget = settings.adaptation.budget
        self._live = live
        self._prepare = affinity.prepare
        self._features, self._memory = features, memory
        self._device = extractor.device
        self._affinity = affinity if isinstance(affinity, AttentionAffinity) else None
        self._fitting: Fitting | None = None
        self._prompted = -1  # number of the frame that is fitted to
        self._frames: dict[int, Frame] = {}  # prompted ones, by number
        self._failure = ''
        self.since: int | None = None
        self._present = self._start = Adaptation()
        self._require(extractor)
        if self._settings.file:
            path = Path(self._settings.file).expanduser()
            dim = extractor.prompt.shape[2] if isinstance(extractor, TextConditioned) else 0
            self._start = files.load(path, identity(settings, extractor), extractor.heads, dim)
        self.reset()

    @property
    def found(self) -> Adaptation:
        """What holds now."""
        return self._present

    @property
    def state(self) -> str:
        """For people: how far the adaptation is."""
        if self._fitting is not None:
            return f'{self._fitting.progress:.0%} on frame {self._prompted}'
        if self._failure:
            return f'failed on frame {self._prompted}: {self._failure}'
        return 'none' if self.since is None else f'done, in use from frame {self.since} on'

    def reset(self) -> None:
        """End what is going on, and go back to the adaptation of the start."""
        self._fitting = None
        self._failure = ''
        self._frames.clear()
        self.since = None
        self._use(self._start)

    def go_back_to(self, number: int) -> None:
        """Frames from this number on come again; a fit to one of them ends."""
        if number <= self._prompted:
            self._fitting = None

    def end(self) -> None:
        """End what is going on; what was fitted stays."""
        self._fitting = None

    def begin(self, number: int, frame: Frame, described: Descriptors, labels: Tensor) -> None:
        """Fit to a prompted frame.

        Args:
            number: of the frame.
            frame: the frame.
            described: descriptors of it (n = 1).
            labels: (K, h, w) float32, channel 0 = background.
        """
        if self._settings.heads == 'uniform' and not self._settings.text.invert:
            return
        seen = [slot for slot in range(1, len(labels)) if bool(labels[slot].any())]
        if not seen:
            return
        self._frames = {k: v for k, v in self._frames.items() if k in self._memory.references}
        self._frames[number] = frame
        labels = labels[[0, *seen]].to(self._device)
        prompted = PromptedFrame(frame, labels, described, self._features)
        self._fitting, self._prompted = Fitting(prompted, self._settings), number
        self._failure = ''
        if not self._live:
            self._go_on(None, number)

    def spend(self, number: int) -> None:
        """Go on fitting, for as long as one frame may take, if there is anything to fit.

        Args:
            number: of the next frame.
        """
        if self._fitting is not None:
            self._go_on(self.budget, number)

    def _go_on(self, seconds: float | None, number: int) -> None:
        fitting = self._fitting
        assert fitting is not None
        try:
            done = fitting.advance(seconds)
        except Exception as error:
            self._fitting = None
            self._failure = str(error)
            expected = isinstance(error, (DriftError, torch.OutOfMemoryError))
            if not self._live or not expected or isinstance(error, GivenUpError):
                raise
            log.error('the adaptation failed, tracking goes on without it: %s', error)
            return
        if not done:
            return
        assert fitting.found is not None
        self._fitting = None
        self._use(fitting.found)
        self.since = number
        log.info('what was adapted holds from frame %d on', number)

    def _use(self, found: Adaptation) -> None:
        self._present = found
        if self._affinity is not None:
            heads = found.heads
            self._affinity.weights = None if heads is None else heads.to(self._device)
        extractor, text = self._features.extractor, None
        if found.embeddings is not None:
            assert isinstance(extractor, TextConditioned)
            text = insert(extractor.prompt, found.embeddings.to(self._device))
        if text is None and self._features.text is None:
            return
        self._features.text = text
        for number in self._memory.references:
            if number in self._frames:
                frame = self._frames[number]
                anew = self._features.describe_alone(frame.image, frame.stamp)
                self._memory.replace(number, self._prepare(anew))

    def _require(self, extractor: FeatureExtractor) -> None:
        """Refuse what the extractor cannot do."""
        adapts = self._settings
        takes_text = isinstance(extractor, TextConditioned)
        if adapts.text.invert and not takes_text:
            raise SettingsError(
                f'adaptation.text.invert is set, and the network of {extractor.name} has no '
                'cross-attention to a text here: take features.name image-attention or image-unet '
                'with features.image.model sd-2.1 or sd-1.5, or set it to false'
            )
        heads = adapts.heads != 'uniform'
        if (heads or (adapts.file and not takes_text)) and self._affinity is None:
            raise SettingsError(
                f'adaptation.{"heads" if heads else "file"} needs an extractor that '
                f'reads attention, and {extractor.name} reads features: set features.name to '
                'image-attention or embedded-attention, or leave the adaptation out'
            )


def identity(settings: TrackerSettings, extractor: FeatureExtractor) -> str:
    """Name of what is adapted: the extractor with its model."""
    features = settings.features
    image = features.name.startswith('image')
    model, own = (features.image.model, features.image) if image else ('', features.embedded)
    checkpoint = Path(own.checkpoint).name
    return ' '.join(part for part in (extractor.name, model, checkpoint) if part)
