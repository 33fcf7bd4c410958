"""Adapts the attention kernel to a prompted frame, in portions that a stream leaves time for."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from drift_ros.adaptation.heads import HeadFit, answers, closed_form
from drift_ros.adaptation.loss import require_cells
from drift_ros.adaptation.text import TextFit, insert
from drift_ros.descriptors import Descriptors
from drift_ros.features.cross_attention import View
from drift_ros.settings import AdaptationSettings


@dataclass(frozen=True, slots=True, eq=False)
class Adaptation:
    """What was fitted.

    Attributes:
        heads: (heads,) float32 weights that sum to one; None: all alike.
        embeddings: (targets, dim) float32 at the output of the text encoder; None: the prompt.
    """

    heads: Tensor | None = None
    embeddings: Tensor | None = None


class PromptedFrame(Protocol):
    """The frame that is fitted to."""

    @property
    def labels(self) -> Tensor:
        """(K, h, w) float32 on the finest grid, channel 0 = background."""

    def describe(self, text: Tensor | None, mirrored: bool = False) -> Descriptors:
        """Descriptors (n = 1) of it, or of its mirror image, with a text (1, tokens, dim) in place
        of the prompt.
        """

    def view(self, layers: str) -> tuple[View, Tensor]:
        """What the network reads in it for any text, and the prompt (1, tokens, dim)."""


class Fitting:
    """A fit that is going on.

    Args:
        frame: what is fitted to.
        settings: of the adaptation.

    Raises:
        PromptError: a target has no cell.

    Attributes:
        progress: share of the work that is done, 0 to 1.
        found: what was fitted, once all is done; None before.
    """

    def __init__(self, frame: PromptedFrame, settings: AdaptationSettings) -> None:
        require_cells(frame.labels)
        self.progress = 0.0
        self.found: Adaptation | None = None
        self._frame, self._settings = frame, settings
        self._work = self._run()

    def advance(self, seconds: float | None = None) -> bool:
        """Go on for that long, or to the end; a portion that has begun is finished.

        Returns:
            Whether all is done.
        """
        end = None if seconds is None else time.perf_counter() + seconds
        for progress in self._work:
            self.progress = progress
            if end is not None and time.perf_counter() >= end:
                break
        return self.found is not None

    def _run(self) -> Iterator[float]:
        """The embeddings first: they change what the heads see."""
        text, embeddings = None, None
        before = self._settings.text.steps if self._settings.text.invert else 0
        weigh = self._settings.heads != 'uniform'
        described = self._frame.describe(None) if weigh else None
        heads = 0 if described is None else len(described.keys)
        steps = self._settings.steps if self._settings.heads == 'fitted' else 0
        total = before + heads + steps
        if before:
            view, prompt = self._frame.view(self._settings.text.layers)
            fit = TextFit(view, prompt, self._frame.labels, self._settings.text)
            for step in range(before):
                fit.step()
                yield (step + 1) / total
            embeddings = fit.embeddings
            text = insert(prompt, embeddings)
            described = self._frame.describe(text) if weigh else None
        weights = None
        if described is not None:
            weights = yield from self._weigh(described, text, before, total)
        self.found = Adaptation(weights, embeddings)

    def _weigh(
        self, remembered: Descriptors, text: Tensor | None, before: int, total: int
    ) -> Generator[float, None, Tensor]:
        """Yields the progress, of `total` portions with `before` done; returns weights of heads."""
        settings, labels, expected = self._settings, self._frame.labels, self._frame.labels
        described, margin = remembered, settings.margin
        if settings.example == 'copy':
            described, margin = self._frame.describe(text, mirrored=True), -1
            expected = labels.flip(2)
        found = []
        maps = zip(described.queries, remembered.keys, strict=True)
        for query, key in maps:
            with torch.no_grad():
                found.append(answers([query[0]], [key[0]], labels, margin))
            yield (before + len(found)) / total
        every = torch.cat(found)
        if settings.heads == 'closed-form':
            return closed_form(every, expected, settings.temperature)
        fit = HeadFit(every, expected, settings.rate)
        for step in range(settings.steps):
            fit.step()
            yield (before + len(found) + step + 1) / total
        return fit.weights
