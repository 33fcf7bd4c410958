"""How the blocks of an embedded model become descriptors.

The channels of a block are strongly correlated, and a few large ones drown the others under the
cosine. Whitening undoes both: the mean is subtracted and the covariance made the unit matrix. Mean
and covariance are measured once, on rendered video, and kept with the weights, so descriptors of
different windows can be compared. The parts of several blocks are brought to the finest grid, each
is given unit length per cell, and they are laid side by side.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional

from drift_ros.errors import CheckpointError

FILE = 'reading.safetensors'
FLOOR = 0.01  # of the largest variance, added to all: directions of next to no variance stay small


@dataclass(frozen=True, slots=True)
class Whitening:
    """Attributes: mean (C,) and matrix (C, C), float32: y = matrix (x - mean)."""

    mean: Tensor
    matrix: Tensor

    @classmethod
    def measure(cls, maps: Sequence[Tensor]) -> Whitening:
        """That of the cells of (n, C, h, w) maps."""
        cells = torch.cat([m.float().transpose(0, 1).flatten(1) for m in maps], 1)
        mean = cells.mean(1)
        centred = cells - mean[:, None]
        variances, directions = torch.linalg.eigh(centred @ centred.T / cells.shape[1])
        scales = (variances + FLOOR * variances.max()).rsqrt()
        return cls(mean, (directions * scales) @ directions.T)

    def apply(self, features: Tensor) -> Tensor:
        """(n, C, h, w) -> the same, float32."""
        return functional.conv2d(
            features.float() - self.mean[:, None, None], self.matrix[..., None, None]
        )

    def to(self, device: torch.device) -> Whitening:
        """The same on another device."""
        return Whitening(self.mean.to(device), self.matrix.to(device))


@dataclass(frozen=True, slots=True)
class Reading:
    """Which blocks are read at which noise, and their whitenings.

    Attributes:
        snr: signal-to-noise ratio of the frames.
        blocks: decoder blocks, rising.
        joined: whitening of each block with temporal layers; empty for a model without.
        alone: the same without temporal layers.
    """

    snr: float
    blocks: tuple[int, ...]
    joined: Mapping[int, Whitening]
    alone: Mapping[int, Whitening]

    def save(self, folder: Path) -> None:
        """Write it beside the weights."""
        tensors = {
            f'{way}.{block}.{part}': tensor.cpu().contiguous().clone()
            for way, known in (('joined', self.joined), ('alone', self.alone))
            for block, whitening in known.items()
            for part, tensor in (('mean', whitening.mean), ('matrix', whitening.matrix))
        }
        blocks = ','.join(map(str, self.blocks))
        save_file(tensors, folder / FILE, {'snr': repr(self.snr), 'blocks': blocks})

    @classmethod
    def load(cls, folder: Path) -> Reading:
        """Read it from beside the weights.

        Raises:
            CheckpointError: it is missing or damaged.
        """
        path = folder / FILE
        try:
            with safe_open(path, 'pt') as file:
                facts = file.metadata()
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            blocks = tuple(int(block) for block in facts['blocks'].split(','))
            ways = {
                way: {
                    block: Whitening(
                        tensors[f'{way}.{block}.mean'], tensors[f'{way}.{block}.matrix']
                    )
                    for block in blocks
                    if f'{way}.{block}.mean' in tensors
                }
                for way in ('joined', 'alone')
            }
            return cls(float(facts['snr']), blocks, ways['joined'], ways['alone'])
        except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
            raise CheckpointError(
                f'{path} is missing or damaged ({type(error).__name__}: {error}): take the folder '
                'that `drift train-embedded` left, as a whole'
            ) from None


def describe(maps: Sequence[Tensor], whitenings: Sequence[Whitening]) -> Tensor:
    """(n, sum of C, h, w) float32 descriptors on the grid of the last of (n, C, h, w) maps."""
    grid = maps[-1].shape[-2:]
    parts = []
    for features, whitening in zip(maps, whitenings, strict=True):
        white = whitening.apply(features)
        if white.shape[-2:] != grid:
            white = functional.interpolate(white, grid, mode='bilinear', align_corners=False)
        parts.append(functional.normalize(white, dim=1))
    return torch.cat(parts, 1)
