"""Weighted means of the labels at the matches."""

from __future__ import annotations

from functools import cached_property

import torch
from torch import Tensor
from torch.nn import functional


class LabelMean:
    """Weighted means of the labels of remembered frames.

    Args:
        labels: (T, h, w, K) float32.
        known: (T, K) bool, whether a frame knows about a label; None: all know all. The mean of a
            label is over the matches in frames that know it, or over all if none of them does.
    """

    def __init__(self, labels: Tensor, known: Tensor | None) -> None:
        self.labels = labels
        self.known = None if known is None else known.float()
        self.classes = labels.shape[3]

    @cached_property
    def tables(self) -> list[Tensor]:
        """What `of_sums` wants the sums of: (T, h, w, K) each."""
        if self.known is None:
            return [self.labels]
        known = self.known[:, None, None, :]
        return [self.labels, self.labels * known, known.expand_as(self.labels)]

    def at(self, weights: Tensor, places: Tensor) -> Tensor:
        """Mean labels at some places.

        Args:
            weights: (n, q) float32, 0 or more, not all 0 in a row.
            places: (n, q) int64 in the T * h * w cells.

        Returns:
            (n, K).
        """
        flat = [table.reshape(-1, self.classes) for table in self.tables[:2]]
        sums = [_gather_sum(weights, places, table) for table in flat]
        if self.known is not None:
            cells = self.labels.shape[1] * self.labels.shape[2]
            sums.append(_gather_sum(weights, places // cells, self.known))
        return self.of_sums(sums, weights.sum(1))

    def of_sums(self, sums: list[Tensor], mass: Tensor) -> Tensor:
        """Mean labels (n, K), from the (n, K) sums over each of `tables` and the (n,) weights."""
        of_all = sums[0] / mass[:, None]
        if self.known is None:
            return of_all
        return torch.where(sums[2] > 0, sums[1] / sums[2], of_all)


def _gather_sum(weights: Tensor, places: Tensor, values: Tensor) -> Tensor:
    """out[i] = sum_q weights[i, q] * values[places[i, q]]: (n, K) for (n, q), (n, q) and (N, K)."""
    return functional.embedding_bag(places, values, mode='sum', per_sample_weights=weights)
