# mypy: disable-error-code="no-untyped-def, untyped-decorator"
"""Group norm that leaves channels innermost in memory, on a GPU.

torch's own rearranges such tensors before it, and the convolution after it rearranges them back:
in TED's networks on an H100 that was a third of the time of the device. Moments are those of each
channel about its value in the first cell, so that a large mean costs no digits.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

PROGRAMS = 528  # that gather moments, over all images; four per multiprocessor of a large GPU
TILE = 4096  # entries per step of a program
ROWS = 32  # parts that are added up per step


def group_norm(x: Tensor, groups: int, weight: Tensor, bias: Tensor, eps: float) -> Tensor:
    """As `torch.nn.functional.group_norm`.

    Args:
        x: (N, C, *cells), on a GPU, dense with channels innermost.
        groups: of channels, a divisor of C.
        weight: (C,).
        bias: (C,).
        eps: added to the variance.

    Returns:
        Of the same dtype and layout.
    """
    count, channels = x.shape[:2]
    cells = x[0, 0].numel()
    padded = triton.next_power_of_2(channels)
    block = max(1, TILE // padded)
    blocks = triton.cdiv(cells, block)
    parts = min(blocks, max(1, PROGRAMS // count))
    steps = triton.cdiv(blocks, parts)
    sums = torch.empty(count, parts, 2, channels, dtype=torch.float32, device=x.device)
    _moments[(parts, count)](x, sums, cells, steps, channels, padded, block)
    factors = torch.empty(count, 2, channels, dtype=torch.float32, device=x.device)
    _factors[(groups, count)](
        x,
        sums,
        factors,
        weight,
        bias,
        cells,
        parts,
        eps,
        channels,
        channels // groups,
        triton.next_power_of_2(channels // groups),
        ROWS,
    )
    out = torch.empty_like(x)
    _apply[(triton.cdiv(cells * channels, TILE), count)](x, factors, out, cells, channels, TILE)
    return out


@triton.jit
def _moments(
    x, sums, cells, steps, channels: tl.constexpr, padded: tl.constexpr, block: tl.constexpr
):
    """Sums and sums of squares of each channel over a part of an image."""
    part, image = tl.program_id(0), tl.program_id(1)
    channel = tl.arange(0, padded)
    known = channel < channels
    start = x + image.to(tl.int64) * cells * channels
    shift = tl.load(start + channel, mask=known, other=0).to(tl.float32)
    total = tl.zeros([padded], tl.float32)
    squares = tl.zeros([padded], tl.float32)
    for step in range(steps):
        cell = (part * steps + step) * block + tl.arange(0, block)
        inside = (cell < cells)[:, None] & known[None]
        place = cell.to(tl.int64)[:, None] * channels + channel[None]
        value = tl.load(start + place, mask=inside, other=0).to(tl.float32)
        value = tl.where(inside, value - shift[None], 0.0)
        total += tl.sum(value, 0)
        squares += tl.sum(value * value, 0)
    into = sums + (image * tl.num_programs(0) + part) * 2 * channels + channel
    tl.store(into, total, mask=known)
    tl.store(into + channels, squares, mask=known)


@triton.jit
def _factors(
    x,
    sums,
    factors,
    weight,
    bias,
    cells,
    parts,
    eps,
    channels: tl.constexpr,
    size: tl.constexpr,
    padded: tl.constexpr,
    rows: tl.constexpr,
):
    """What each channel of a group is multiplied with, and what is added."""
    group, image = tl.program_id(0), tl.program_id(1)
    member = tl.arange(0, padded)
    known = member < size
    channel = group * size + member
    total = tl.zeros([padded], tl.float32)
    squares = tl.zeros([padded], tl.float32)
    for first in range(0, parts, rows):
        part = first + tl.arange(0, rows)
        inside = (part < parts)[:, None] & known[None]
        of = sums + (image * parts + part)[:, None] * 2 * channels + channel[None]
        total += tl.sum(tl.load(of, mask=inside, other=0), 0)
        squares += tl.sum(tl.load(of + channels, mask=inside, other=0), 0)
    shift = tl.load(x + image.to(tl.int64) * cells * channels + channel, mask=known, other=0)
    apart = total / cells
    means = tl.where(known, shift.to(tl.float32) + apart, 0.0)
    mean = tl.sum(means, 0) / size
    within = tl.sum(tl.where(known, squares / cells - apart * apart, 0.0), 0) / size
    between = tl.sum(tl.where(known, (means - mean) * (means - mean), 0.0), 0) / size
    factor = tl.load(weight + channel, mask=known, other=0).to(tl.float32)
    factor /= tl.sqrt(tl.maximum(within, 0.0) + between + eps)
    added = tl.load(bias + channel, mask=known, other=0).to(tl.float32) - mean * factor
    into = factors + image * 2 * channels + channel
    tl.store(into, factor, mask=known)
    tl.store(into + channels, added, mask=known)


@triton.jit
def _apply(x, factors, out, cells, channels: tl.constexpr, block: tl.constexpr):
    image = tl.program_id(1)
    place = tl.program_id(0) * block + tl.arange(0, block)
    inside = place < cells * channels
    start = image.to(tl.int64) * cells * channels
    value = tl.load(x + start + place, mask=inside, other=0).to(tl.float32)
    of = factors + image * 2 * channels + place % channels
    value = value * tl.load(of, mask=inside, other=0)
    value += tl.load(of + channels, mask=inside, other=0)
    tl.store(out + start + place, value.to(out.dtype.element_ty), mask=inside)
