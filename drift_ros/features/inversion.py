"""DDIM inversion: the noise that a frame would have come from, in place of noise that is drawn.

A deterministic step of DDIM (Song et al. 2021) between two noise levels takes x = signal * x_0 +
noise * eps apart by what the network says, and puts both together at the other level. Towards more
noise it inverts, towards less it samples; the two undo each other but for the change of the
prediction between neighbouring levels, which falls with the number of steps.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Tensor

from drift_ros.errors import CheckpointError
from drift_ros.features.noise import NoiseLevel, NoiseSchedule

Predict = Callable[[Tensor, NoiseLevel], tuple[Tensor, Tensor]]  # x at a level -> x_0 and eps
KINDS = ('epsilon', 'v_prediction', 'sample')


def ladder(schedule: NoiseSchedule, target: NoiseLevel, steps: int) -> list[NoiseLevel]:
    """Noise levels from that of the first timestep, as which a clean frame counts, to the target.

    Args:
        schedule: of the model, in timesteps.
        target: the last one; its time may lie between two timesteps.
        steps: N, of equal length in time; fewer where there are fewer timesteps.

    Returns:
        At most N + 1 levels of falling signal; the target alone if it is the first timestep.
    """
    times = sorted({round(target.timestep * index / steps) for index in range(steps)})
    return [*(schedule.at(time) for time in times if time < target.timestep), target]


def snr_ladder(
    level: Callable[[float], NoiseLevel], cleanest: float, target: float, steps: int
) -> list[NoiseLevel]:
    """The same for models whose time is the logarithm of the signal-to-noise ratio, in steps of
    equal length in it.

    Args:
        level: the one of a ratio.
        cleanest: ratio as which a clean frame counts.
        target: ratio of the last one.
        steps: N.
    """
    if target >= cleanest:
        return [level(target)]
    factor = (target / cleanest) ** (1 / steps)
    return [*(level(cleanest * factor**index) for index in range(steps)), level(target)]


@torch.no_grad()
def ddim(start: Tensor, predict: Predict, levels: Sequence[NoiseLevel]) -> Tensor:
    """Go from one noise level to the next by deterministic steps.

    Args:
        start: x at the first level, float32.
        predict: what the network says about x at a level.
        levels: at least one; towards more noise (inversion) or less (sampling).

    Returns:
        x at the last level, float32.
    """
    here = start
    for level, following in pairwise(levels):
        clean, noise = predict(here, level)
        here = following.signal * clean + following.noise * noise
    return here


def take_apart(
    prediction: Tensor, here: Tensor, level: NoiseLevel, kind: str
) -> tuple[Tensor, Tensor]:
    """x_0 and eps by what a network predicts of x = signal * x_0 + noise * eps, in float32.

    Args:
        prediction: of the network; further channels (a learned variance) are left out.
        here: x.
        level: of x.
        kind: `epsilon`, `v_prediction` or `sample` (x_0).

    Raises:
        CheckpointError: the kind is unknown.
    """
    found = prediction[:, : here.shape[1]].float()
    signal, noise = level.signal, level.noise
    if kind == 'epsilon':
        return (here - noise * found) / signal, found
    if kind == 'v_prediction':
        return signal * here - noise * found, signal * found + noise * here
    if kind == 'sample':
        return found, (here - signal * found) / max(noise, 1e-6)
    raise CheckpointError(
        f'the scheduler of this model says prediction_type {kind!r}, expected one of '
        f'{", ".join(KINDS)}'
    )
