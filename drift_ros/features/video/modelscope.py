"""ModelScope text-to-video (Wang et al. 2023), class `UNet3DConditionModel`: its only
condition is text.
"""

from __future__ import annotations

from torch import Tensor

from drift_ros.features.base import Window
from drift_ros.features.video.video_unet import Parts, VideoUnetExtractor

FRAMES = 16  # of its training; its files do not say


class ModelScopeExtractor(VideoUnetExtractor):
    """Args:
    parts: with a `UNet3DConditionModel`.
    text: (1, tokens, dim) encoding of the prompt.
    """

    def __init__(self, parts: Parts, text: Tensor) -> None:
        super().__init__(parts)
        self._text = text.to(self.device, self.dtype)

    def _conditions(self, window: Window, posteriors: list[Tensor]) -> dict[str, Tensor]:
        return {'encoder_hidden_states': self._text}

    def _features(self, noisy: Tensor, conditions: dict[str, Tensor]) -> Tensor:
        found: Tensor = self._run(
            noisy.transpose(0, 1)[None], self._time, **conditions, return_dict=False
        )[0]
        return found[0].transpose(0, 1)
