"""What the network learns: to predict clean frames from noised ones, and to match.

*Denoising.* A noise level is drawn, uniformly in the logarithm of the signal-to-noise ratio. The
squared error of x_0 is divided by the share of the noise, which is the error of v (Salimans and Ho
2022), bounded where there is hardly any noise.

*Matching* (as Track4Gen, Jeong et al. 2025, with exact tracks of rendered points). The descriptor
at a point of one frame is compared with all cells of another one; the softmax of the cosines has
to put its weight on the cells around the true place, and on cells of the same object.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from drift_ros.training.data import TrackedClip

LEAST_NOISE = 0.15  # share of the noise below which the weight of the error grows no more
OBJECT_POINTS, OTHER_POINTS = 120, 40  # at most that many of a frame are matched
TINY = 1e-6


@dataclass(frozen=True, slots=True)
class Noised:
    """A batch as the network sees it.

    Attributes:
        clean: (B, F, 3, H, W) float32 in -1..1.
        noisy: same shape.
        log_snr: (B, F).
    """

    clean: Tensor
    noisy: Tensor
    log_snr: Tensor


def noised(images: Tensor, log_snr: Tensor, generator: torch.Generator) -> Noised:
    """(B, F, 3, H, W) uint8 frames with noise of the levels (B, F)."""
    clean = images.float() / 127.5 - 1
    noise = torch.randn(clean.shape, generator=generator, device=images.device)
    return Noised(clean, mix(clean, noise, log_snr), log_snr)


def mix(clean: Tensor, noise: Tensor, log_snr: Tensor) -> Tensor:
    """Mixtures a clean + s noise with a^2 / s^2 = exp(log_snr), (B, F, ...), for (B, F)."""
    level = log_snr[(..., *(None,) * (clean.ndim - 2))]
    return torch.sigmoid(level).sqrt() * clean + torch.sigmoid(-level).sqrt() * noise


def denoising_errors(predicted: Tensor, batch: Noised) -> Tensor:
    """(B, F) weighted squared error of each frame; its mean is the loss."""
    error = (predicted.float() - batch.clean).square().mean((2, 3, 4))
    return error / torch.sigmoid(-batch.log_snr).clamp_min(LEAST_NOISE)


def matching_loss(
    descriptors: Tensor,
    clips: TrackedClip,
    pairs: Tensor,
    temperature: Tensor,
    generator: torch.Generator,
) -> Tensor:
    """Mean over clips, and in each over points and pairs: cross-entropy to the true place, and
    twice to the object.

    Args:
        descriptors: (B, F, D, h, w).
        clips: of the same batch, stacked.
        pairs: (B, P, 2) int64 numbers of frames whose points are looked for, and in which; P >= 1.
        generator: chooses points; on the CPU.

    Returns:
        A scalar; clips where no point is seen in both frames of any pair count as 0.
    """
    grid = descriptors.shape[-2:]
    stride = clips.images.shape[-1] / grid[1]
    own = torch.arange(len(pairs), device=pairs.device)[:, None]
    source, target = (own, pairs[..., 0]), (own, pairs[..., 1])
    usable = clips.visible[source] & clips.visible[target]
    chosen, valid = (part.flatten(0, 1) for part in _points(usable, clips.ids, generator))
    places = (clips.positions + 0.5) / stride - 0.5  # in cells
    there, here = (
        places[at].flatten(0, 1).gather(1, chosen[..., None].expand(-1, -1, 2))
        for at in (source, target)
    )
    # what lies in the plane of the camera has no place
    there, here = (each.where(valid[..., None], 0) for each in (there, here))
    units = functional.normalize(descriptors.float(), dim=2)
    query = functional.normalize(_sample(units[source].flatten(0, 1), there), dim=2)
    keys = units[target].flatten(0, 1).flatten(2)
    scores = (query @ keys / temperature).log_softmax(2)
    near, weights = _corners(here, grid)
    exact = -(scores.gather(2, near) * weights).sum(2)
    ids = clips.ids.repeat_interleave(pairs.shape[1], 0).gather(1, chosen)
    same = _same_object(ids, clips.labels[target].flatten(0, 1), grid)
    whole = -(scores.exp() * same).sum(2).clamp_min(TINY).log()
    losses = torch.where(valid, exact + 2 * whole, 0).view(len(pairs), -1)
    return (losses.sum(1) / valid.view(len(pairs), -1).sum(1).clamp_min(1)).mean()


def _points(usable: Tensor, ids: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Numbers (B, P, n) of some of the usable points (B, P, N) with ids (B, N), three of four on
    objects where there are any, and which of the numbers mean a usable point.
    """
    order = torch.rand(usable.shape, generator=generator).to(usable.device)
    on = (ids > 0)[:, None]
    found = [
        order.where(usable & kind, -1).topk(min(most, usable.shape[2]), sorted=False)
        for kind, most in ((on, OBJECT_POINTS), (~on, OTHER_POINTS))
    ]
    values, numbers = (torch.cat(parts, 2) for parts in zip(*found, strict=True))
    return numbers, values >= 0


def _sample(features: Tensor, places: Tensor) -> Tensor:
    """(B, n, D) of (B, D, h, w) at places (B, n, 2) in cells, bilinear."""
    size = places.new_tensor([features.shape[3] - 1, features.shape[2] - 1])
    grid = (places / size * 2 - 1)[:, None]
    found = functional.grid_sample(features, grid, padding_mode='border', align_corners=True)
    return found[:, :, 0].transpose(1, 2)


def _corners(places: Tensor, grid: torch.Size) -> tuple[Tensor, Tensor]:
    """Numbers (..., 4) of the cells around places (..., 2), and their bilinear weights."""
    limit = places.new_tensor([grid[1] - 1, grid[0] - 1])
    places = places.clamp(min=0).minimum(limit)
    first = places.floor()
    part = places - first
    corners, weights = [], []
    for right in (0, 1):
        for down in (0, 1):
            at = (first + places.new_tensor([right, down])).minimum(limit).long()
            corners.append(at[..., 1] * grid[1] + at[..., 0])
            across = part[..., 0] if right else 1 - part[..., 0]
            weights.append(across * (part[..., 1] if down else 1 - part[..., 1]))
    return torch.stack(corners, -1), torch.stack(weights, -1)


def _same_object(ids: Tensor, labels: Tensor, grid: torch.Size) -> Tensor:
    """(B, n, h * w) share of each cell of label maps (B, H, W) that shows the objects (B, n)."""
    known = torch.arange(1 + int(max(labels.max(), ids.max())), device=labels.device)
    shown = (labels[:, None] == known[:, None, None]).float()
    shares = functional.adaptive_avg_pool2d(shown, (grid[0], grid[1])).flatten(2)
    return shares.gather(1, ids.long()[..., None].expand(-1, -1, shares.shape[2]))
