"""Fits weights of heads to a prompted frame, in portions that a stream leaves time for."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from drift_ros.adaptation.heads import HeadFit, answers, closed_form, require_cells
from drift_ros.descriptors import Descriptors
from drift_ros.settings import AdaptationSettings


@dataclass(frozen=True, slots=True, eq=False)
class Example:
    """What is fitted to.

    Attributes:
        described: the prompted frame (n = 1), or a transformed copy of it.
        remembered: the prompted frame (n = 1).
        labels: (K, h, w) float32 of the prompted frame, channel 0 = background.
        expected: (K, h, w) float32 of what is described.
    """

    described: Descriptors
    remembered: Descriptors
    labels: Tensor
    expected: Tensor

    @property
    def is_copy(self) -> bool:
        """Whether the described frame is another than the remembered one."""
        return self.described is not self.remembered


class Fitting:
    """A fit that is going on.

    Args:
        example: what is fitted to.
        settings: of the adaptation; `heads` must not be `uniform`.

    Raises:
        PromptError: a target has no cell.

    Attributes:
        progress: share of the work that is done, 0 to 1.
        weights: (heads,) float32 that sum to one, once all is done; None before.
    """

    def __init__(self, example: Example, settings: AdaptationSettings) -> None:
        require_cells(example.labels)
        self.progress = 0.0
        self.weights: Tensor | None = None
        self._work = self._run(example, settings)

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
        return self.weights is not None

    def _run(self, example: Example, settings: AdaptationSettings) -> Iterator[float]:
        heads = len(example.remembered.keys)
        steps = settings.steps if settings.heads == 'fitted' else 0
        found = []
        margin = -1 if example.is_copy else settings.margin
        maps = zip(example.described.queries, example.remembered.keys, strict=True)
        for index, (query, key) in enumerate(maps):
            with torch.no_grad():
                found.append(answers([query[0]], [key[0]], example.labels, margin))
            yield (index + 1) / (heads + steps)
        every = torch.cat(found)
        if not steps:
            self.weights = closed_form(every, example.expected, settings.temperature)
            return
        fit = HeadFit(every, example.expected, settings.rate)
        for step in range(steps):
            fit.step()
            yield (heads + step + 1) / (heads + steps)
        self.weights = fit.weights
