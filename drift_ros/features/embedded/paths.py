"""Where the cells of a window come from and go to, as a part of their descriptors.

Cells of one frame find their likes in the next by the descriptors themselves; chained over a few
frames, such steps are paths. Things that look alike hardly ever take the same path, so it tells
them apart. Nothing is learned here: it is the zero-shot correspondence of diffusion features (Tang
et al. 2023, DIFT), read once more, over short times.

The velocity on the way to a few frames ago and to a few frames ahead is encoded by waves (as
Rahimi and Recht 2007 do), so that the cosine of two codes falls smoothly with the difference of the
velocities. Codes are shortened where a path cannot be trusted: where the step back does not lead to
where the step forth came from (Sundaram et al. 2010). What is hidden before or after, and so has a
path to one side only, is taken to move likewise on the other.
"""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor
from torch.nn import functional

PIECE = 16  # cells of a row that are matched at a time
REACH = 6  # cells that a step is looked for in every direction
TEMPERATURE = 0.05  # of the softmax over the likeness of cells
NEARNESS = 0.05  # by which a squared cell of distance lowers its logarithm
AHEAD = 4  # frames over which a path is followed, to either side
WAVES = (0.4, 0.8)  # rad per cell per frame
SLACK = 3.0  # cells between forth and back at which trust has fallen to 1 / e
CHANNELS = 2 * 2 * 2 * len(WAVES)  # sides, directions, cosine and sine


def describe_paths(features: Tensor) -> Tensor:
    """Codes of the paths of all cells: (n, CHANNELS, h, w) float32, at most of unit length.

    Args:
        features: (n, C, h, w) descriptors of consecutive frames, of any length.
    """
    if len(features) == 1:
        return features.new_zeros(1, CHANNELS, *features.shape[2:], dtype=torch.float32)
    steps = [_steps(a, b) for a, b in pairwise(functional.normalize(features.float(), dim=1))]
    forth, back = (torch.stack(side) for side in zip(*steps, strict=True))
    sides = [_follow(forth, back, 1), _follow(back.flip(0), forth.flip(0), -1)]
    (later, trust_later), (earlier, trust_earlier) = sides
    earlier, trust_earlier = earlier.flip(0), trust_earlier.flip(0)
    ahead, behind = _encode(later) * trust_later, _encode(earlier) * trust_earlier
    return torch.cat([ahead + (1 - trust_later) * behind, behind + (1 - trust_earlier) * ahead], 1)


def _steps(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    """Mean steps (2, h, w) in cells, x and y, from the cells of a frame to those of the next, and
    back from these, for (C, h, w) descriptors of unit length.
    """
    likeness = _likeness(first, second)  # from (y, x) to (y + dy, x + dx)
    side, height, width = 2 * REACH + 1, first.shape[1], first.shape[2]
    turned = functional.pad(likeness.flip(0, 1), (REACH,) * 4, value=-torch.inf)
    far, wide = turned.shape[2:]
    area = far * wide
    back = turned.as_strided(  # from (y, x) to (y + dy, x + dx), as it is the other way round
        (side, side, height, width), (side * area + wide, area + 1, wide, 1)
    )
    return _mean_step(likeness), _mean_step(back)


def _likeness(first: Tensor, second: Tensor) -> Tensor:
    """(2 REACH + 1, 2 REACH + 1, h, w) logarithms of weights of the steps (dy, dx) of each cell;
    -inf where they leave the frame.

    Pieces of rows meet pieces of rows as matrix products, of which the bands around the diagonal
    are kept.
    """
    channels, height, width = first.shape
    side, pieces, reached = 2 * REACH + 1, -(-width // PIECE), PIECE + 2 * REACH
    spare = pieces * PIECE - width
    rows = functional.pad(first, (0, spare)).permute(1, 2, 0)
    rows = rows.reshape(height * pieces, PIECE, channels)
    wide = functional.pad(second, (REACH, REACH + spare, REACH, REACH)).permute(1, 2, 0)
    near = wide.unfold(1, reached, PIECE).contiguous()  # (h + 2 REACH, pieces, C, reached)
    found = first.new_empty(side, side, height, pieces, PIECE)
    area = PIECE * reached
    for down in range(side):
        product = torch.bmm(rows, near[down : down + height].flatten(0, 1))
        found[down] = product.as_strided(
            (side, height, pieces, PIECE), (1, pieces * area, area, reached + 1)
        )
    found = found.flatten(-2)[..., :width]
    inside = functional.pad(first.new_ones(height, width), (REACH,) * 4) > 0
    smooth = functional.avg_pool2d(found.flatten(0, 1)[None], 3, 1, 1, count_include_pad=False)[0]
    away = torch.arange(-REACH, REACH + 1, device=first.device).square()
    weight = smooth.view(found.shape).div_(TEMPERATURE)
    weight -= NEARNESS * (away[:, None] + away)[..., None, None]
    reachable = inside.unfold(0, side, 1).unfold(1, side, 1).permute(2, 3, 0, 1)
    return weight.masked_fill_(~reachable, -torch.inf)


def _mean_step(likeness: Tensor) -> Tensor:
    """(2, h, w) steps x and y, weighted by the exponentials of their likeness."""
    away = torch.arange(-REACH, REACH + 1, device=likeness.device, dtype=likeness.dtype)
    steps = torch.stack([away.expand(len(away), -1), away[:, None].expand(-1, len(away))])
    weights = likeness.flatten(0, 1).flatten(1).softmax(0)
    return (steps.flatten(1) @ weights).view(2, *likeness.shape[2:])


def _follow(forth: Tensor, back: Tensor, sign: int) -> tuple[Tensor, Tensor]:
    """Paths along (n - 1, 2, h, w) steps, from each of n frames.

    Returns:
        (n, 2, h, w) mean velocity in cells per frame, times the sign, and (n, 1, h, w) trust, 0..1;
        both 0 for the last frame.
    """
    count, _, height, width = forth.shape
    frames = count + 1
    down, across = torch.meshgrid(
        torch.arange(height, device=forth.device),
        torch.arange(width, device=forth.device),
        indexing='ij',
    )
    start = torch.stack([across, down]).to(forth.dtype).expand(frames, -1, -1, -1)
    place, strays = start.clone(), forth.new_zeros(frames, 1, height, width)
    lengths = (frames - 1 - torch.arange(frames, device=forth.device)).clamp(max=AHEAD)
    for number in range(min(AHEAD, count)):
        on = frames - 1 - number  # frames with that many more behind them
        arrived = place[:on] + _at(forth[number:], place[:on])
        astray = arrived + _at(back[number:], arrived) - place[:on]
        strays[:on] = torch.maximum(strays[:on], astray.norm(dim=1, keepdim=True))
        place[:on] = arrived
    velocity = sign * (place - start) / lengths.clamp_min(1).view(-1, 1, 1, 1)
    trust = torch.exp(-(strays / SLACK).square())
    trust[-1] = 0
    return velocity, trust


def _at(steps: Tensor, place: Tensor) -> Tensor:
    """(n, 2, h, w) steps at places (n, 2, h, w) in cells between the cells; beyond the frame those
    of its border.
    """
    size = place.new_tensor([steps.shape[3] - 1, steps.shape[2] - 1]).clamp_min(1)
    grid = place.permute(0, 2, 3, 1) / size * 2 - 1
    return functional.grid_sample(
        steps, grid, mode='bilinear', padding_mode='border', align_corners=True
    )


def _encode(velocity: Tensor) -> Tensor:
    """(n, CHANNELS / 2, h, w) waves of velocities, of length 1 / sqrt(2)."""
    angles = torch.cat([wave * velocity for wave in WAVES], 1)
    return torch.cat([angles.cos(), angles.sin()], 1) / math.sqrt(2 * 2 * len(WAVES))
