"""Noise levels against the table of published schedules, and noise that repeats."""

from __future__ import annotations

import math

import pytest
import torch
from diffusers import DDIMScheduler, DDPMScheduler
from hypothesis import given
from hypothesis import strategies as st

from drift_ros.errors import SettingsError
from drift_ros.features.noise import NoiseSchedule, gaussian

CPU = torch.device('cpu')
STABLE_DIFFUSION = DDIMScheduler(
    beta_schedule='scaled_linear', beta_start=0.00085, beta_end=0.012
).alphas_cumprod
ADM = DDPMScheduler(beta_schedule='linear', beta_start=1e-4, beta_end=0.02).alphas_cumprod
I2VGEN_XL = DDIMScheduler(
    beta_schedule='squaredcos_cap_v2', rescale_betas_zero_snr=True
).alphas_cumprod
SCHEDULES = pytest.mark.parametrize('abar', [STABLE_DIFFUSION, ADM, I2VGEN_XL])


@pytest.mark.parametrize(
    ('abar', 'tau', 'expected'),
    [
        (STABLE_DIFFUSION, 51, 0.9505),
        (STABLE_DIFFUSION, 900, 0.0142),
        (ADM, 51, 0.9689),
        (I2VGEN_XL, 300, 0.7856),
        (I2VGEN_XL, 600, 0.3393),
    ],
)
def test_levels_are_those_of_the_published_schedules(
    abar: torch.Tensor, tau: int, expected: float
) -> None:
    level = NoiseSchedule(abar).at(tau)
    assert level.signal**2 == pytest.approx(expected, abs=1e-4)
    assert level.signal**2 + level.noise**2 == pytest.approx(1)
    assert level.timestep == tau


@SCHEDULES
@pytest.mark.parametrize('tau', [0, 1, 51, 300, 998])
def test_the_ratio_of_a_timestep_leads_back_to_it(abar: torch.Tensor, tau: int) -> None:
    schedule = NoiseSchedule(abar)
    level = schedule.at_snr(schedule.at(tau).snr)
    assert level.timestep == pytest.approx(tau, abs=1e-3)
    assert level.signal == pytest.approx(schedule.at(tau).signal, rel=1e-6)


@given(snr=st.floats(1e-3, 1e3))
def test_one_ratio_means_the_same_mixture_on_every_model(snr: float) -> None:
    levels = [
        NoiseSchedule(abar).at_snr(snr) for abar in (STABLE_DIFFUSION, I2VGEN_XL) if snr > 0.01
    ]
    levels.append(NoiseSchedule(I2VGEN_XL, continuous=True).at_snr(snr))
    for level in levels:
        assert (level.signal / level.noise) ** 2 == pytest.approx(snr, rel=1e-9)


def test_continuous_time_is_a_quarter_of_log_sigma() -> None:
    level = NoiseSchedule(I2VGEN_XL, continuous=True).at(300)
    assert level.timestep == pytest.approx(0.25 * math.log(level.noise / level.signal))
    assert level.timestep == pytest.approx(-0.162, abs=1e-3)


def test_time_between_timesteps_rises_with_the_noise() -> None:
    schedule = NoiseSchedule(STABLE_DIFFUSION)
    times = [schedule.at_snr(snr).timestep for snr in (100, 10, 1, 0.1, 0.01)]
    assert times == sorted(times) and len(set(times)) == len(times)


def test_a_timestep_without_signal_is_refused() -> None:
    with pytest.raises(SettingsError, match='timesteps 0 to 998'):
        NoiseSchedule(I2VGEN_XL).at(999)


def test_a_timestep_beyond_the_schedule_is_refused() -> None:
    with pytest.raises(SettingsError, match='timesteps 0 to 9'):
        NoiseSchedule(STABLE_DIFFUSION[:10]).at(10)


@pytest.mark.parametrize('snr', [1e-9, 1e9])
def test_a_ratio_beyond_the_schedule_is_refused(snr: float) -> None:
    with pytest.raises(SettingsError, match=r'snr .* is out of range'):
        NoiseSchedule(STABLE_DIFFUSION).at_snr(snr)


def test_a_positive_ratio_goes_before_the_timestep() -> None:
    schedule = NoiseSchedule(STABLE_DIFFUSION)
    assert schedule.choose(300, 0) == schedule.at(300)
    assert schedule.choose(300, 2.0) == schedule.at_snr(2.0)


def test_noise_depends_on_what_it_is_for_and_on_nothing_else() -> None:
    options = {'seed': 1, 'stamp': 10**18 + 1, 'draw': 'diffusion', 'member': 0}
    first = gaussian((2, 3), CPU, **options)
    gaussian((5,), CPU, **options | {'stamp': 3})
    torch.testing.assert_close(gaussian((2, 3), CPU, **options), first, rtol=0, atol=0)
    for change in ({'seed': 2}, {'stamp': 10**18}, {'draw': 'posterior'}, {'member': 1}):
        assert not torch.equal(gaussian((2, 3), CPU, **options | change), first)


def test_noise_is_standard_normal_and_independent_between_frames() -> None:
    draws = torch.stack(
        [gaussian((4000,), CPU, seed=0, stamp=s, draw='diffusion') for s in range(8)]
    )
    assert draws.mean().abs() < 0.03 and abs(draws.std() - 1) < 0.03
    assert (torch.corrcoef(draws) - torch.eye(8)).abs().max() < 0.07
