"""Descriptors from the embedded model, as a stream or frame by frame."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from drift_ros.descriptors import Descriptors
from drift_ros.features.base import FeatureExtractor, Session, Window
from drift_ros.features.device import prepare, require_finite
from drift_ros.features.embedded.layers import PAST, Cache
from drift_ros.features.embedded.model import EmbeddedUNet
from drift_ros.features.noise import NoiseLevel, gaussian

SHRINK = 2  # px of an image per px that the network sees


def level(snr: float) -> NoiseLevel:
    """The noise level of a signal-to-noise ratio; its time is the logarithm of the ratio."""
    return NoiseLevel(math.sqrt(snr / (1 + snr)), math.sqrt(1 / (1 + snr)), math.log(snr))


def shrink(images: Tensor) -> Tensor:
    """(..., 3, H, W) uint8 -> float32 in -1..1 of half the height and width: means of 2 x 2 px.

    Pooling by torch gives the same and takes seven times as long on a CPU.
    """
    rows = images[..., ::SHRINK, :].float() + images[..., 1::SHRINK, :]
    return (rows[..., ::SHRINK] + rows[..., 1::SHRINK]).div_(510).sub_(1)


class EmbeddedExtractor(FeatureExtractor):
    """The descriptors that the embedded model was trained to match by.

    Frames are shrunk by 2, noised, and go through the network one by one. Noise is drawn by (seed,
    stamp of the frame). With temporal layers it is a streaming extractor: keys and values of
    earlier frames are kept in the session. Without, every frame is seen alone.

    Args:
        name: name in the registry.
        model: moved and cast in place.
        snr: signal-to-noise ratio at which frames are read.
        temporal: whether temporal layers are run, if the model has any.
        seed: of the noise.
        device: where to run.
        dtype: number format of the network and the descriptors.
    """

    reentrant = True

    def __init__(
        self,
        name: str,
        model: EmbeddedUNet,
        *,
        snr: float,
        temporal: bool = True,
        seed: int = 0,
        device: torch.device,
        dtype: torch.dtype,
    ) -> None:
        self.name = name
        self.device = device
        self.dtype = dtype
        self.streaming = temporal and model.config.temporal
        self.window_length = 1 + max(PAST.values()) if self.streaming else 1
        self.size_multiple = SHRINK * model.multiple
        self.model: EmbeddedUNet = prepare(model, device, dtype)
        self._level = level(snr)
        self._seed = seed

    def extract(self, window: Window) -> Descriptors:
        """Descriptors of the newest `window.new` frames of a stream that begins with this window.

        Raises:
            DeviceError: the network overflows in its number format.
        """
        return self.session().extract(window)

    def session(self, length: int = 0) -> Session:
        """A new stream; how many frames it remembers is the model's own."""
        del length
        return _Stream(self)

    @torch.no_grad()
    def describe(self, image: Tensor, stamp: int, cache: Cache | None) -> Tensor:
        """(1, D, h, w) descriptors of a (3, H, W) uint8 frame that follows on those in the cache.

        Raises:
            DeviceError: the network overflows in its number format.
        """
        clean = shrink(image)
        noise = gaussian(
            clean.shape, self.device, seed=self._seed, stamp=stamp, draw='diffusion', member=0
        )
        noisy = (self._level.signal * clean + self._level.noise * noise).to(self.dtype)
        log_snr = torch.full((1, 1), self._level.timestep, device=self.device)
        found = self.model.describe(noisy[None, None], log_snr, join=self.streaming, cache=cache)
        require_finite(found, 'the embedded model')
        return found[0]


class _Stream(Session):
    """Keys and values of the newest frames, or nothing where every frame is seen alone."""

    def __init__(self, extractor: EmbeddedExtractor) -> None:
        self._of = extractor
        self.reset()

    def extract(self, window: Window) -> Descriptors:
        first = 0 if self._of.streaming else len(window.images) - window.new
        frames = list(zip(window.images, window.stamps, strict=True))[first:]
        maps = [self._of.describe(image, stamp, self._cache) for image, stamp in frames]
        features = torch.cat(maps[-window.new :])
        return Descriptors.of(features, window.images.shape[-2] // features.shape[-2])

    def reset(self) -> None:
        self._cache = Cache() if self._of.streaming else None
