"""Label propagation: each cell of the current frame takes the labels of its best matches in
remembered frames.

The protocol is the one that DINO's video evaluation made common and DIFT and TED follow (Jabri et
al. 2020, Caron et al. 2021, Tang et al. 2023): affinity exp(cosine / T) inside a window, joint
top-k over all remembered frames, normalised to one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from drift_ros.errors import DriftError
from drift_ros.propagation.ballot import Ballot
from drift_ros.propagation.band import Band, cut
from drift_ros.propagation.sheet import Sheet, Tile, Window

SPARE = 16  # matches looked at beyond the k-th, to find the ones that tie with it
COLUMNS = 8  # of a tile on a CPU; fewer waste less on columns outside the windows
COLUMNS_BATCHED = 32  # of a tile on a GPU: large products, few of them
SCRATCH = 3 * 2**23  # similarities held at a time on a CPU, 96 MiB
SCRATCH_BATCHED = 2**27  # on a GPU, 512 MiB


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
) -> Tensor:
    """Propagate soft labels from context frames to a query frame.

    For a cell i of the query and the cells j of all T context frames inside its window, let a(i, j)
    = exp(similarity(query_i, context_j) / temperature). Only the entries that are not smaller than
    the `top_k`-th largest of cell i are kept (so entries equal to it are kept too), and
    out_c(i) = sum_j a(i, j) labels_c(j) / sum_j a(i, j).

    Similarities are summed and compared in float32, whatever the dtype of the descriptors, so half
    precision rounds the descriptors but makes no ties.

    Work and memory grow with the window, not with the square of the grid. All targets of the frame
    are computed in tiles whose size follows from the device and a fixed amount of scratch memory.
    On a GPU the host waits once, at the end.

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
    search = _Search(
        query.permute(1, 2, 0),
        _bands(context.permute(0, 2, 3, 1), Window.of(window, radius, grid), mask_first, first),
        Ballot(labels.permute(0, 2, 3, 1), known),
        temperature,
        top_k,
    )
    result = torch.empty((*grid, labels.shape[1]), device=query.device)
    ties = []
    for tile in _tiles(search.bands, grid, _batched(context.device)):
        out = cut(result, tile)
        votes, tied = search.label(tile)
        out.copy_(votes.view(out.shape))
        if tied is not None:
            ties.append(tied)
    many = torch.stack([tied.crowded.any() for tied in ties]).tolist() if ties else []
    for tied in (t for t, is_crowded in zip(ties, many, strict=True) if is_crowded):
        out = cut(result, tied.tile)
        votes = search.label_all(tied)
        out[tied.crowded.view(out.shape[:2])] = votes[tied.crowded]
    return result.permute(2, 0, 1).contiguous()


def unit(features: Tensor, dim: int) -> Tensor:
    """Descriptors of unit length along a dimension, in their dtype; zeros and NaN become zeros.

    The length is taken in float32: in float16 it overflows, and the guard against division by zero
    is itself zero, so that one black frame would poison the memory with NaN.
    """
    lengths = functional.normalize(features.float().nan_to_num(), dim=dim)
    return lengths.to(features.dtype)


class _Ties(NamedTuple):
    """Targets of a tile that may have more matches than were looked at, all as good as the k-th."""

    tile: Tile
    crowded: Tensor  # (n,) bool, whether it has
    threshold: Tensor  # (n,) similarity of the k-th match
    peak: Tensor  # (n,) similarity of the best match


class _Search(NamedTuple):
    """Labels tiles of targets, each from the matches in all bands."""

    query: Tensor  # (h, w, C)
    bands: list[Band]
    ballot: Ballot
    temperature: float
    top_k: int

    def label(self, tile: Tile) -> tuple[Tensor, _Ties | None]:
        """Soft labels (n, K) of a tile, and where they may lack ties with the k-th match."""
        count = self.top_k + SPARE
        sheets = [band.score(tile, self.query, count) for band in self.bands]
        if self.top_k < sum(band.most for band in self.bands):
            return self._elect(tile, sheets, count)
        peak = torch.stack([sheet.peak() for sheet in sheets]).amax(0)
        return self._weigh(sheets, torch.full_like(peak, -torch.inf), peak), None

    def label_all(self, ties: _Ties) -> Tensor:
        """Soft labels (n, K) of a tile from all matches that are as good as the k-th."""
        sheets = [band.score(ties.tile, self.query, 1) for band in self.bands]
        return self._weigh(sheets, ties.threshold, ties.peak)

    def _elect(self, tile: Tile, sheets: list[Sheet], count: int) -> tuple[Tensor, _Ties | None]:
        found = [sheet.best(count) for sheet in sheets]
        values, places = (torch.cat(parts, 1) for parts in zip(*found, strict=True))
        if len(found) > 1:
            values, order = values.topk(min(count, values.shape[1]), dim=1)
            places = places.gather(1, order)
        peak = values[:, 0]
        threshold = values[:, min(self.top_k, values.shape[1]) - 1]
        weights = values.sub(peak[:, None]).div_(self.temperature).exp_()
        weights.masked_fill_(values < threshold[:, None], 0)
        votes = self.ballot.vote(weights, places)
        if values.shape[1] < count:  # there are no more
            return votes, None
        crowded = (values[:, -1] == threshold) & (threshold > -torch.inf)
        return votes, _Ties(tile, crowded, threshold, peak)

    def _weigh(self, sheets: list[Sheet], threshold: Tensor, peak: Tensor) -> Tensor:
        mass = torch.zeros_like(peak)
        sums = [mass.new_zeros(len(mass), table.shape[3]) for table in self.ballot.tables]
        for sheet in sheets:
            sheet.weigh(threshold, peak, self.temperature, self.ballot.tables, sums, mass)
        return self.ballot.mean(sums, mass)


def _bands(context: Tensor, window: Window, mask_first: bool, first: int) -> list[Band]:
    """Frames that share a window: all, or the first ones without one and the others."""
    batched = _batched(context.device)
    if mask_first or not first:
        return [Band(context, window, 0, batched)]
    whole = Window.of('square', 0, (context.shape[1], context.shape[2]))
    bands = [Band(context[:first], whole, 0, batched)]
    if first < len(context):
        bands.append(Band(context[first:], window, first, batched))
    return bands


def _batched(device: torch.device) -> bool:
    return device.type != 'cpu'


def _tiles(bands: list[Band], grid: tuple[int, int], batched: bool) -> Iterator[Tile]:
    """Tiles of a grid: columns as the device likes them, as many rows as the scratch holds."""
    room = SCRATCH_BATCHED if batched else SCRATCH
    strips = -(-grid[1] // (COLUMNS_BATCHED if batched else COLUMNS))
    width = -(-grid[1] // strips)
    height = grid[0]
    while height > 1 and sum(band.elements(height, width) for band in bands) > room:
        height = -(-height // 2)
    for left in range(0, grid[1], width):
        for top in range(0, grid[0], height):
            yield Tile(top, min(top + height, grid[0]), left, min(left + width, grid[1]))


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
