"""Descriptors from inside a video diffusion transformer (DiffTrack, Nam et al. 2025).

Every frame of a window is encoded by the VAE alone, so each takes the place of one latent frame:
nothing is compressed over time. The clean latents go through the transformer once, at the last step
of its schedule and with an empty prompt, and queries and keys of one layer are the descriptors.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from drift_ros.descriptors import Descriptors
from drift_ros.features.base import FeatureExtractor, Session, Window
from drift_ros.features.device import prepare, require_finite
from drift_ros.features.dit.reader import LayerReader, per_head
from drift_ros.features.latents import to_pixels
from drift_ros.features.noise import gaussian

FRAMES = 13  # latent frames that the models were trained with
PATCH, STRIDE = 2, 8  # latents per token, px per latent


@dataclass(frozen=True, slots=True)
class DitParts:
    """What every video transformer is made of.

    Attributes:
        transformer: loaded up to the last layer that is read, on the CPU.
        vae: of which only the encoder is used.
        text: arguments of the transformer that come from the prompt.
        layers: numbers of the layers that are read, rising.
        timestep: of the pass.
        scaling: of latents.
        seed: of the draws from the VAE's posterior.
        batch: frames per pass of the VAE.
        device: where to run.
        dtype: number format of the networks and the descriptors.
    """

    transformer: Any
    vae: Any
    text: Mapping[str, Tensor]
    layers: tuple[int, ...]
    timestep: float
    scaling: float
    seed: int
    batch: int
    device: torch.device
    dtype: torch.dtype


class VideoDitExtractor(FeatureExtractor):
    """Reads layers of a video transformer in one conditional pass over the window.

    Args:
        parts: of the model; the networks are moved, cast and cut in place.
    """

    name = 'video-dit'
    window_length = FRAMES
    size_multiple = PATCH * STRIDE

    def __init__(self, parts: DitParts) -> None:
        self.device = parts.device
        self.dtype = parts.dtype
        self._parts = parts
        self.transformer = prepare(parts.transformer, parts.device, parts.dtype)
        vae = parts.vae
        vae.decoder = nn.Identity()
        self._vae = prepare(vae, parts.device, parts.dtype)
        self._text = {name: value.to(parts.device) for name, value in parts.text.items()}
        self._reader = LayerReader(self._blocks(), parts.layers)
        self.heads = self._reader.heads

    def extract(self, window: Window) -> Descriptors:
        """Queries and keys of the newest frames, a map per layer and head on cells of 16 px.

        Raises:
            DeviceError: values overflow in this number format.
        """
        return self.describe(window, self.encode(window, {}))

    def session(self, length: int = 0) -> Session:
        """A stream that keeps the latents of its last window."""
        del length
        return _DitSession(self)

    @torch.no_grad()
    def encode(self, window: Window, known: Mapping[int, Tensor]) -> list[Tensor]:
        """Latents (C, H / 8, W / 8) of each frame; `known` has some by their stamps."""
        new = [i for i, stamp in enumerate(window.stamps) if stamp not in known]
        fresh: list[Tensor] = []
        for i in range(0, len(new), self._parts.batch):
            rows = new[i : i + self._parts.batch]
            pixels = to_pixels(window.images[rows], self.dtype)[:, :, None]
            posterior = self._vae.encode(pixels).latent_dist
            for mean, deviation, row in zip(posterior.mean, posterior.std, rows, strict=True):
                noise = gaussian(
                    mean[:, 0].shape,
                    self.device,
                    seed=self._parts.seed,
                    stamp=window.stamps[row],
                    draw='posterior',
                    member=0,
                )
                fresh.append((mean[:, 0] + deviation[:, 0] * noise) * self._parts.scaling)
        left = iter(fresh)
        return [known[t] if t in known else next(left) for t in window.stamps]

    @torch.no_grad()
    def describe(self, window: Window, latents: list[Tensor]) -> Descriptors:
        """What `extract` says, from the latents of each frame."""
        stack = torch.stack(latents).to(self.dtype)
        frames, (height, width) = len(stack), stack.shape[2:]
        found = self._reader.read(lambda: self._run(stack))
        grid = (height // PATCH, width // PATCH)
        queries: list[Tensor] = []
        keys: list[Tensor] = []
        for query, key in found:
            require_finite(query, 'the video transformer')
            scaled = query * query.shape[-1] ** -0.5  # so that a product with a key is a logit
            queries += per_head(scaled, frames, grid, window.new)
            keys += per_head(key, frames, grid, window.new)
        return Descriptors(tuple(queries), tuple(keys), PATCH * STRIDE)

    @abstractmethod
    def _blocks(self) -> list[Any]:
        """All blocks, in the order of execution."""

    @abstractmethod
    def _run(self, latents: Tensor) -> None:
        """One pass over latents (F, C, h, w)."""


class CogVideoExtractor(VideoDitExtractor):
    """CogVideoX 2B (places are added to the tokens) and 5B (queries and keys are rotated)."""

    def _blocks(self) -> list[Any]:
        return list(self.transformer.transformer_blocks)

    def _run(self, latents: Tensor) -> None:
        self.transformer(
            hidden_states=latents[None],
            timestep=torch.tensor([self._parts.timestep], device=self.device),
            image_rotary_emb=self._rotary(latents),
            **self._text,
        )

    def _rotary(self, latents: Tensor) -> tuple[Tensor, Tensor] | None:
        """Rotations as the pipeline of CogVideoX makes them, where the model takes any."""
        config = self.transformer.config
        if not config.use_rotary_positional_embeddings:
            return None
        from diffusers.models.embeddings import get_3d_rotary_pos_embed
        from diffusers.pipelines.cogvideo.pipeline_cogvideox import get_resize_crop_region_for_grid

        grid = (latents.shape[2] // PATCH, latents.shape[3] // PATCH)
        crop = get_resize_crop_region_for_grid(
            grid, config.sample_width // PATCH, config.sample_height // PATCH
        )
        cosine, sine = get_3d_rotary_pos_embed(
            embed_dim=config.attention_head_dim,
            crops_coords=crop,
            grid_size=grid,
            temporal_size=len(latents),
            device=self.device,
        )
        return cosine, sine


class HunyuanExtractor(VideoDitExtractor):
    """HunyuanVideo: blocks with a stream each for video and text, then blocks with one for both."""

    GUIDANCE = 6000.0  # embedded guidance of 6, as its pipeline scales it

    def _blocks(self) -> list[Any]:
        transformer = self.transformer
        return [*transformer.transformer_blocks, *transformer.single_transformer_blocks]

    def _run(self, latents: Tensor) -> None:
        guidance = None
        if self.transformer.config.guidance_embeds:
            guidance = torch.tensor([self.GUIDANCE], device=self.device, dtype=self.dtype)
        self.transformer(
            hidden_states=latents.transpose(0, 1)[None],
            timestep=torch.tensor([self._parts.timestep], device=self.device),
            guidance=guidance,
            **self._text,
        )


class _DitSession(Session):
    def __init__(self, extractor: VideoDitExtractor) -> None:
        super().__init__(extractor)
        self._dit = extractor
        self._latents: dict[int, Tensor] = {}

    def extract(self, window: Window) -> Descriptors:
        latents = self._dit.encode(window, self._latents)
        self._latents = dict(zip(window.stamps, latents, strict=True))
        return self._dit.describe(window, latents)

    def reset(self) -> None:
        self._latents = {}
