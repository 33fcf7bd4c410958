"""CLIP's embedding of the condition image."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from drift_ros.features.base import Window
from drift_ros.features.device import prepare

# OpenAI's CLIP; preprocessor_config.json may say otherwise.
MEAN = (0.48145466, 0.4578275, 0.40821073)
DEVIATION = (0.26862954, 0.26130258, 0.27577711)


class ImageEncoder:
    """Embeds the first frame of a window; stays on the device, since every window has another.

    Args:
        model: `CLIPVisionModelWithProjection`; it is moved and cast in place.
        view: brings a frame (3, H, W) uint8 to the (1, 3, 224, 224) in [0, 1] that CLIP sees.
        mean, deviation: of the colours that CLIP was trained on, three each.
        device: where to run.
        dtype: number format.
    """

    def __init__(
        self,
        model: Any,
        view: Callable[[Tensor], Tensor],
        mean: Sequence[float],
        deviation: Sequence[float],
        device: torch.device,
        dtype: torch.dtype,
    ) -> None:
        self.model = prepare(model, device, dtype)
        self._view = view
        self._dtype = dtype
        self._mean, self._deviation = (
            torch.tensor(values, device=device).view(1, 3, 1, 1) for values in (mean, deviation)
        )

    @torch.no_grad()
    def __call__(self, window: Window) -> Tensor:
        """(1, 1, dim) embedding of the first frame."""
        pixels = (self._view(window.images[0]) - self._mean) / self._deviation
        embedding: Tensor = self.model(pixels.to(self._dtype)).image_embeds[:, None]
        return embedding
