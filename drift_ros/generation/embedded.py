"""Clips from the embedded model, with cross-attention guidance over its temporal layers."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from drift_ros.errors import SettingsError
from drift_ros.features.embedded.extractor import level
from drift_ros.features.embedded.layers import Attention
from drift_ros.features.embedded.model import EmbeddedUNet
from drift_ros.features.inversion import ddim, snr_ladder, take_apart
from drift_ros.features.noise import NoiseLevel

NOISIEST, CLEANEST = math.exp(-6), math.exp(6)  # signal-to-noise ratios, as in training
CLEAN = NoiseLevel(1.0, 0.0, math.inf)


@torch.no_grad()
def sample(
    model: EmbeddedUNet,
    noise: Tensor,
    *,
    steps: int = 40,
    cag_scale: float = 0.0,
    cag_layers: Sequence[int] | None = None,
) -> Tensor:
    """Go from noise to clips by DDIM.

    The model knows no prompt, so the guided prediction is x_c + cag_scale (x_c - x_p), where x_p is
    predicted without what temporal layers gather from earlier frames. Of x_0 and of the noise that
    says the same.

    Args:
        model: with temporal layers.
        noise: (B, F, 3, H, W) float32, standard normal; H and W multiples of `model.multiple`.
        steps: N, of equal length in the logarithm of the signal-to-noise ratio.
        cag_scale: 0 samples plainly.
        cag_layers: numbers of the temporal layers that are cut; None cuts all.

    Returns:
        (B, F, 3, H, W) float32 in -1..1.

    Raises:
        SettingsError: the model has no such temporal layer.
    """
    chosen = _chosen(model, cag_layers) if cag_scale else []

    def predict(noisy: Tensor, at: NoiseLevel) -> tuple[Tensor, Tensor]:
        log_snr = noisy.new_full(noisy.shape[:2], at.timestep)
        clean = model(noisy, log_snr).clean
        if cag_scale:
            with _cut(chosen):
                alone = model(noisy, log_snr).clean
            clean = clean + cag_scale * (clean - alone)
        return take_apart(clean.clamp(-1, 1), noisy, at, 'sample')

    rising = snr_ladder(level, CLEANEST, NOISIEST, steps)[::-1]
    return ddim(noise, predict, [*rising[:-1], CLEAN])


def temporal_layers(model: EmbeddedUNet) -> list[Attention]:
    """Layers that attend to earlier frames, from the encoder to the decoder."""
    stages = (*model.down, *model.middle, *model.up)
    every = (m for stage in stages for m in stage.modules() if isinstance(m, Attention))
    return [layer for layer in every if layer.past]


def _chosen(model: EmbeddedUNet, numbers: Sequence[int] | None) -> list[Attention]:
    layers = temporal_layers(model)
    if numbers is None:
        return layers
    for number in numbers:
        if not 0 <= number < len(layers):
            raise SettingsError(
                f'there is no layer {number} to cut: the embedded model has {len(layers)} '
                'temporal layers, counted from 0'
            )
    return [layers[number] for number in numbers]


@contextmanager
def _cut(layers: Sequence[Attention]) -> Iterator[None]:
    for layer in layers:
        layer.cut = True
    try:
        yield
    finally:
        for layer in layers:
            layer.cut = False
