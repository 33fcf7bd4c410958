"""Noise levels of diffusion models on one scale, and noise that repeats.

All models see a frame as x = signal * x_0 + noise * eps with signal^2 + noise^2 = 1. What differs
is which timestep belongs to that mixture; the signal-to-noise ratio (signal / noise)^2 means the
same on every model.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from drift_ros.errors import SettingsError

Draw = Literal['posterior', 'diffusion', 'condition']


@dataclass(frozen=True, slots=True)
class NoiseLevel:
    """How a frame is noised, and the timestep that the network is given for it.

    Attributes:
        signal: factor of the clean input, in (0, 1].
        noise: factor of the noise, in [0, 1).
        timestep: what the model takes as its time argument.
    """

    signal: float
    noise: float
    timestep: float

    @property
    def snr(self) -> float:
        """Signal-to-noise ratio (signal / noise)^2."""
        return (self.signal / self.noise) ** 2 if self.noise else math.inf


class NoiseSchedule:
    """A schedule of discrete timesteps.

    Args:
        alphas_cumprod: (N,) abar of each timestep, falling.
        continuous: the model takes c_noise = ln(sigma) / 4 with sigma = noise / signal as its time
            (EDM preconditioning, Karras et al. 2022, as in Stable Video Diffusion; its input c_in *
            (x_0 + sigma eps) is the mixture above) and not a timestep of the schedule.
    """

    def __init__(self, alphas_cumprod: Tensor, continuous: bool = False) -> None:
        self._abar = alphas_cumprod.double().cpu()
        self._continuous = continuous

    def at(self, tau: int) -> NoiseLevel:
        """The level of a timestep.

        Raises:
            SettingsError: the schedule has no such timestep, or no signal is left at it.
        """
        last = len(self._abar) - 1
        if not 0 <= tau <= last or self._abar[tau] <= 0:
            usable = int((self._abar > 0).nonzero().max())
            raise SettingsError(
                f'noise level {tau} is out of range: this model has timesteps 0 to {usable} that '
                'leave any signal'
            )
        return self._level(float(self._abar[tau]), float(tau))

    def at_snr(self, snr: float) -> NoiseLevel:
        """The level of a signal-to-noise ratio; between timesteps, time is interpolated in log SNR.

        Raises:
            SettingsError: the schedule does not reach this ratio.
        """
        usable = self._abar > 0
        log_snr = (self._abar[usable] / (1 - self._abar[usable])).log().tolist()
        wanted = math.log(snr)
        slack = 1e-6  # of rounding, when the ratio was computed from an end of the schedule
        if not (self._continuous or log_snr[-1] - slack <= wanted <= log_snr[0] + slack):
            raise SettingsError(
                f'snr {snr:g} is out of range: this model knows ratios from '
                f'{math.exp(log_snr[-1]):.2g} to {math.exp(log_snr[0]):.4g}'
            )
        time = 0.0 if self._continuous else _interpolate(log_snr, wanted)
        return self._level(snr / (1 + snr), time)

    def choose(self, tau: int, snr: float) -> NoiseLevel:
        """The level of the ratio if it is positive, else that of the timestep."""
        return self.at_snr(snr) if snr > 0 else self.at(tau)

    def _level(self, abar: float, time: float) -> NoiseLevel:
        signal, noise = math.sqrt(abar), math.sqrt(1 - abar)
        if self._continuous:
            time = math.log(noise / signal) / 4
        return NoiseLevel(signal, noise, time)


def _interpolate(falling: Sequence[float], value: float) -> float:
    """Fractional index of a value in a falling sequence; the nearest end if it lies outside."""
    after = next((i for i, entry in enumerate(falling) if entry <= value), None)
    if after is None or after == 0:
        return 0.0 if after == 0 else float(len(falling) - 1)
    high, low = falling[after - 1], falling[after]
    return after - 1 + (high - value) / (high - low)


def gaussian(
    shape: Sequence[int],
    device: torch.device,
    *,
    seed: int,
    stamp: int,
    draw: Draw,
    member: int = 0,
) -> Tensor:
    """Standard normal noise that belongs to a frame, whatever was drawn before.

    Args:
        shape: of the result.
        device: where it is drawn; other devices give other values.
        seed: of the run.
        stamp: of the frame in ns.
        draw: what it is for.
        member: of the noise ensemble.

    Returns:
        float32.
    """
    if device.type == 'meta':  # shapes alone
        return torch.empty(tuple(shape), device=device)
    key = f'{seed}/{stamp}/{draw}/{member}'.encode()
    number = int.from_bytes(hashlib.blake2b(key, digest_size=7).digest(), 'little')
    generator = torch.Generator(device).manual_seed(number)
    return torch.randn(tuple(shape), generator=generator, device=device)
