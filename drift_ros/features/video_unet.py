"""Descriptors from inside a video diffusion UNet (TED, section 3.1; DIFT for the noising).

x_tau = sqrt(abar_tau) x_0 + sqrt(1 - abar_tau) eps for all frames of a window, one pass of the UNet
over the window, the output of one decoder block. The network stops there: nothing behind the block
is computed or kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from diffusers import AutoencoderKL, UNet3DConditionModel
from torch import Tensor, nn

from drift_ros.features.base import FeatureExtractor, FeatureMap, Window


@dataclass(frozen=True, slots=True)
class VideoUnet:
    """The parts of a text-to-video latent diffusion model that feature extraction needs.

    Attributes:
        unet: the denoiser; frames are the third dimension of its input.
        vae: image autoencoder, of which only the encoder is used.
        alphas_cumprod: (1000,) abar of the noise schedule.
        text: (1, tokens, dim) encoding of the empty prompt.
        frames: number of frames that the model was trained on.
    """

    unet: UNet3DConditionModel
    vae: AutoencoderKL
    alphas_cumprod: Tensor
    text: Tensor
    frames: int


class VideoUnetExtractor(FeatureExtractor):
    """Reads a decoder block of a video UNet.

    The noise of a frame, and of its latent, is drawn from a generator seeded by (seed, stamp): the
    same frame gets the same noise in every window and in every run. Latents of frames that the next
    window sees again are kept.

    Args:
        name: name in the registry.
        model: the networks; they are moved, cast and cut down in place.
        block: decoder block that is read, 0 = deepest.
        noise_level: diffusion timestep tau.
        seed: of the noise.
        device: where to run.
        dtype: number format of the networks and the descriptors.
    """

    def __init__(
        self,
        name: str,
        model: VideoUnet,
        *,
        block: int,
        noise_level: int,
        seed: int,
        device: torch.device,
        dtype: torch.dtype,
    ) -> None:
        self.name = name
        self.device = device
        self.dtype = dtype
        self.window_length = model.frames
        _drop_unused(model, block)
        self._unet = model.unet.to(device, dtype).eval().requires_grad_(False)
        self._vae = model.vae.to(device, dtype).eval().requires_grad_(False)
        self._text = model.text.to(device, dtype)
        self._block: nn.Module = self._unet.up_blocks[block]
        self._noise_level = noise_level
        signal = model.alphas_cumprod[noise_level]
        self._signal, self._noise = float(signal.sqrt()), float((1 - signal).sqrt())
        self._seed = seed
        self._latents: dict[int, Tensor] = {}
        # The VAE shrinks by 8; DIFT brings images to multiples of 32.
        self.size_multiple = 4 * 2 ** (len(self._vae.config.block_out_channels) - 1)

    def reset(self) -> None:
        """Forget kept latents."""
        self._latents.clear()

    @torch.no_grad()
    def extract(self, window: Window) -> FeatureMap:
        """Block output of the newest frames: (n, C, H / stride, W / stride)."""
        latents = self._noisy_latents(window)
        timestep = torch.tensor(self._noise_level, device=self.device)
        with _stop_after(self._block) as captured:
            self._unet(latents.transpose(0, 1)[None], timestep, self._text)
        features = captured[0][-window.new :]
        return FeatureMap(features, window.images.shape[-2] // features.shape[-2])

    def _noisy_latents(self, window: Window) -> Tensor:
        """(d, 4, H / 8, W / 8) noised latents of all frames of the window."""
        latents = {}
        for stamp, image in zip(window.stamps, window.images, strict=True):
            known = self._latents.get(stamp)
            latents[stamp] = self._noisy_latent(image, stamp) if known is None else known
        self._latents = latents
        return torch.stack([latents[stamp] for stamp in window.stamps])

    def _noisy_latent(self, image: Tensor, stamp: int) -> Tensor:
        generator = torch.Generator().manual_seed((self._seed * 1_000_003 + stamp) % 2**63)
        pixels = image[None].to(self.dtype) / 127.5 - 1
        encoded = self._vae.encode(pixels).latent_dist
        draws = [torch.randn(encoded.mean.shape, generator=generator) for _ in range(2)]
        sample_noise, noise = (d.to(self.device, self.dtype) for d in draws)
        clean = (encoded.mean + encoded.std * sample_noise) * self._vae.config.scaling_factor
        return (self._signal * clean + self._noise * noise)[0]


def _drop_unused(model: VideoUnet, block: int) -> None:
    """Free the weights behind the block and the decoder; they are never run."""
    unused = nn.Identity()
    for index in range(block + 1, len(model.unet.up_blocks)):
        model.unet.up_blocks[index] = unused
    model.unet.conv_norm_out = model.unet.conv_out = None
    model.vae.decoder = model.vae.post_quant_conv = unused


class _BlockReached(Exception):  # noqa: N818
    """Ends a forward pass whose rest is not needed."""


@contextmanager
def _stop_after(module: nn.Module) -> Iterator[list[Tensor]]:
    """Run a network up to the end of a module; yields a list that receives the module's output."""
    captured: list[Tensor] = []

    def stop(_module: nn.Module, _args: Any, output: Tensor) -> None:
        captured.append(output)
        raise _BlockReached

    handle = module.register_forward_hook(stop)
    try:
        yield captured
    except _BlockReached:
        pass
    finally:
        handle.remove()
