"""Rooms that handle frames and results without loading torch, which takes seconds and gigabytes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / 'drift_ros'
ROOMS = ('io', 'runs', 'synthetic', 'node_settings.py', 'structures.py', 'visualization/overlay.py')


def test_whoever_handles_results_does_not_pay_for_torch() -> None:
    files = [f for room in ROOMS for f in [PACKAGE / room, *(PACKAGE / room).rglob('*.py')]]
    modules = ['.'.join(f.relative_to(PACKAGE.parent).with_suffix('').parts) for f in files]
    code = (
        'import importlib, sys\n'
        'for module in sys.argv[1:]:\n'
        '    importlib.import_module(module)\n'
        '    assert "torch" not in sys.modules, module'
    )
    done = subprocess.run(
        [sys.executable, '-c', code, *modules], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
