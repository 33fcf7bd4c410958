"""Weighted means of the labels at the matches."""

from __future__ import annotations

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
        self.classes = labels.shape[3]
        self._cells = labels.shape[1] * labels.shape[2]
        self._knows = None if known is None else known.float()
        self.tables = [labels]  # what is summed: (T, h, w, K) each
        if self._knows is not None:
            knows = self._knows[:, None, None, :]
            self.tables += [labels * knows, knows.expand_as(labels)]

    def at(self, weights: Tensor, places: Tensor) -> Tensor:
        """Mean labels at some places.

        Args:
            weights: (n, q) float32, 0 or more, not all 0 in a row.
            places: (n, q) int32 or int64 in the T * h * w cells.

        Returns:
            (n, K).
        """
        flat = [table.reshape(-1, self.classes) for table in self.tables[:2]]
        sums = [_gather_sum(weights, places, table) for table in flat]
        if self._knows is not None:
            sums.append(_gather_sum(weights, places // self._cells, self._knows))
        return self.of_sums(sums, weights.sum(1))

    def of_sums(self, sums: list[Tensor], mass: Tensor) -> Tensor:
        """Mean labels (n, K), from the (n, K) sums over each of `tables` and the (n,) weights."""
        of_all = sums[0] / mass[:, None]
        if self._knows is None:
            return of_all
        return torch.where(sums[2] > 0, sums[1] / sums[2], of_all)


def _gather_sum(weights: Tensor, places: Tensor, values: Tensor) -> Tensor:
    """out[i] = sum_q weights[i, q] * values[places[i, q]]: (n, K) for (n, q), (n, q) and (N, K)."""
    return functional.embedding_bag(places, values, mode='sum', per_sample_weights=weights)
