"""What is told of the machine."""

from __future__ import annotations

from types import SimpleNamespace

import torch

from drift_ros.environment import machine


def test_gpus_are_named(monkeypatch):
    names = ['H200', 'H200', 'A2']
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    monkeypatch.setattr(torch.cuda, 'device_count', lambda: len(names))
    monkeypatch.setattr(
        torch.cuda,
        'get_device_properties',
        lambda number: SimpleNamespace(name=names[number], total_memory=139 * 2**30),
    )
    assert machine()['GPU'] == '2 x H200, 139 GiB; A2, 139 GiB'


def test_no_gpu_is_no_fact(monkeypatch):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    assert 'GPU' not in machine() and machine()['cores']
