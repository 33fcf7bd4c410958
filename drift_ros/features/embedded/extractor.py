"""Descriptors from the embedded model, as a stream or frame by frame."""

from __future__ import annotations

import math
from functools import partial

import torch
from torch import Tensor

from drift_ros.cuda_graph import Graphed
from drift_ros.descriptors import Descriptors
from drift_ros.features.base import FeatureExtractor, Session, Window
from drift_ros.features.device import prepare, refuse_overflow
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

    def noise(self, image: Tensor, stamp: int) -> Tensor:
        """Of a (3, H, W) frame, as the network sees it: (3, H / 2, W / 2) float32."""
        size = (image.shape[0], image.shape[1] // SHRINK, image.shape[2] // SHRINK)
        return gaussian(size, self.device, seed=self._seed, stamp=stamp, draw='diffusion', member=0)

    def read(self, image: Tensor, noise: Tensor, cache: Cache | None) -> tuple[Tensor, Tensor]:
        """(1, D, h, w) descriptors of the (3, H, W) uint8 frame that a cache has at work, and
        whether they are all finite, () bool.
        """
        noisy = (self._level.signal * shrink(image) + self._level.noise * noise).to(self.dtype)
        log_snr = torch.full((1, 1), self._level.timestep, device=self.device)
        found = self.model.describe_next(
            noisy[None, None], log_snr, join=self.streaming, cache=cache
        )
        found = found.contiguous()
        return found, found.isfinite().all()


class _Stream(Session):
    """Keys and values of the newest frames, or nothing where every frame is seen alone."""

    def __init__(self, extractor: EmbeddedExtractor) -> None:
        self._of = extractor
        self._begin(torch.Size())

    @torch.no_grad()
    def extract(self, window: Window) -> Descriptors:
        if window.images.shape[1:] != self._size:
            self._begin(window.images.shape[1:])
        first = 0 if self._of.streaming else len(window.images) - window.new
        frames = list(zip(window.images, window.stamps, strict=True))[first:]
        maps = [self._describe(image, stamp) for image, stamp in frames]
        features = torch.cat(maps[-window.new :])
        return Descriptors.of(features, window.images.shape[-2] // features.shape[-2])

    def reset(self) -> None:
        if self._cache is not None:
            self._cache.reset()

    def _begin(self, size: torch.Size) -> None:
        """A stream of images of a size (3, H, W); what it keeps stays where it is in memory."""
        self._size = size
        self._cache = Cache() if self._of.streaming else None
        self._read = Graphed(partial(self._of.read, cache=self._cache))

    def _describe(self, image: Tensor, stamp: int) -> Tensor:
        """(1, D, h, w) of the next frame."""
        if self._cache is not None:
            self._cache.begin(self._of.device)
        found, finite = self._read(image, self._of.noise(image, stamp))
        refuse_overflow(finite, self._of.dtype, 'the embedded model')
        if self._cache is not None:
            self._cache.end()
        described: Tensor = found
        return described
