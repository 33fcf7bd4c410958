"""Textual inversion tied to masks: an embedding per target, which cross-attention shows.

The text encoder's output is optimised, as diff-zvos does (Delatolas et al. 2025), and everything
else is frozen. The embeddings stand behind the first token of the prompt.
"""

from __future__ import annotations

import torch
from torch import Tensor

from drift_ros.adaptation.loss import distance, require_cells
from drift_ros.errors import PromptError
from drift_ros.features.cross_attention import View
from drift_ros.propagation.attention import resample, spread
from drift_ros.settings import TextInversionSettings

START = 1e-4  # of every entry


def insert(prompt: Tensor, embeddings: Tensor) -> Tensor:
    """A prompt (1, tokens, dim) with embeddings (n, dim) in place of its tokens from the second on.

    Raises:
        PromptError: there are more targets than a prompt has room for.
    """
    count = len(embeddings)
    if count > prompt.shape[1] - 2:
        raise PromptError(
            f'{count} targets were given for textual inversion, a prompt of this model has room '
            f'for {prompt.shape[1] - 2}: name fewer, or set adaptation.text.invert to false'
        )
    given = embeddings.to(prompt.dtype)[None]
    return torch.cat([prompt[:, :1], given, prompt[:, 1 + count :]], 1)


class TextFit:
    """Fits the embeddings step by step, so that it can be done in small portions.

    Args:
        view: what the network reads in the prompted frame.
        prompt: (1, tokens, dim) that the embeddings are put into.
        labels: (K, h, w) of that frame, channel 0 = background.
        settings: losses and rate.

    Raises:
        PromptError: a target has no cell, or there are too many for a prompt.
    """

    def __init__(
        self, view: View, prompt: Tensor, labels: Tensor, settings: TextInversionSettings
    ) -> None:
        require_cells(labels)
        self._view, self._prompt, self._labels = view, prompt, labels
        self._settings = settings
        shape = (len(labels) - 1, prompt.shape[2])
        self._embeddings = torch.full(shape, START, device=prompt.device, requires_grad=True)
        self._optimiser = torch.optim.AdamW([self._embeddings], lr=settings.rate)
        self._steps = 0
        insert(prompt, self._embeddings.detach())

    @property
    def embeddings(self) -> Tensor:
        """(K - 1, dim) float32, in the order of the targets."""
        return self._embeddings.detach()

    def step(self) -> float:
        """One step; returns the loss before it."""
        targets = range(len(self._embeddings))
        parts = [list(targets)] if self._settings.passes == 'joint' else [[k] for k in targets]
        self._optimiser.zero_grad()
        total = 0.0
        for part in parts:
            with torch.enable_grad():
                loss = self._loss(part)
                (gradient,) = torch.autograd.grad(loss, self._embeddings)
            known = self._embeddings.grad
            self._embeddings.grad = gradient if known is None else known + gradient
            total += float(loss.detach())
        self._optimiser.step()
        self._steps += 1
        return total

    def _loss(self, targets: list[int]) -> Tensor:
        """Of some targets that share a prompt; each step sees a noise of its own."""
        seen = self._view(insert(self._prompt, self._embeddings[targets]), self._steps)
        shares = seen.tokens[0, 1 : 1 + len(targets)]
        grid = (shares.shape[1], shares.shape[2])
        chosen = self._labels[[1 + target for target in targets]]
        expected = resample(chosen[None], grid)[0]
        kind = self._settings.loss
        loss = distance(shares, expected, kind)
        if self._settings.spread:
            queries, keys = ([each[0] for each in maps] for maps in (seen.queries, seen.keys))
            further = spread(queries, keys, shares)
            loss = loss + self._settings.spread * distance(further, expected, kind)
        return loss
