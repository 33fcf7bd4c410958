"""DDIM there and back."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from drift_ros.errors import CheckpointError
from drift_ros.features.inversion import KINDS, ddim, ladder, snr_ladder, take_apart
from drift_ros.features.noise import NoiseLevel, NoiseSchedule

SCHEDULE = NoiseSchedule((1 - torch.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2).cumprod(0))


def gaussian_model(here: Tensor, level: NoiseLevel) -> tuple[Tensor, Tensor]:
    """The exact answer for data from N(1, 0.25): E[x_0 | x] of each number."""
    variance = 0.25
    gain = level.signal * variance / (level.signal**2 * variance + level.noise**2)
    clean = 1 + gain * (here - level.signal)
    return clean, (here - level.signal * clean) / level.noise


@pytest.mark.parametrize('kind', KINDS)
def test_predictions_are_taken_apart(kind: str) -> None:
    torch.manual_seed(0)
    clean, noise = torch.randn(2, 1, 3, 4, 4)
    level = SCHEDULE.at(300)
    here = level.signal * clean + level.noise * noise
    told = {
        'epsilon': noise,
        'v_prediction': level.signal * noise - level.noise * clean,
        'sample': clean,
    }[kind]
    found = take_apart(torch.cat([told, told], 1), here, level, kind)
    torch.testing.assert_close(found, (clean, noise), rtol=1e-4, atol=1e-4)


def test_an_unknown_prediction_is_refused() -> None:
    with pytest.raises(CheckpointError, match='flow'):
        take_apart(torch.zeros(1, 3, 2, 2), torch.zeros(1, 3, 2, 2), SCHEDULE.at(3), 'flow')


def test_inversion_and_sampling_return_the_frame_the_better_the_more_steps() -> None:
    torch.manual_seed(0)
    clean = 1 + 0.5 * torch.randn(1, 4, 8, 8)
    errors = []
    for steps in (5, 20, 80):
        levels = ladder(SCHEDULE, SCHEDULE.at(400), steps)
        noised = ddim(clean, gaussian_model, levels)
        assert abs(float(noised.mean() - levels[-1].signal)) < 0.15
        back = ddim(noised, gaussian_model, levels[::-1])
        errors.append(float((back - clean).abs().mean()))
    assert errors[0] > 2 * errors[1] > 4 * errors[2]
    assert errors[2] < 0.01


def test_levels_rise_to_the_one_that_is_asked_for() -> None:
    levels = ladder(SCHEDULE, SCHEDULE.at_snr(3.7), 10)
    signals = [level.signal for level in levels]
    assert len(levels) == 11 and signals == sorted(signals, reverse=True)
    assert levels[-1].snr == pytest.approx(3.7)
    assert ladder(SCHEDULE, SCHEDULE.at(0), 10) == [SCHEDULE.at(0)]
    assert [x.timestep for x in ladder(SCHEDULE, SCHEDULE.at(3), 50)] == [0, 1, 2, 3]


def test_levels_in_equal_steps_of_the_logarithm_of_the_ratio() -> None:
    def level(snr: float) -> NoiseLevel:
        return NoiseLevel((snr / (1 + snr)) ** 0.5, (1 / (1 + snr)) ** 0.5, snr)

    ratios = [each.timestep for each in snr_ladder(level, 1000, 1, 3)]
    assert ratios == pytest.approx([1000, 100, 10, 1])
    assert [each.timestep for each in snr_ladder(level, 10, 40, 3)] == [40]
