"""Runs the feature extractor over windows: images to its size, descriptors to what propagation
compares.
"""

from __future__ import annotations

import torch

from drift_ros.features.base import FeatureExtractor, FeatureMap, Window
from drift_ros.propagation import ChannelReduction, unit
from drift_ros.settings import PropagationSettings
from drift_ros.tracking.prepare import network_size, to_input
from drift_ros.tracking.windows import Cut

GREY = 128


class Describer:
    """Makes the descriptors that labels are propagated by.

    Args:
        extractor: describes windows of frames.
        resolution: short side of its input in px, 0 for that of the images.
        propagation: how descriptors are compared, and to how many channels they are reduced.
    """

    def __init__(
        self, extractor: FeatureExtractor, resolution: int, propagation: PropagationSettings
    ) -> None:
        self.extractor = extractor
        self._resolution = resolution
        self._normalize = propagation.similarity == 'cosine'
        self._reduction = (
            ChannelReduction(propagation.channels, propagation.reduction, normalize=self._normalize)
            if propagation.channels
            else None
        )

    def begin_generation(self) -> None:
        """Let the next window fit the reduction of channels; what was described before is of no
        use with what comes.
        """
        if self._reduction is not None:
            self._reduction.reset()

    def describe(self, cut: Cut) -> FeatureMap:
        """Descriptors of the new frames of a window: of unit length over C unless the similarity is
        `dot`, and reduced by a projection that the first window of the generation fits.
        """
        size = self._network_size(cut.frames[0].frame.size)
        for held in cut.frames:
            if held.image is None:
                held.image = to_input(held.frame.image, size, self.extractor.device)
        images = torch.stack([held.image for held in cut.frames if held.image is not None])
        stamps = tuple(held.frame.stamp for held in cut.frames)
        maps = self.extractor.extract(Window(images, stamps, cut.new))
        features = unit(maps.features, 1) if self._normalize else maps.features
        if self._reduction is not None:
            features = self._reduction(features)
        return FeatureMap(features, maps.stride)

    def try_out(self, size: tuple[int, int], length: int, stride: int) -> str:
        """Run one window of grey frames, without a trace.

        Args:
            size: (H, W) of the camera's images in px.
            length: frames of the window.
            stride: new frames of the window.

        Returns:
            Why the device has too little memory for it; empty if it has enough.
        """
        height, width = self._network_size(size)
        device = self.extractor.device
        try:
            images = torch.full((length, 3, height, width), GREY, dtype=torch.uint8, device=device)
            self.extractor.extract(Window(images, tuple(range(length)), stride))
        except torch.OutOfMemoryError as error:
            return self.too_little_memory(size, length, error)
        finally:
            self.extractor.reset()
        return ''

    def too_little_memory(self, size: tuple[int, int], length: int, error: Exception) -> str:
        """What to say of an out-of-memory error on images of a size (H, W) in px."""
        height, width = self._network_size(size)
        return (
            f'{self.extractor.device} has too little memory for windows of {length} frames '
            f'at {width}x{height} px with {self.extractor.name} in {self.extractor.dtype}: {error}'
        )

    def free_memory(self) -> None:
        """Give back the memory of everything that can be computed again."""
        self.extractor.reset()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def _network_size(self, size: tuple[int, int]) -> tuple[int, int]:
        return network_size(size, self._resolution, self.extractor.size_multiple)
