"""Label propagation: each cell of the current frame takes the labels of its best matches in
remembered frames.

The protocol is the one that DINO's video evaluation made common and DIFT and TED follow (Jabri et
al. 2020, Caron et al. 2021, Tang et al. 2023): affinity exp(cosine / T) inside a square window,
joint top-k over all remembered frames, normalised to one.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from drift_ros.errors import DriftError

TILE = 12  # cells; larger tiles share more of their search window but mask more of it away
MAX_GATHERED = (
    2**22
)  # elements; beyond, a matrix product over all sources is cheaper than gathering


def propagate(
    query: Tensor,
    context: Tensor,
    labels: Tensor,
    *,
    temperature: float = 0.1,
    top_k: int = 10,
    radius: int = 12,
    known: Tensor | None = None,
    normalized: bool = False,
) -> Tensor:
    """Propagate soft labels from context frames to a query frame.

    For a cell i of the query and the cells j of all T context frames with |row_i - row_j| <= radius
    and |col_i - col_j| <= radius, let a(i, j) = exp(cos(query_i, context_j) / temperature). Only
    the entries that are not smaller than the `top_k`-th largest of cell i are kept (so ties with it
    are kept too), and out_c(i) = sum_j a(i, j) labels_c(j) / sum_j a(i, j).

    Work and memory grow with the window, not with the square of the grid: the query is cut into
    tiles, and each tile meets only the part of the context that its windows cover.

    Args:
        query: (C, h, w) floating point descriptors.
        context: (T, C, h, w) descriptors of the same dtype and device; fastest when channels are
            innermost in memory (`torch.channels_last`).
        labels: (T, K, h, w) float32 soft labels of the context frames.
        temperature: T > 0.
        top_k: number of matches, at least 1; more than there are means all.
        radius: half width of the window in cells; 0 or less means the whole frame.
        known: (T, K) bool, whether a frame knows about a label at all (it does not know a target
            that was named later). Frames that do not know a label are left out of both sums for it,
            unless none of the matches
            does. None: every frame knows every label.
        normalized: descriptors already have unit length over C.

    Returns:
        (K, h, w) float32 soft labels in the range of `labels`.

    Raises:
        DriftError: shapes do not fit, or a setting is out of its range.
    """
    _check(query, context, labels, temperature, top_k, known)
    channels, height, width = query.shape
    frames, classes = labels.shape[:2]
    if not normalized:
        query, context = unit(query, 0), unit(context, 1)
    query_cells = query.permute(1, 2, 0)  # (h, w, C)
    context_cells = context.permute(0, 2, 3, 1)  # (T, h, w, C)
    label_cells = labels.permute(0, 2, 3, 1)  # (T, h, w, K)
    reach = radius if radius > 0 else max(height, width)
    rows = torch.arange(height, device=query.device)
    columns = torch.arange(width, device=query.device)
    result = torch.empty((height, width, classes), dtype=torch.float32, device=query.device)
    for top in range(0, height, TILE):
        tile_rows = slice(top, min(top + TILE, height))
        near_rows = slice(max(0, top - reach), min(height, tile_rows.stop + reach))
        row_ok = _within(rows[tile_rows], rows[near_rows], reach)
        for left in range(0, width, TILE):
            tile_columns = slice(left, min(left + TILE, width))
            near_columns = slice(max(0, left - reach), min(width, tile_columns.stop + reach))
            column_ok = _within(columns[tile_columns], columns[near_columns], reach)
            inside = row_ok[:, None, :, None] & column_ok[None, :, None, :]
            tile = query_cells[tile_rows, tile_columns].reshape(-1, channels)
            near = context_cells[:, near_rows, near_columns].reshape(frames, -1, channels)
            weights, matches = _match(
                tile, near, inside.flatten(2).flatten(0, 1), temperature, top_k
            )
            near_labels = label_cells[:, near_rows, near_columns].reshape(frames, -1, classes)
            votes = _vote(weights, matches, near_labels, known)
            result[tile_rows, tile_columns] = votes.view(*result[tile_rows, tile_columns].shape)
    return result.permute(2, 0, 1).contiguous()


def unit(features: Tensor, dim: int) -> Tensor:
    """Descriptors of unit length along a dimension, in their dtype; zeros and NaN become zeros.

    The length is taken in float32: in float16 it overflows, and the guard against division by zero
    is itself zero, so that one black frame would poison the memory with NaN.
    """
    lengths = functional.normalize(features.float().nan_to_num(), dim=dim)
    return lengths.to(features.dtype)


def _within(targets: Tensor, sources: Tensor, reach: int) -> Tensor:
    return (targets[:, None] - sources[None, :]).abs() <= reach


def _match(
    tile: Tensor, near: Tensor, inside: Tensor, temperature: float, top_k: int
) -> tuple[Tensor, Tensor]:
    """The cells that vote for each target, among T frames of m cells each.

    Subtracting the largest similarity before exp changes nothing after normalisation and cannot
    overflow.

    Args:
        tile: (n, C) targets.
        near: (T, m, C) sources.
        inside: (n, m) bool, whether a source lies in the window of a target.
        temperature: of the softmax.
        top_k: number of votes.

    Returns:
        Weights (n, q) up to a factor per target, and places in the T * m sources (n, q). q is
        top_k, or more where a match ties with the weakest of them.
    """
    similarity = (tile @ near.flatten(0, 1).T).float()
    bias = torch.zeros(inside.shape, device=tile.device).masked_fill_(~inside, -torch.inf)
    similarity.view(len(tile), len(near), -1).add_(bias[:, None, :])
    count = similarity.shape[1]
    best, matches = similarity.topk(min(top_k + 1, count), dim=1)
    if top_k < count:
        weakest, next_best = best[:, top_k - 1 : top_k], best[:, top_k:]
        if bool(((next_best == weakest) & weakest.isfinite()).any()):
            ties = (similarity >= weakest) & similarity.isfinite()
            best, matches = similarity.topk(max(top_k, int(ties.sum(1).max())), dim=1)
            best = best.masked_fill(best < weakest, -torch.inf)
        else:
            best, matches = best[:, :top_k], matches[:, :top_k]
    return best.sub(best[:, :1]).div_(temperature).exp_(), matches


def _vote(weights: Tensor, matches: Tensor, labels: Tensor, known: Tensor | None) -> Tensor:
    """Weighted mean of the (T, m, K) labels at the matches: (n, K)."""
    cells, classes = labels.shape[1:]
    everyone = _gather_sum(weights, matches, labels.reshape(-1, classes))
    everyone /= weights.sum(1, keepdim=True)
    if known is None:
        return everyone
    knows = known.float()
    knowing = _gather_sum(weights, matches // cells, knows)
    votes = _gather_sum(weights, matches, (labels * knows[:, None, :]).reshape(-1, classes))
    return torch.where(knowing > 0, votes / knowing, everyone)


def _gather_sum(weights: Tensor, places: Tensor, values: Tensor) -> Tensor:
    """out[i] = sum_q weights[i, q] * values[places[i, q]]: (n, K) for (n, q), (n, q) and (N, K)."""
    if weights.numel() * values.shape[1] <= MAX_GATHERED:
        return torch.bmm(weights[:, None], values[places])[:, 0]
    spread = weights.new_zeros(len(weights), len(values)).scatter_add_(1, places, weights)
    return spread @ values


def _check(
    query: Tensor,
    context: Tensor,
    labels: Tensor,
    temperature: float,
    top_k: int,
    known: Tensor | None,
) -> None:
    if query.ndim != 3 or context.ndim != 4 or context.shape[1:] != query.shape:
        raise DriftError(
            'propagate needs query (C, h, w) and context (T, C, h, w) of the same C, h, w; got '
            f'{tuple(query.shape)} and {tuple(context.shape)}'
        )
    if len(context) == 0:
        raise DriftError('propagate needs at least one context frame, got none')
    if (
        labels.ndim != 4
        or labels.shape[0] != context.shape[0]
        or labels.shape[2:] != context.shape[2:]
    ):
        raise DriftError(
            f'propagate needs labels (T, K, h, w) that fit the context {tuple(context.shape)}, got '
            f'{tuple(labels.shape)}'
        )
    if known is not None and known.shape != labels.shape[:2]:
        raise DriftError(
            f'known must be (T, K) = {tuple(labels.shape[:2])}, got {tuple(known.shape)}'
        )
    if temperature <= 0 or top_k < 1:
        raise DriftError(
            f'propagate needs temperature > 0 and top_k >= 1, got {temperature} and {top_k}'
        )
