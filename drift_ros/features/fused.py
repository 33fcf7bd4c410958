"""Video and image features side by side (TED, equation 4)."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from drift_ros.descriptors import Descriptors
from drift_ros.features.base import FeatureExtractor, Session, Window


class FusedExtractor(FeatureExtractor):
    """R_f = concat(alpha * R_v / |R_v|, (1 - alpha) * R_i / |R_i|), lengths taken per cell.

    Under the cosine, two cells are as similar as the weighted mean of what both networks say:
    (alpha^2 cos_v + (1 - alpha)^2 cos_i) / (alpha^2 + (1 - alpha)^2).

    Args:
        video: describes windows, or a stream, R_v.
        image: describes single frames, R_i.
        alpha: weight of the video features, in (0, 1).
        name: in the registry.
    """

    def __init__(
        self, video: FeatureExtractor, image: FeatureExtractor, alpha: float, name: str = 'fused'
    ) -> None:
        self.name = name
        self.video = video
        self.image = image
        self.alpha = alpha
        self.device = video.device
        self.dtype = video.dtype
        self.window_length = video.window_length
        self.streaming = video.streaming
        self.size_multiple = math.lcm(video.size_multiple, image.size_multiple)

    def extract(self, window: Window) -> Descriptors:
        """Fused features of the newest frames on the finer of the two grids: (n, C_v + C_i, h, w).

        The coarser map is brought to the finer grid (bilinear) before lengths are taken.
        """
        return self.fuse(window, self.video, self.image)

    def session(self, length: int = 0) -> Session:
        """A stream through both."""
        return _FusedSession(self, self.video.session(length), self.image.session())

    @torch.no_grad()
    def fuse(
        self,
        window: Window,
        video: FeatureExtractor | Session,
        image: FeatureExtractor | Session,
    ) -> Descriptors:
        """What `extract` says, with both features from elsewhere; those of images see the newest
        frames only.
        """
        image_only = Window(window.images[-window.new :], window.stamps[-window.new :], window.new)
        maps = video.extract(window), image.extract(image_only)
        stride = min(m.stride for m in maps)
        grid = (window.images.shape[-2] // stride, window.images.shape[-1] // stride)
        weights = (self.alpha, 1 - self.alpha)
        parts = [
            _weighted(m.features, grid, weight) for m, weight in zip(maps, weights, strict=True)
        ]
        return Descriptors.of(torch.cat(parts, 1), stride)


class _FusedSession(Session):
    def __init__(self, extractor: FusedExtractor, video: Session, image: Session) -> None:
        super().__init__(extractor)
        self._fuse = extractor.fuse
        self._video, self._image = video, image

    def extract(self, window: Window) -> Descriptors:
        return self._fuse(window, self._video, self._image)

    def reset(self) -> None:
        self._video.reset()
        self._image.reset()


def _weighted(features: Tensor, grid: tuple[int, int], weight: float) -> Tensor:
    """(n, C, *grid) features of length `weight`, in their dtype; lengths are taken in float32."""
    fine = features.float()
    if features.shape[-2:] != grid:
        fine = functional.interpolate(fine, size=grid, mode='bilinear', align_corners=False)
    return functional.normalize(fine.nan_to_num(), dim=1).mul_(weight).to(features.dtype)
