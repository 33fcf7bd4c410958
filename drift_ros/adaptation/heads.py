"""Weights of attention heads, fitted on the prompted frame.

A head that knows the object gathers its label from the object's other cells. What each head makes
of the given labels is computed once; the weights of the mean are then a small problem of their own:
their softmax is fitted so that the mean over heads gives the labels back.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from drift_ros.adaptation.loss import EMPTY, distance, require_cells
from drift_ros.propagation.attention import attend_elsewhere, resample


def answers(
    queries: Sequence[Tensor], keys: Sequence[Tensor], labels: Tensor, margin: int
) -> Tensor:
    """What each head makes of given labels, without the cells close to each one.

    Args:
        queries: (C_n, h_n, w_n) of each head: of the labelled frame, or of a transformed copy.
        keys: of the labelled frame.
        labels: (K, h, w) float32, on the finest grid.
        margin: cells up to this far away on the finest grid are left out; less than 0 leaves out
            none, as suits a copy.

    Returns:
        (heads, K, h, w) float32.
    """
    grid = (labels.shape[1], labels.shape[2])
    found = []
    for query, key in zip(queries, keys, strict=True):
        own = (query.shape[1], query.shape[2])
        near = margin if margin < 0 else -(-margin * own[0] // grid[0])
        answer = attend_elsewhere(query, key, resample(labels[None], own)[0], near)
        found.append(resample(answer[None], grid)[0])
    return torch.stack(found)


class HeadFit:
    """Fits the softmax of weights step by step, so that it can be done in small portions.

    The loss is the binary cross-entropy between the mean over heads and the labels plus 1 - Dice,
    summed over targets; a target's cells and all others have half the weight of the cross-entropy
    each, however small it is. The mean is brought to the range 0 to 1 per target first, as it is
    where masks are read: attention over a whole frame leaves little of a small target's label, and
    only the sharpest head would count otherwise. Adam's steps begin at the uniform mean.

    Args:
        found: (heads, K, h, w) answers of the heads.
        labels: (K, h, w) that they should give, channel 0 = background.
        rate: of Adam.

    Raises:
        PromptError: a target has no cell.
    """

    def __init__(self, found: Tensor, labels: Tensor, rate: float) -> None:
        require_cells(labels)
        self._answers, self._labels = found[:, 1:].detach(), labels[1:]
        self._theta = torch.zeros(len(found), device=found.device, requires_grad=True)
        self._optimiser = torch.optim.Adam([self._theta], lr=rate)

    @property
    def weights(self) -> Tensor:
        """(heads,) float32 that sum to one."""
        return self._theta.detach().softmax(0)

    def step(self) -> float:
        """One step of Adam; returns the loss before it."""
        with torch.enable_grad():
            loss = self._loss(self._theta.softmax(0))
            self._optimiser.zero_grad()
            loss.backward()
        self._optimiser.step()
        return float(loss.detach())

    def _loss(self, weights: Tensor) -> Tensor:
        mean = torch.einsum('n,nkhw->khw', weights, self._answers)
        low, high = mean.amin((1, 2), keepdim=True), mean.amax((1, 2), keepdim=True)
        mean = (mean - low) / (high - low).clamp_min(EMPTY)
        overlap = (mean * self._labels).sum((1, 2))
        dice = 2 * overlap / (mean.sum((1, 2)) + self._labels.sum((1, 2)))
        return distance(mean, self._labels, 'bce') + (1 - dice).sum()


def closed_form(found: Tensor, labels: Tensor, temperature: float) -> Tensor:
    """Weights that need no fit: exp(overlap / temperature), normalised, with the soft intersection
    over union of each head's answers with the labels, on the average over targets.

    Args:
        found: (heads, K, h, w) answers of the heads.
        labels: (K, h, w).
        temperature: the lower, the more the best head counts.

    Raises:
        PromptError: a target has no cell.
    """
    require_cells(labels)
    given = labels[1:].expand_as(found[:, 1:])
    both = torch.minimum(found[:, 1:], given).sum((2, 3))
    either = torch.maximum(found[:, 1:], given).sum((2, 3))
    return ((both / either).mean(1) / temperature).softmax(0)
