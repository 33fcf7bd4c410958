"""I2VGen-XL (Zhang et al. 2023), class `I2VGenXLUNet`: animates an image by a text at a rate."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from drift_ros.features.base import Window
from drift_ros.features.latents import sample
from drift_ros.features.video.image_encoder import ImageEncoder
from drift_ros.features.video.video_unet import Parts, VideoUnetExtractor

FRAMES = 16  # of its training; its files do not say
FPS = 16  # default of its pipeline
SKIPPED_TEXT_LAYERS = 1  # its text is what the last layer but one says


class I2VGenXLExtractor(VideoUnetExtractor):
    """Conditions as the published pipeline does, on the first frame of the window.

    The network is given a latent of that frame in the first slot and constant maps f / (d - 1) in
    the slots behind it, its CLIP embedding, the text and the frame rate.

    Args:
        parts: with an `I2VGenXLUNet`.
        text: (1, tokens, dim) encoding of the prompt.
        image_encoder: CLIP's, on `square_224` of the frame.
    """

    def __init__(self, parts: Parts, text: Tensor, image_encoder: ImageEncoder) -> None:
        super().__init__(parts)
        self._text = text.to(self.device, self.dtype)
        self._image_encoder = image_encoder
        self._fps = torch.tensor([parts.settings.video.fps or FPS], device=self.device)

    def _conditions(self, window: Window, posteriors: list[Tensor]) -> dict[str, Tensor]:
        first = posteriors[0].float()
        noise = self._gaussian(tuple(first.shape[1:]), window.stamps[0], 'condition')
        return {
            'fps': self._fps,
            'image_latents': image_latents(sample(first, noise), len(posteriors)).to(self.dtype),
            'image_embeddings': self._image_encoder(window),
            'encoder_hidden_states': self._text,
        }

    def _features(self, noisy: Tensor, conditions: dict[str, Tensor]) -> Tensor:
        found: Tensor = self._run(
            noisy.transpose(0, 1)[None], self._time, **conditions, return_dict=False
        )[0]
        return found[0].transpose(0, 1)


def image_latents(first: Tensor, frames: int) -> Tensor:
    """(1, 4, frames, h, w): a latent (4, h, w), and then how far along the clip each frame is."""
    places = torch.arange(1, frames, device=first.device, dtype=first.dtype) / max(frames - 1, 1)
    maps = places.view(1, -1, 1, 1).expand(len(first), -1, *first.shape[1:])
    return torch.cat([first[:, None], maps], 1)[None]


def square_224(image: Tensor) -> Tensor:
    """CLIP's view of a frame in this model: the square in its centre, brought to 224 px.

    Args:
        image: (3, H, W) uint8 RGB.

    Returns:
        (1, 3, 224, 224) float32 in [0, 1]. As in the pipeline, the square is first enlarged to the
        width of the frame by repeating pixels.
    """
    height, width = image.shape[1:]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = image[None, :, top : top + side, left : left + side].float()
    if side < width:
        square = functional.interpolate(square, size=(width, width), mode='nearest-exact')
    small = functional.interpolate(
        square, size=(224, 224), mode='bilinear', align_corners=False, antialias=True
    )
    return small.round().clamp(0, 255) / 255
