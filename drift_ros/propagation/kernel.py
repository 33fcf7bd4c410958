"""Label propagation: each cell of the current frame takes the labels of its best matches in
remembered frames.

The protocol is the one that DINO's video evaluation made common and DIFT and TED follow (Jabri et
al. 2020, Caron et al. 2021, Tang et al. 2023): affinity exp(cosine / T) inside a window, joint
top-k over all remembered frames, normalised to one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from torch import Tensor
from torch.nn import functional

from drift_ros.errors import DriftError
from drift_ros.propagation import compiled, tiled
from drift_ros.propagation.window import Sharing, Task, Window


def propagate(
    query: Tensor,
    context: Tensor,
    labels: Tensor,
    *,
    temperature: float = 0.1,
    top_k: int = 10,
    radius: int = 12,
    window: Literal['square', 'disc'] = 'square',
    mask_first: bool = True,
    first: int = 1,
    similarity: Literal['cosine', 'dot'] = 'cosine',
    known: Tensor | None = None,
    normalized: bool = False,
    search: Callable[[Task], tiled.Found] | None = None,
) -> Tensor:
    """Propagate soft labels from context frames to a query frame.

    For a cell i of the query and the cells j of all T context frames inside its window, let a(i, j)
    = exp(similarity(query_i, context_j) / temperature). Only the entries that are not smaller than
    the `top_k`-th largest of cell i are kept (so entries equal to it are kept too), and
    out_c(i) = sum_j a(i, j) labels_c(j) / sum_j a(i, j).

    Similarities are summed and compared in float32, whatever the dtype of the descriptors, so half
    precision rounds the descriptors but makes no ties.

    Work and memory grow with the window, not with the square of the grid. On a CPU the compiled
    search is used where it was built, with as many threads as torch has and the same result to the
    bit for any number of them. Elsewhere all targets of the frame are computed in tiles whose size
    follows from the device and a fixed amount of scratch memory; on a GPU the host waits once, at
    the end.

    As flags, DINO: temperature 0.1, top_k 5, radius 12; DIFT and TED: temperature 0.1 or 0.2, top_k
    10 or 15, radius 15; CRW (Jabri et al. 2020): temperature 0.05, top_k 10, radius 12, window
    'disc', mask_first False.

    Args:
        query: (C, h, w) floating point descriptors, finite.
        context: (T, C, h, w) descriptors of the same dtype and device, the first frames first;
            fastest when channels are innermost in memory (`torch.channels_last`).
        labels: (T, K, h, w) float32 soft labels of the context frames; fastest likewise.
        temperature: T > 0.
        top_k: number of matches, at least 1; more than there are means all.
        radius: of the window in cells; 0 or less means the whole frame.
        window: 'square', |row_i - row_j| <= radius and |column_i - column_j| <= radius, or 'disc',
            distance < radius.
        mask_first: whether the window holds for the first frames too. If not, they are searched as
            a whole.
        first: number of context frames that count as the first one: those with given labels.
        similarity: 'cosine', or 'dot' for the plain scalar product.
        known: (T, K) bool, whether a frame knows about a label at all (it does not know a target
            that was named later). Frames that do not know a label are left out of both sums for it,
            unless none of the matches does. None: every frame knows every label.
        normalized: descriptors already have unit length over C.
        search: `tiled.search_tiles`, or what does the same, such as a CUDA graph of it.

    Returns:
        (K, h, w) float32 soft labels in the range of `labels`.

    Raises:
        DriftError: shapes, dtypes or devices do not fit, or a setting is out of its range.
    """
    _check(query, context, labels, known)
    _check_settings(temperature, top_k, window, first, similarity)
    if similarity == 'cosine' and not normalized:
        query, context = unit(query, 0), unit(context, 1)
    grid = (query.shape[1], query.shape[2])
    cells = context.permute(0, 2, 3, 1)
    sharing = Sharing(Window.of(window, radius, grid), 0 if mask_first else first)
    labels = labels.permute(0, 2, 3, 1)
    task = Task(query.permute(1, 2, 0), cells, labels, known, sharing, temperature, top_k)
    if compiled.suits(cells, top_k):
        result = compiled.propagate_labels(task)
    else:
        result = tiled.propagate_labels(task, search)
    return result.permute(2, 0, 1).contiguous()


def unit(features: Tensor, dim: int) -> Tensor:
    """Descriptors of unit length along a dimension, in their dtype; zeros and NaN become zeros.

    The length is taken in float32: in float16 it overflows, and the guard against division by zero
    is itself zero, so that one black frame would poison the memory with NaN.
    """
    lengths = functional.normalize(features.float().nan_to_num(), dim=dim)
    return lengths.to(features.dtype)


def _check(query: Tensor, context: Tensor, labels: Tensor, known: Tensor | None) -> None:
    if query.ndim != 3 or context.ndim != 4 or context.shape[1:] != query.shape:
        raise DriftError(
            'propagate needs query (C, h, w) and context (T, C, h, w) of the same C, h, w; got '
            f'{tuple(query.shape)} and {tuple(context.shape)}'
        )
    if not context.numel():
        raise DriftError(
            f'propagate needs at least one context frame with cells, got {tuple(context.shape)}'
        )
    if query.dtype != context.dtype or not query.is_floating_point():
        raise DriftError(
            'propagate needs query and context of one floating point dtype, got '
            f'{query.dtype} and {context.dtype}'
        )
    frames, _, height, width = context.shape
    if labels.ndim != 4 or labels.shape != (frames, labels.shape[1], height, width):
        raise DriftError(
            f'propagate needs labels (T, K, h, w) that fit the context {tuple(context.shape)}, got '
            f'{tuple(labels.shape)}'
        )
    if known is not None and known.shape != labels.shape[:2]:
        raise DriftError(
            f'known must be (T, K) = {tuple(labels.shape[:2])}, got {tuple(known.shape)}'
        )
    others = [context, labels] + ([] if known is None else [known])
    if any(tensor.device != query.device for tensor in others):
        devices = ', '.join(str(tensor.device) for tensor in (query, *others))
        raise DriftError(f'propagate needs all its tensors on one device, got {devices}')


def _check_settings(
    temperature: float, top_k: int, window: str, first: int, similarity: str
) -> None:
    if not temperature > 0 or top_k < 1 or first < 0:
        raise DriftError(
            'propagate needs temperature > 0, top_k >= 1 and first >= 0, got '
            f'{temperature}, {top_k} and {first}'
        )
    if window not in ('square', 'disc') or similarity not in ('cosine', 'dot'):
        raise DriftError(
            "propagate needs window 'square' or 'disc' and similarity 'cosine' or 'dot', got "
            f'{window!r} and {similarity!r}'
        )
