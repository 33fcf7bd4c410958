"""What the network learns: to predict clean frames from noised ones, and to match.

*Denoising.* A noise level is drawn, uniformly in the logarithm of the signal-to-noise ratio. The
squared error of x_0 is divided by the share of the noise, which is the error of v (Salimans and Ho
2022), bounded where there is hardly any noise.

*Matching* (as Track4Gen, Jeong et al. 2025, with exact tracks of rendered points). The descriptor
at a point of one frame is compared with all cells of another one; the softmax of the cosines has
to put its weight on the cells around the true place, and on cells of the same object.
"""

from __future__ import annotations

from collections.abc import Sequence
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
    clip: TrackedClip,
    pairs: Sequence[tuple[int, int]],
    temperature: Tensor,
    generator: torch.Generator,
) -> Tensor:
    """Mean over points and pairs: cross-entropy to the true place, and twice to the object.

    Args:
        descriptors: (F, D, h, w) of a clip.
        pairs: frames whose points are looked for, and frames in which.
        generator: chooses points; on the CPU.

    Returns:
        A scalar; 0 where no point is seen in both frames.
    """
    grid = descriptors.shape[-2:]
    stride = clip.images.shape[-1] / grid[1]
    units = functional.normalize(descriptors.float(), dim=1)
    losses = []
    for source, target in pairs:
        chosen = _points(clip.visible[source] & clip.visible[target], clip.ids, generator)
        if not len(chosen):
            continue
        places = (clip.positions[:, chosen] + 0.5) / stride - 0.5  # in cells
        query = functional.normalize(_sample(units[source], places[source]), dim=1)
        scores = (query @ units[target].flatten(1) / temperature).log_softmax(1)
        near, weights = _corners(places[target], grid)
        exact = -(scores.gather(1, near) * weights).sum(1)
        same = _shares(clip.labels[target], grid)[clip.ids[chosen].long()]
        whole = -(scores.exp() * same).sum(1).clamp_min(TINY).log()
        losses.append(exact + 2 * whole)
    return torch.cat(losses).mean() if losses else descriptors.sum() * 0


def _points(usable: Tensor, ids: Tensor, generator: torch.Generator) -> Tensor:
    """Numbers of some of the usable points, (n,), three of four on objects where there are any."""
    order = torch.randperm(len(usable), generator=generator).to(usable.device)
    order = order[usable[order]]
    on = ids[order] > 0
    return torch.cat([order[on][:OBJECT_POINTS], order[~on][:OTHER_POINTS]])


def _sample(features: Tensor, places: Tensor) -> Tensor:
    """(n, D) of (D, h, w) at places (n, 2) in cells, bilinear."""
    size = places.new_tensor([features.shape[2] - 1, features.shape[1] - 1])
    grid = (places / size * 2 - 1)[None, None]
    return functional.grid_sample(features[None], grid, padding_mode='border', align_corners=True)[
        0, :, 0
    ].T


def _corners(places: Tensor, grid: torch.Size) -> tuple[Tensor, Tensor]:
    """Numbers (n, 4) of the cells around places (n, 2), and their bilinear weights."""
    limit = places.new_tensor([grid[1] - 1, grid[0] - 1])
    places = places.clamp(min=0).minimum(limit)
    first = places.floor()
    part = places - first
    corners, weights = [], []
    for right in (0, 1):
        for down in (0, 1):
            at = (first + places.new_tensor([right, down])).minimum(limit).long()
            corners.append(at[:, 1] * grid[1] + at[:, 0])
            across = part[:, 0] if right else 1 - part[:, 0]
            weights.append(across * (part[:, 1] if down else 1 - part[:, 1]))
    return torch.stack(corners, 1), torch.stack(weights, 1)


def _shares(labels: Tensor, grid: torch.Size) -> Tensor:
    """(K + 1, h * w) share of each cell that shows each label of an (H, W) map."""
    known = functional.one_hot(labels.long(), int(labels.max()) + 1).permute(2, 0, 1).float()
    return functional.adaptive_avg_pool2d(known, (grid[0], grid[1])).flatten(1)
