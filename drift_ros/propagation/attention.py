"""Attention as the kernel that propagates labels: labels take the place of values.

What a self-attention layer of an image diffusion model would gather from a frame, or from others,
it gathers from their labels (DRIFT, Kim et al. 2025). The matrix of weights is never held: a fused
attention goes through it in tiles.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from drift_ros.errors import DriftError
from drift_ros.propagation.kernel import propagate

LARGEST = 2**20  # top_k of windowed attention that selects nothing
CHUNK_BYTES = 2**26  # of weights that are held at a time where cells are left out


def attend(
    queries: Sequence[Tensor],
    keys: Sequence[Tensor],
    labels: Tensor,
    *,
    weights: Tensor | None = None,
    top_k: int = 0,
    radius: int = 0,
    window: Literal['square', 'disc'] = 'square',
    mask_first: bool = True,
    first: int = 1,
    known: Tensor | None = None,
) -> Tensor:
    """Propagate soft labels from context frames to a frame by the attention of several heads.

    For head n, with the softmax over all cells j of all T context frames together,
    out(i) = sum_n weights_n sum_j softmax_j(queries_n(i) . keys_n(j)) labels(j).

    Without window and top-k this equals plain softmax attention within 1e-5 in float32, 2e-3 in
    float16 and 2e-2 in bfloat16 (labels are values, so they are rounded too); memory grows with T
    and with the number of cells, not with their square. With either of them it is `propagate` per
    head, whose cost grows with the window.

    Args:
        queries: (C_n, h_n, w_n) of each head, scaled, so that a product with a key is a logit.
        keys: (T, C_n, h_n, w_n) of each head, in the same dtype; fastest when channels are
            innermost in memory.
        labels: (T, K, h, w) float32 on the finest grid of the heads. For a coarser one they are
            averaged over its cells, and what it gives is interpolated (bilinear).
        weights: (heads,) of the mean over heads, 0 or more; None: all alike. Heads without weight
            are not computed.
        top_k: strongest matches per cell and head that count, over all frames together; 0 is all.
        radius: of the window in cells of the finest grid; 0 is the whole frame.
        window: as in `propagate`.
        mask_first: as in `propagate`.
        first: as in `propagate`.
        known: (T, K) bool, as in `propagate`.

    Returns:
        (K, h, w) float32 in the range of `labels`.

    Raises:
        DriftError: shapes do not fit.
    """
    _check(queries, keys, labels, weights)
    grid = (labels.shape[2], labels.shape[3])
    share = _shares(weights, len(queries))
    by_grid: dict[tuple[int, int], Tensor] = {}
    total = torch.zeros(labels.shape[1:], device=labels.device)
    for query, key, weight in zip(queries, keys, share, strict=True):
        if not weight:
            continue
        own = (query.shape[1], query.shape[2])
        if own not in by_grid:
            by_grid[own] = resample(labels, own)
        if top_k or radius:
            found = propagate(
                query,
                key,
                by_grid[own],
                temperature=1.0,
                top_k=top_k or LARGEST,
                radius=-(-radius * own[0] // grid[0]) if radius else 0,
                window=window,
                mask_first=mask_first,
                first=first,
                similarity='dot',
                known=known,
            )
        else:
            found = _attend(query, key, by_grid[own], known)
        total += weight * resample(found[None], grid)[0]
    return total


def spread(
    queries: Sequence[Tensor],
    keys: Sequence[Tensor],
    labels: Tensor,
    *,
    weights: Tensor | None = None,
    steps: int = 1,
) -> Tensor:
    """Spread labels inside a frame: `attend` to the frame itself, several times over.

    Args:
        queries: (C_n, h_n, w_n) of each head.
        keys: of the same shapes.
        labels: (K, h, w) float32.
        weights: as in `attend`.
        steps: times that the kernel is applied.

    Returns:
        (K, h, w) float32.
    """
    itself = [key[None] for key in keys]
    for _ in range(steps):
        labels = attend(queries, itself, labels[None], weights=weights)
    return labels


def attend_elsewhere(query: Tensor, key: Tensor, labels: Tensor, margin: int) -> Tensor:
    """What one head makes of the labels of a frame from the cells that are not close to each cell.

    A cell finds itself, and what lies beside it, without knowing anything; what is left says how
    well a head knows the object. Rows of the matrix are held in chunks.

    Args:
        query: (C, h, w).
        key: (C, h, w).
        labels: (K, h, w) float32 on the grid of the head.
        margin: cells up to this far away, in rows and columns, are left out; less than 0 leaves out
            none.

    Returns:
        (K, h, w) float32; cells whose every match is left out get the mean label.
    """
    height, width = query.shape[1:]
    cells = height * width
    flat_query, flat_key = query.flatten(1).T.float(), key.flatten(1).float()
    values = labels.flatten(1).T
    rows = torch.arange(height, device=query.device).repeat_interleave(width)
    columns = torch.arange(width, device=query.device).repeat(height)
    found = torch.empty(cells, labels.shape[0], device=query.device)
    size = max(1, CHUNK_BYTES // (4 * cells))
    for start in range(0, cells, size):
        part = slice(start, start + size)
        logits = flat_query[part] @ flat_key
        near = (rows[part, None] - rows).abs().le(margin)
        near &= (columns[part, None] - columns).abs().le(margin)
        logits.masked_fill_(near, torch.finfo(logits.dtype).min)
        found[part] = logits.softmax(1) @ values
    return found.T.reshape(labels.shape)


def kernel_of(query: Tensor, keys: Tensor) -> Tensor:
    """The weights of one cell: (T, h, w) float32 that sum to one.

    Args:
        query: (C,) of the cell.
        keys: (T, C, h, w).
    """
    logits = torch.einsum('c,tchw->thw', query.float(), keys.float())
    return logits.flatten().softmax(0).view(logits.shape)


def resample(labels: Tensor, grid: tuple[int, int]) -> Tensor:
    """Soft labels (n, K, h, w) on another grid: means over its cells if it is coarser, bilinear if
    it is finer.
    """
    size = (labels.shape[2], labels.shape[3])
    if size == grid:
        return labels
    if grid[0] <= size[0] and grid[1] <= size[1]:
        return functional.interpolate(labels, grid, mode='area')
    return functional.interpolate(labels, grid, mode='bilinear', align_corners=False)


def _attend(query: Tensor, keys: Tensor, labels: Tensor, known: Tensor | None) -> Tensor:
    """One head over the whole of all frames: (K, h, w) float32."""
    channels = query.shape[0]
    classes = labels.shape[1]
    columns = labels.permute(0, 2, 3, 1)
    if known is not None:
        knows = known.float()[:, None, None, :].expand_as(columns)
        columns = torch.cat([columns, columns * knows, knows], 3)
    columns = columns.reshape(-1, columns.shape[3])
    # fused where channels are innermost and values have as many columns; else the matrix is held
    flat_query = query.flatten(1).T.contiguous()
    flat_keys = keys.permute(0, 2, 3, 1).reshape(-1, channels).contiguous()
    if not query.is_cuda:  # where the CPU gains nothing from rounding
        flat_query, flat_keys = flat_query.float(), flat_keys.float()
    sums = []
    for part in columns.split(channels, 1):
        values = functional.pad(part, (0, channels - part.shape[1]))
        values = values.to(flat_keys.dtype).contiguous()
        found = functional.scaled_dot_product_attention(
            flat_query[None, None], flat_keys[None, None], values[None, None], scale=1.0
        )
        sums.append(found[0, 0, :, : part.shape[1]].float())
    out = torch.cat(sums, 1)
    if known is not None:
        everyone, those, mass = out.split(classes, 1)
        out = torch.where(mass > 0, those / mass, everyone)
    return out.T.reshape(classes, *query.shape[1:])


def _shares(weights: Tensor | None, heads: int) -> list[float]:
    if weights is None:
        return [1 / heads] * heads
    total = float(weights.sum())
    return [float(weight) / total for weight in weights]


def _check(
    queries: Sequence[Tensor], keys: Sequence[Tensor], labels: Tensor, weights: Tensor | None
) -> None:
    shapes = [tuple(q.shape) for q in queries], [tuple(k.shape) for k in keys]
    fits = len(queries) == len(keys) > 0 and labels.ndim == 4
    if not fits or any(k != (len(labels), *q) for q, k in zip(*shapes, strict=True)):
        raise DriftError(
            'attend needs queries (C, h, w), keys (T, C, h, w) per head and labels (T, K, h, w); '
            f'got {shapes[0]}, {shapes[1]} and {tuple(labels.shape)}'
        )
    if weights is not None and (weights.shape != (len(queries),) or not bool((weights > 0).any())):
        raise DriftError(
            f'attend needs a weight of 0 or more for each of the {len(queries)} heads and one that '
            f'is more, got {weights.tolist()}'
        )
