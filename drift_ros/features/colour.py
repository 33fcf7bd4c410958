"""Features with the colour of each cell beside them.

Networks that learnt to match across views and light keep little of a thing's very colours. Within a
stream these say more than anything else that costs so little.
"""

from __future__ import annotations

import math
from functools import cache

import torch
from torch import Tensor
from torch.nn import functional

from drift_ros.descriptors import Descriptors
from drift_ros.features.base import FeatureExtractor
from drift_ros.settings import TrackerSettings

SIGMA = 8.0  # in a* and b*: distance at which colours are alike by exp(-1/2)
LIGHTNESS = 2.55  # times as much for L*
FREQUENCIES = 12
# linear RGB (IEC 61966-2-1) to X, Y, Z as shares of the white of D65
XYZ = ((0.43395, 0.37622, 0.18983), (0.21267, 0.71516, 0.07217), (0.01776, 0.10947, 0.87277))


def colour_weight(settings: TrackerSettings, extractor: FeatureExtractor) -> float:
    """What `add_colours` is given: `features.colour`, and 0 where no cosines of plain features are
    compared: attention, and scalar products, in which lengths count.
    """
    plain = not extractor.heads and settings.propagation.similarity == 'cosine'
    return settings.features.colour if plain else 0.0


def add_colours(found: Descriptors, images: Tensor, weight: float) -> Descriptors:
    """F = concat(f / |f|, sqrt(weight) * phi(colour)), lengths taken per cell.

    The colour is the mean of the cell in CIELAB, and phi are random Fourier features (Rahimi and
    Recht 2007) of a Gaussian kernel k. Under the cosine two cells are as similar as the weighted
    mean of what both say: (cos_f + weight * k) / (1 + weight).

    Args:
        found: plain features of n frames, (n, C, h, w).
        images: (n, 3, H, W) uint8 RGB, the frames on the same device.
        weight: of the colours, at least 0.

    Returns:
        (n, C + 24, h, w) in the dtype of the features; `found` itself if the weight is 0.

    Raises:
        ValueError: there are features of another number of frames.
    """
    if not weight:
        return found
    if len(found) != len(images):
        raise ValueError(f'expected features of {len(images)} frames, got those of {len(found)}')
    features = functional.normalize(found.features.float().nan_to_num(), dim=1)
    height, width = features.shape[2:]
    means = functional.adaptive_avg_pool2d(images.float(), (height, width))
    turns = torch.einsum('nchw,cf->nfhw', to_lab(means), _waves(means.device))
    scale = math.sqrt(weight / FREQUENCIES)
    parts = [features, scale * turns.cos(), scale * turns.sin()]
    return Descriptors.of(torch.cat(parts, 1).to(found.features.dtype), found.stride)


def to_lab(images: Tensor) -> Tensor:
    """(n, 3, h, w) float32 L* in [0, 100], a*, b* (CIE 1976, D65), of sRGB in [0, 255]."""
    encoded = images / 255
    linear = torch.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    xyz = torch.einsum('nchw,kc->nkhw', linear, _xyz(images.device))
    roots = torch.where(xyz > (6 / 29) ** 3, xyz ** (1 / 3), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    x, y, z = roots.unbind(1)
    return torch.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], 1)


@cache
def _xyz(device: torch.device) -> Tensor:
    """(3, 3) `XYZ`, brought to a device once."""
    return torch.tensor(XYZ, device=device)


@cache
def _waves(device: torch.device) -> Tensor:
    """(3, F) by what L*, a*, b* become angles: normal, and orthogonal by threes (Yu et al. 2016),
    which approximates the kernel better.
    """
    generator = torch.Generator().manual_seed(0)
    parts = []
    for _ in range(FREQUENCIES // 3):
        turn, _ = torch.linalg.qr(torch.randn((3, 3), generator=generator, dtype=torch.float64))
        length = torch.randn((3, 3), generator=generator, dtype=torch.float64).norm(dim=1)
        parts.append(turn * length[None])
    scale = torch.tensor([LIGHTNESS, 1, 1], dtype=torch.float64) / SIGMA
    return (torch.cat(parts, 1) * scale[:, None]).float().to(device)
