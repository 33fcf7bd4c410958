"""Queries and keys of the embedded model's attention within frames."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from drift_ros.descriptors import Descriptors
from drift_ros.errors import SettingsError
from drift_ros.features.attention import parse_places
from drift_ros.features.base import FeatureExtractor, Window
from drift_ros.features.device import prepare, require_finite
from drift_ros.features.embedded.extractor import SHRINK, level, shrink
from drift_ros.features.embedded.model import EmbeddedUNet
from drift_ros.features.inversion import ddim, snr_ladder, take_apart
from drift_ros.features.noise import NoiseLevel, gaussian
from drift_ros.settings import FeatureSettings

CLEANEST = math.exp(6)  # signal-to-noise ratio as which a clean frame counts


class EmbeddedAttention(FeatureExtractor):
    """Reads decoder blocks of the embedded model as an image model: every frame is seen alone.

    Args:
        model: moved and cast in place.
        settings: which blocks, at which noise, by which seed.
        device: where to run.
        dtype: number format.

    Raises:
        SettingsError: the model does not attend within frames at one of the blocks.
    """

    name = 'embedded-attention'
    window_length = 1

    def __init__(
        self,
        model: EmbeddedUNet,
        settings: FeatureSettings,
        device: torch.device,
        dtype: torch.dtype,
    ) -> None:
        known = model.heads
        wanted = settings.attention.layers or str(max(known))
        self._blocks = [block for block, _ in parse_places(wanted, 1)]
        for block, layer in parse_places(wanted, 1):
            if layer or block not in known:
                raise SettingsError(
                    f'there is no attention layer {block}.{layer}: the decoder of the embedded '
                    f'model attends within frames at {", ".join(f"{b}.0" for b in known)} '
                    '(features.attention.layers)'
                )
        self.heads = tuple((f'{b}.0', head) for b in self._blocks for head in range(known[b]))
        self._attention = settings.attention
        self.device = device
        self.dtype = dtype
        self.size_multiple = SHRINK * model.multiple * 2  # a cell at the grid of block 1
        self.model: EmbeddedUNet = prepare(model, device, dtype)
        self._level = level(settings.embedded.snr)
        self._levels = (
            snr_ladder(level, CLEANEST, settings.embedded.snr, settings.inversion_steps)
            if settings.noise == 'inversion'
            else []
        )
        self._seed = settings.seed

    @torch.no_grad()
    def extract(self, window: Window) -> Descriptors:
        """Queries and keys of the newest frames, a map per block and head.

        Raises:
            DeviceError: the network overflows in its number format.
        """
        images, stamps = window.images[-window.new :], window.stamps[-window.new :]
        clean = shrink(images)
        if self._levels:
            noisy = ddim(clean, self._predict, self._levels)
        else:
            noise = torch.stack([self._noise(clean[0], stamp) for stamp in stamps])
            noisy = self._level.signal * clean + self._level.noise * noise
        log_snr = torch.full((len(noisy), 1), self._level.timestep, device=self.device)
        found = self.model.queries_and_keys(noisy.to(self.dtype)[:, None], log_snr, self._blocks)
        queries: list[Tensor] = []
        keys: list[Tensor] = []
        for query, key in found:
            require_finite(query, 'the embedded model')
            if self._attention.compare == 'keys':
                query = key * query.norm(dim=-1, keepdim=True)  # both are of constant length
            queries += _heads(query / self._attention.temperature)
            keys += _heads(key)
        finest = max(query.shape[2] for query in queries)
        return Descriptors(tuple(queries), tuple(keys), images.shape[2] // finest)

    def _predict(self, noisy: Tensor, at: NoiseLevel) -> tuple[Tensor, Tensor]:
        log_snr = torch.full((len(noisy), 1), at.timestep, device=self.device)
        clean = self.model(noisy.to(self.dtype)[:, None], log_snr, join=False).clean[:, 0]
        return take_apart(clean, noisy, at, 'sample')

    def _noise(self, like: Tensor, stamp: int) -> Tensor:
        return gaussian(
            like.shape, self.device, seed=self._seed, stamp=stamp, draw='diffusion', member=0
        )


def _heads(each: Tensor) -> list[Tensor]:
    """(n, h, w, heads, C) -> (n, C, h, w) for each head, channels innermost in memory."""
    return [head.permute(0, 3, 1, 2) for head in each.unbind(3)]
