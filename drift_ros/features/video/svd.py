"""Stable Video Diffusion (Blattmann et al. 2023), class `UNetSpatioTemporalConditionModel`.

It is preconditioned as EDM (Karras et al. 2022): its input c_in (x_0 + sigma eps) with
c_in = 1 / sqrt(sigma^2 + 1) is the mixture signal x_0 + noise eps with sigma = noise / signal, and
its time is ln(sigma) / 4.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from drift_ros.features.base import Window
from drift_ros.features.latents import to_pixels
from drift_ros.features.noise import NoiseSchedule
from drift_ros.features.video.image_encoder import ImageEncoder
from drift_ros.features.video.video_unet import Parts, VideoUnetExtractor

FPS = 7  # default of its pipeline
SIZE = 224  # px, what CLIP takes


class StableVideoExtractor(VideoUnetExtractor):
    """Conditions as the published pipeline does, on the first frame of the window.

    The network is given the CLIP embedding of that frame, and in four more input channels of every
    frame the mode of its latent, not scaled, after a little noise was added to the image. Frame
    rate, amount of motion and that noise are further conditions.

    Args:
        parts: with a `UNetSpatioTemporalConditionModel`.
        image_encoder: CLIP's, on `antialiased_224` of the frame.
    """

    def __init__(self, parts: Parts, image_encoder: ImageEncoder) -> None:
        super().__init__(parts)
        video = parts.settings.video
        self._image_encoder = image_encoder
        # Trained on the rate less one.
        conditions = [(video.fps or FPS) - 1, video.motion_bucket, video.condition_noise]
        self._time_ids = torch.tensor([conditions], dtype=self.dtype, device=self.device)

    def _conditions(self, window: Window, posteriors: list[Tensor]) -> dict[str, Tensor]:
        image = self._image_latent(window, posteriors[0])
        return {
            'image_latents': image.expand(len(posteriors), -1, -1, -1),
            'encoder_hidden_states': self._image_encoder(window),
            'added_time_ids': self._time_ids,
        }

    def _image_latent(self, window: Window, posterior: Tensor) -> Tensor:
        """(4, h, w) mode of the latent of the first frame with noise added, not scaled."""
        strength = self.settings.video.condition_noise
        if strength:
            image = to_pixels(window.images[:1], torch.float32)
            noise = self._gaussian(tuple(image.shape), window.stamps[0], 'condition')
            posterior = self.encoder(image + strength * noise)[0]
        return posterior[0] / self.encoder.scaling_factor

    def _features(self, noisy: Tensor, conditions: dict[str, Tensor]) -> Tensor:
        latents = torch.cat([noisy, conditions['image_latents']], 1)[None]
        found: Tensor = self._run(
            latents,
            self._time,
            encoder_hidden_states=conditions['encoder_hidden_states'],
            added_time_ids=conditions['added_time_ids'],
            return_dict=False,
        )[0]
        return found[0]


def schedule() -> NoiseSchedule:
    """Timesteps for a model that has none: those of I2VGen-XL, so that tau means the same SNR."""
    from diffusers import DDIMScheduler

    same = DDIMScheduler(beta_schedule='squaredcos_cap_v2', rescale_betas_zero_snr=True)
    return NoiseSchedule(same.alphas_cumprod, continuous=True)


def antialiased_224(image: Tensor) -> Tensor:
    """CLIP's view of a frame in this model: all of it, squeezed to 224 px.

    As in the pipeline: a Gaussian blur that fits the reduction, then bicubic samples between the
    centres of the corner pixels.

    Args:
        image: (3, H, W) uint8 RGB.

    Returns:
        (1, 3, 224, 224) float32, about [0, 1].
    """
    blurred = to_pixels(image[None], torch.float32)
    for axis in (2, 3):
        blurred = _blur(blurred, axis, image.shape[axis - 1] / SIZE)
    small = functional.interpolate(blurred, size=(SIZE, SIZE), mode='bicubic', align_corners=True)
    return (small + 1) / 2


def _blur(images: Tensor, axis: int, factor: float) -> Tensor:
    """Gaussian blur along rows or columns before reducing by a factor, mirrored at the borders."""
    deviation = max((factor - 1) / 2, 0.001)
    half = int(max(4 * deviation, 3)) // 2
    steps = torch.arange(-half, half + 1, device=images.device, dtype=images.dtype)
    kernel = (-(steps**2) / (2 * deviation**2)).exp()
    kernel = (kernel / kernel.sum()).view(1, 1, -1, 1).expand(images.shape[1], -1, -1, -1)
    padding = (0, 0, half, half)
    if axis == 3:
        kernel, padding = kernel.transpose(2, 3), (half, half, 0, 0)
    padded = functional.pad(images, padding, mode='reflect')
    return functional.conv2d(padded, kernel, groups=images.shape[1])
