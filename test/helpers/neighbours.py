"""An extractor that follows any texture, at no cost."""

from __future__ import annotations

import torch

from drift_ros.features import Descriptors, FeatureExtractor, Window


class Neighbours(FeatureExtractor):
    """Colours of a 4 px cell and of the eight around it: a texture that can be followed."""

    name = 'neighbours'
    window_length = 1
    size_multiple = 4
    device = torch.device('cpu')
    dtype = torch.float32

    def __init__(self, fail_at: int | None = None) -> None:
        self.fail_at = fail_at

    def extract(self, window: Window) -> Descriptors:
        if self.fail_at in window.stamps:
            raise RuntimeError('no descriptors')
        cells = torch.nn.functional.avg_pool2d(window.images[-window.new :].float(), 4) - 128
        padded = torch.nn.functional.pad(cells, (1, 1, 1, 1), mode='replicate')
        near = torch.nn.functional.unfold(padded, 3).unflatten(2, cells.shape[2:])
        return Descriptors.of(near, 4)
