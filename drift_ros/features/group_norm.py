# mypy: disable-error-code="no-untyped-def, untyped-decorator"
"""Group norm and sums that leave channels innermost in memory, on a GPU.

torch's own group norm rearranges such tensors before it, and the convolution after it rearranges
them back: in TED's networks on an H100 that was a third of the time of the device. Moments are
those of each channel about its value in the first cell, so that a large mean costs no digits.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

PROGRAMS = 528  # that gather moments, over all images; four per multiprocessor of a large GPU
TILE = 8192  # entries per step of a program
ROWS = 32  # parts that are added up per step


def group_norm(
    x: Tensor,
    groups: int,
    weight: Tensor,
    bias: Tensor,
    eps: float,
    *,
    before: Tensor | None = None,
    scale: Tensor | None = None,
    shift: Tensor | None = None,
    silu: bool = False,
) -> Tensor:
    """`torch.nn.functional.group_norm(x + before) * (1 + scale) + shift`, then SiLU if wanted.

    Args:
        x: (N, C, *cells), on a GPU, dense with channels innermost; fewer than 2^31 entries per n.
        groups: of channels, a divisor of C.
        weight: (C,).
        bias: (C,).
        eps: added to the variance.
        before: (N, C), dense; None: nothing is added.
        scale: (N, C), dense, together with `shift`; None: neither.
        shift: (N, C), dense.
        silu: whether SiLU follows.

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
        x if before is None else before,
        x if scale is None else scale,
        x if shift is None else shift,
        cells,
        parts,
        eps,
        channels,
        channels // groups,
        triton.next_power_of_2(channels // groups),
        ROWS,
        before is not None,
        scale is not None,
    )
    out = torch.empty_like(x)
    grid = (triton.cdiv(cells * channels, TILE), count)
    _apply[grid](x, factors, out, cells, channels, TILE, silu)
    return out


def add(a: Tensor, b: Tensor, bias: Tensor) -> Tensor:
    """The sum of two (N, C, *cells), dense with channels innermost, and of (C,) of each channel."""
    out = torch.empty_like(a)
    _add[(triton.cdiv(a.numel(), TILE),)](a, b, bias, out, a.numel(), a.shape[1], TILE)
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
        place = cell[:, None] * channels + channel[None]
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
    before,
    scale,
    shift,
    cells,
    parts,
    eps,
    channels: tl.constexpr,
    size: tl.constexpr,
    padded: tl.constexpr,
    rows: tl.constexpr,
    has_before: tl.constexpr,
    has_scale: tl.constexpr,
):
    """What each channel of a group is multiplied with, and what is added then."""
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
    about = tl.load(x + image.to(tl.int64) * cells * channels + channel, mask=known, other=0)
    apart = total / cells
    means = about.to(tl.float32) + apart
    given = image * channels + channel
    added = tl.zeros([padded], tl.float32)
    if has_before:
        added = tl.load(before + given, mask=known, other=0).to(tl.float32)
    means = tl.where(known, means + added, 0.0)
    mean = tl.sum(means, 0) / size
    within = tl.sum(tl.where(known, squares / cells - apart * apart, 0.0), 0) / size
    between = tl.sum(tl.where(known, (means - mean) * (means - mean), 0.0), 0) / size
    factor = tl.load(weight + channel, mask=known, other=0).to(tl.float32)
    factor /= tl.sqrt(tl.maximum(within, 0.0) + between + eps)
    added = (added - mean) * factor + tl.load(bias + channel, mask=known, other=0).to(tl.float32)
    if has_scale:
        more = 1 + tl.load(scale + given, mask=known, other=0).to(tl.float32)
        factor *= more
        added = added * more + tl.load(shift + given, mask=known, other=0).to(tl.float32)
    into = factors + image * 2 * channels + channel
    tl.store(into, factor, mask=known)
    tl.store(into + channels, added, mask=known)


@triton.jit
def _apply(x, factors, out, cells, channels: tl.constexpr, block: tl.constexpr, silu: tl.constexpr):
    image = tl.program_id(1)
    place = tl.program_id(0) * block + tl.arange(0, block)
    inside = place < cells * channels
    start = image.to(tl.int64) * cells * channels
    value = tl.load(x + start + place, mask=inside, other=0).to(tl.float32)
    of = factors + image * 2 * channels + place % channels
    value = value * tl.load(of, mask=inside, other=0)
    value += tl.load(of + channels, mask=inside, other=0)
    if silu:
        value *= tl.sigmoid(value)
    tl.store(out + start + place, value.to(out.dtype.element_ty), mask=inside)


@triton.jit
def _add(a, b, bias, out, entries, channels: tl.constexpr, block: tl.constexpr):
    first = tl.program_id(0).to(tl.int64) * block
    place = first + tl.arange(0, block)
    channel = ((first % channels).to(tl.int32) + tl.arange(0, block)) % channels
    inside = place < entries
    total = tl.load(a + place, mask=inside, other=0).to(tl.float32)
    total += tl.load(b + place, mask=inside, other=0).to(tl.float32)
    total += tl.load(bias + channel, mask=inside, other=0).to(tl.float32)
    tl.store(out + place, total.to(out.dtype.element_ty), mask=inside)
