"""Fewer channels per descriptor: cosines stay close, and matching costs less."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from drift_ros.errors import DriftError
from drift_ros.propagation.kernel import unit


class ChannelReduction:
    """A linear projection of descriptors, fitted to the first ones that come.

    'pca' projects onto the leading eigenvectors of the uncentred second moment of the descriptors,
    the subspace of this size that keeps their scalar products best in the mean square. 'random'
    projects onto a random orthonormal basis drawn from a seed, scaled so that scalar products are
    kept in the mean (Johnson and Lindenstrauss 1984); it needs nothing of the data.

    Args:
        channels: C' >= 1 to keep. Descriptors with no more channels pass unchanged.
        method: 'pca' or 'random'.
        seed: of the random projection.
        normalize: whether what comes out is brought to unit length again.

    Raises:
        DriftError: channels is less than 1, or the method is unknown.
    """

    def __init__(
        self,
        channels: int,
        method: Literal['pca', 'random'] = 'pca',
        seed: int = 0,
        normalize: bool = True,
    ) -> None:
        if channels < 1 or method not in ('pca', 'random'):
            raise DriftError(
                "a reduction needs channels >= 1 and the method 'pca' or 'random', got "
                f'{channels} and {method!r}'
            )
        self._channels = channels
        self._method = method
        self._seed = seed
        self._normalize = normalize
        self._basis: Tensor | None = None

    def reset(self) -> None:
        """Forget the projection; the next descriptors fit a new one."""
        self._basis = None

    def fit(self, features: Tensor) -> None:
        """Fit the projection to descriptors (n, C, h, w)."""
        if self._method == 'pca':
            cells = features.detach().float().nan_to_num().movedim(1, -1).flatten(0, -2)
            moment = (cells.T @ cells).cpu().double()
            self._basis = torch.linalg.eigh(moment).eigenvectors[:, -self._channels :].flip(1)
        else:
            total = features.shape[1]
            generator = torch.Generator().manual_seed(self._seed)
            noise = torch.randn(total, self._channels, generator=generator, dtype=torch.float64)
            self._basis = torch.linalg.qr(noise).Q * (total / self._channels) ** 0.5

    def __call__(self, features: Tensor) -> Tensor:
        """Project descriptors; the first ones fit the projection.

        Args:
            features: (n, C, h, w) floating point.

        Returns:
            (n, C', h, w) of the same dtype and device, C' = min(C, channels).

        Raises:
            DriftError: they have another number of channels than the first ones.
        """
        if features.shape[1] <= self._channels:
            return features
        if self._basis is None:
            self.fit(features)
        assert self._basis is not None
        if features.shape[1] != len(self._basis):
            raise DriftError(
                f'the reduction was fitted to {len(self._basis)} channels and got '
                f'{features.shape[1]}: reset it when the extractor changes'
            )
        basis = self._basis.to(features.device, torch.float32)
        reduced = (features.float().movedim(1, -1) @ basis).movedim(-1, 1).to(features.dtype)
        return unit(reduced, 1) if self._normalize else reduced
