"""Devices, number formats, and networks on them."""

from __future__ import annotations

import logging

import pytest
import torch
from torch import Tensor, nn

from drift_ros.errors import DeviceError
from drift_ros.features.device import (
    choose_device,
    choose_dtype,
    compiled,
    prepare,
    require_finite,
)
from drift_ros.interruption import GivenUpError

CPU = torch.device('cpu')


def test_auto_means_half_precision_on_a_gpu_alone() -> None:
    assert choose_dtype('auto', CPU) == torch.float32
    assert choose_dtype('auto', torch.device('cuda')) == torch.float16
    assert choose_dtype('bfloat16', CPU) == torch.bfloat16


def test_a_gpu_that_is_not_there_is_an_error() -> None:
    count = torch.cuda.device_count()
    with pytest.raises(DeviceError, match=f'torch .* sees {count} CUDA'):
        choose_device(f'cuda:{count}')


def test_networks_are_cast_with_channels_innermost() -> None:
    network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Linear(8, 8), nn.Conv3d(3, 4, 3))
    made = prepare(network, CPU, torch.bfloat16)
    assert made is network and not made.training
    assert all(p.dtype == torch.bfloat16 and not p.requires_grad for p in made.parameters())
    assert made[0].weight.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize('bad', [torch.inf, -torch.inf, torch.nan])
def test_overflow_names_the_network_and_its_number_format(bad: float) -> None:
    values = torch.zeros(3, 4, dtype=torch.float16)
    require_finite(values, 'the VAE')
    values[1, 2] = bad
    with pytest.raises(DeviceError, match='the VAE overflows in float16'):
        require_finite(values, 'the VAE')


class Doubled(nn.Module):
    """Counts its passes."""

    def __init__(self) -> None:
        super().__init__()
        self.passes = 0

    def forward(self, values: Tensor) -> Tensor:
        self.passes += 1
        return 2 * values


def test_without_compilation_the_network_is_itself() -> None:
    network = Doubled()
    assert compiled(network, False) is network


def test_what_cannot_be_compiled_runs_as_it_is(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(_module: nn.Module) -> object:
        def run(*_args: object, **_kwargs: object) -> None:
            raise RuntimeError('no C++ compiler')

        return run

    monkeypatch.setattr(torch, 'compile', broken)
    network = Doubled()
    run = compiled(network, True)
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            assert run(torch.tensor(4.0)) == 8
    warnings = [r for r in caplog.records if 'no C++ compiler' in r.getMessage()]
    assert len(warnings) == 1 and network.passes == 3


@pytest.mark.parametrize('error', [torch.OutOfMemoryError, GivenUpError])
def test_what_compiling_did_not_cause_is_no_reason_to_run_uncompiled(
    monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    def fail(*_args: object) -> None:
        raise error('full')

    monkeypatch.setattr(torch, 'compile', lambda _module: fail)
    network = Doubled()
    with pytest.raises(error):
        compiled(network, True)(torch.tensor(1.0))
    assert network.passes == 0


def test_a_compiled_network_gives_the_same() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.SiLU()).eval()
    values = torch.randn(2, 3, 8, 8)
    with torch.no_grad():
        torch.testing.assert_close(compiled(network, True)(values), network(values))
