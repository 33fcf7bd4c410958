"""How the cells of a frame are compared with those of remembered frames."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from drift_ros.cuda_graph import Graphed
from drift_ros.descriptors import Descriptors
from drift_ros.errors import SettingsError
from drift_ros.propagation.attention import attend
from drift_ros.propagation.kernel import propagate, unit
from drift_ros.propagation.memory import Memory
from drift_ros.propagation.reduction import ChannelReduction
from drift_ros.propagation.tiled import search_tiles
from drift_ros.propagation.window import Task

if TYPE_CHECKING:
    from drift_ros.settings import PropagationSettings


class Affinity(ABC):
    """Carries labels over from remembered frames to the cells that resemble theirs.

    Attributes:
        settings: of the propagation, where it has any; what is not marked `dynamic` must stay as it
            was.
    """

    settings: PropagationSettings

    @abstractmethod
    def prepare(self, descriptors: Descriptors) -> Descriptors:
        """What is compared and remembered, of what an extractor gave for the new frames of a
        window.
        """

    @abstractmethod
    def propagate(self, query: Descriptors, memory: Memory, known: Tensor | None = None) -> Tensor:
        """Soft labels of a frame.

        Args:
            query: prepared descriptors of the frame (n = 1).
            memory: the remembered frames, at least one.
            known: (T, K) bool, which of them know about which label; None: all about all.

        Returns:
            (K, h, w) float32 in the range of the remembered ones.
        """

    def reset(self) -> None:  # noqa: B027 - most fit nothing
        """Forget what was fitted to earlier descriptors; nothing is remembered any more."""


class FeatureAffinity(Affinity):
    """Cosine or scalar product of plain features, the best matches of each cell.

    With `channels`, features are reduced by a projection that is fitted to the first ones.

    Args:
        settings: of the propagation.
    """

    def __init__(self, settings: PropagationSettings) -> None:
        self.settings = settings
        self._normalize = settings.similarity == 'cosine'
        self._reduction = (
            ChannelReduction(settings.channels, settings.reduction, normalize=self._normalize)
            if settings.channels
            else None
        )
        self._search = Graphed(  # what is remembered stays in place
            lambda *parts: search_tiles(Task(*parts)), at_place=(1, 2)
        )

    def prepare(self, descriptors: Descriptors) -> Descriptors:
        """Features of unit length, unless the similarity is `dot`."""
        if self._normalize:
            descriptors = descriptors.map(lambda features: unit(features, 1))
        return descriptors if self._reduction is None else descriptors.map(self._reduction)

    @torch.no_grad()
    def propagate(self, query: Descriptors, memory: Memory, known: Tensor | None = None) -> Tensor:
        """Mean labels of the best matches (see `propagation.propagate`)."""
        settings = self.settings
        return propagate(
            query.features[0],
            memory.keys[0],
            memory.labels,
            temperature=settings.temperature,
            top_k=settings.top_k,
            radius=settings.radius,
            window=settings.window,
            mask_first=settings.mask_references,
            first=len(memory.references),
            similarity=settings.similarity,
            known=known,
            normalized=True,
            search=lambda task: self._search(*task),
        )

    def reset(self) -> None:
        """Let the next descriptors fit the projection."""
        if self._reduction is not None:
            self._reduction.reset()


class AttentionAffinity(Affinity):
    """The attention of several heads, one softmax per head over all remembered frames.

    Args:
        settings: of the propagation.

    Raises:
        SettingsError: channels are to be reduced, which features can be, but not queries and keys.

    Attributes:
        weights: (heads,) of their mean; None: all alike.
    """

    def __init__(self, settings: PropagationSettings) -> None:
        if settings.channels:
            raise SettingsError(
                f'propagation.channels is {settings.channels}: queries and keys of attention '
                'cannot be reduced, set it to 0'
            )
        self.settings = settings
        self.weights: Tensor | None = None

    def prepare(self, descriptors: Descriptors) -> Descriptors:
        """As they are: their lengths mean something."""
        return descriptors

    def propagate(self, query: Descriptors, memory: Memory, known: Tensor | None = None) -> Tensor:
        """Labels as the values of attention (see `propagation.attend`)."""
        settings = self.settings
        limited = settings.attention_window
        return attend(
            [queries[0] for queries in query.queries],
            memory.keys,
            memory.labels,
            weights=self.weights,
            top_k=settings.top_k if limited else 0,
            radius=settings.radius if limited else 0,
            window=settings.window,
            mask_first=settings.mask_references,
            first=len(memory.references),
            known=known,
        )


def create_affinity(settings: PropagationSettings, heads: int = 0) -> Affinity:
    """What compares the descriptors of an extractor.

    Args:
        settings: of the propagation.
        heads: maps of queries and keys that it gives; 0 for plain features.
    """
    return AttentionAffinity(settings) if heads else FeatureAffinity(settings)
